// The gate's look at Linux 6.1; kernels/6.1.test.ts is the whole.
import { smoke } from '../suites/smoke.ts';
import { onKernel } from '../suites/index.ts';

onKernel('6.1', [{ name: 'smoke', tests: smoke }], false);
