// The gate's look at Linux 5.10; kernels/5.10.test.ts is the whole.
import { smoke } from '../suites/smoke.ts';
import { onKernel } from '../suites/index.ts';

onKernel('5.10', [{ name: 'smoke', tests: smoke }], false);
