// The gate's look at Linux 7.2; kernels/7.2.test.ts is the whole.
import { smoke } from '../suites/smoke.ts';
import { onKernel } from '../suites/index.ts';

onKernel('7.2', [{ name: 'smoke', tests: smoke }], false);
