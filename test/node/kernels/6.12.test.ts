// Debian 13's kernel, and Debian 12's newer one: has kprobe.multi.
import { matrixOf } from '../suites/index.ts';

matrixOf('6.12');
