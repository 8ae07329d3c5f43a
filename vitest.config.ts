// Vitest projects: `unit`, `node`, `smokes`, `e2e` and `timeline` are of the gate (`npm test`), `kernels` is the matrix
// (`npm run test:kernels`), `soak` what takes minutes (`npm run test:soak`), `accident` what a test of the runner runs.
import { defineConfig } from 'vitest/config';

/** VM and browser suites share one machine: one file at a time, and long limits because the VMs are emulated. */
const oneAtATime = {
  pool: 'forks' as const,
  poolOptions: { forks: { singleFork: true } },
  testTimeout: 240_000,
  hookTimeout: 300_000,
};

export default defineConfig({
  test: {
    // Vitest would leave one CPU to the person before the screen.
    maxWorkers: '100%',
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'node', include: ['test/node/*.test.ts'], ...oneAtATime } },
      { test: { name: 'smokes', include: ['test/node/smokes/*.test.ts'], ...oneAtATime } },
      { test: { name: 'e2e', include: ['test/e2e/*.test.ts'], ...oneAtATime } },
      { test: { name: 'timeline', include: ['test/e2e/timelineHarness/*.test.ts'], ...oneAtATime } },
      { test: { name: 'kernels', include: ['test/node/kernels/*.test.ts'], ...oneAtATime } },
      { test: { name: 'soak', include: ['test/**/*.soak.ts'], ...oneAtATime } },
      { test: { name: 'accident', include: ['test/node/accident/*.test.ts'], ...oneAtATime } },
    ],
  },
});
