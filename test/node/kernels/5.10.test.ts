// Debian 11's kernel: has neither kprobe.multi nor BPF cookies.
import { matrixOf } from '../suites/index.ts';

matrixOf('5.10');
