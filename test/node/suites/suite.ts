// What a suite is: tests of one booted node.
import type { Kernel, TestNode } from '../vm.ts';

/**
 * Registers tests for one kernel. `booted` gives the node inside of hooks and tests; the helper is on it, at `helperPath`.
 * `whole` is true in the matrix, and false in the gate, which leaves out what takes long and what others see as well.
 * A suite leaves no helper running; the scenarios' namespaces are removed after it.
 */
export type Suite = (kernel: Kernel, booted: () => TestNode, whole: boolean) => void;
