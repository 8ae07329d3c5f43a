// What is held on every kernel: each suite is a list of tests that share one booted node. To add one, write a file beside this
// one and name it in `matrix`, and in `gate` what of it is worth its time with every change.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { exists } from '../image.ts';
import { endTraces, guardsRunning, helpersRunning, installHelper } from '../tracing.ts';
import { bootNode, type Kernel, type TestNode } from '../vm.ts';
import { coverage } from './coverage.ts';
import { fates } from './fates.ts';
import { filters } from './filters.ts';
import { identity } from './identity.ts';
import { live } from './live.ts';
import { loss } from './loss.ts';
import { machine } from './machine.ts';
import { names } from './names.ts';
import { nodes } from './nodes.ts';
import { programs } from './programs.ts';
import { safety } from './safety.ts';
import { shapes } from './shapes.ts';
import type { Suite } from './suite.ts';
import { text } from './text.ts';

/** A suite, with the kernels that are held to it: all of them, when none is named. */
export interface NamedSuite {
  readonly name: string;
  readonly tests: Suite;
  readonly kernels?: readonly Kernel[];
}

/** In the order in which they run. */
const matrix: readonly NamedSuite[] = [
  { name: 'the node', tests: machine },
  // Nothing in it depends on the kernel.
  { name: 'the way to the node', tests: nodes, kernels: ['6.12'] },
  { name: 'coverage', tests: coverage },
  { name: 'shapes', tests: shapes },
  { name: 'fates', tests: fates },
  { name: 'filters', tests: filters },
  { name: 'names', tests: names },
  { name: 'identity', tests: identity, kernels: ['5.10', '6.1', '6.12', '7.2'] },
  { name: 'programs', tests: programs, kernels: ['5.10', '6.1', '6.12', '7.2'] },
  { name: 'text of others', tests: text },
  { name: 'loss', tests: loss },
  { name: 'safety', tests: safety },
  { name: 'a running trace', tests: live },
];

/** All but what only says that the test node itself is as it should be, and what unit tests see in parts. */
const gate = matrix.filter(({ tests }) => ![machine, names, text].includes(tests));

/** Registers all that the kernel is held to. */
export const matrixOf = (kernel: Kernel): void => onKernel(kernel, matrix, true);

/** Registers what it is held to with every change. */
export const gateOf = (kernel: Kernel): void => onKernel(kernel, gate, false);

/** Boots one node and runs suites on it. When the node dies, the test that saw it tells why and the rest fails at once. */
export function onKernel(kernel: Kernel, suites: readonly NamedSuite[], whole: boolean): void {
  describe(`Linux ${kernel}`, () => {
    let node: TestNode | undefined;
    let death: string | undefined;
    const booted = (): TestNode => {
      if (death !== undefined) throw new Error(`not run: ${death.split('\n')[0] ?? ''}`);
      if (!node) throw new Error('the node is there in hooks and tests only');
      return node;
    };

    // Images may have to be made first, and other tests' nodes to end.
    beforeAll(async () => {
      node = await bootNode({ kernel, log: (line) => console.log(line) });
      await installHelper(node);
    }, 1_800_000);

    beforeEach(() => void booted());

    // Of a test that failed before it could.
    afterEach(endTraces, 30_000);

    afterEach(async ({ task }) => {
      if (death !== undefined || task.result?.state !== 'fail') return;
      death = await node?.failure();
      if (death !== undefined) throw new Error(death);
    }, 90_000);

    afterAll(async () => {
      if (!node) return;
      await node.stop();
      expect(await exists(`/proc/${node.pid}`), 'the emulator is gone').toBe(false);
      expect(await exists(node.sshConfigFile), 'its keys are gone').toBe(false);
    });

    for (const { name, tests, kernels } of suites) {
      if (kernels && !kernels.includes(kernel)) continue;
      // Where functions are hooked one by one, all of them take a while in an emulated machine.
      describe(name, { timeout: 300_000 }, () => {
        tests(kernel, booted, whole);
        afterAll(async () => {
          if (death !== undefined) return;
          await booted().scenario('clean');
          const left = [...(await helpersRunning(booted())), ...(await guardsRunning(booted()))];
          expect(left, `helpers and guards that the suite "${name}" left running`).toEqual([]);
        });
      });
    }

    describe('the kernel’s log', () => {
      test('has no complaint after all this', async () => {
        const { stdout } = await booted().exec(
          'dmesg | grep -E -A 30 "WARNING: |BUG: |Oops|blocked for more than" || true',
        );
        expect(stdout).toBe('');
      });
    });
  });
}
