// One vitest project a suite, so that `npm test` can run and report them one after the other.
import { defineConfig } from 'vitest/config';

/** VM and browser suites share one machine: one file at a time, and long limits because the VMs are emulated. */
const oneAtATime = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'node', include: ['test/node/**/*.test.ts'], ...oneAtATime } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...oneAtATime } },
    ],
  },
});
