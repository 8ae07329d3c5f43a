// Debian 12's default kernel: built without FPROBE, so it has no kprobe.multi.
import { matrixOf } from '../suites/index.ts';

matrixOf('6.1');
