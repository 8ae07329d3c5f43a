// Debian 13's kernel on another processor: built without FPROBE, so it has no kprobe.multi.
import { matrixOf } from '../suites/index.ts';

matrixOf('6.12-arm64');
