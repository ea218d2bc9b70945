import { BOARD_FAULTS } from './board.js';
import { CALL_FAULTS } from './calls.js';
import type { FaultKind } from './kind.js';
import { PROCESS_FAULTS } from './processes.js';
import { HISTORIES_PART, WORLD_FAULTS } from './world.js';

/** By what they concern. A seed draws from each group, so that faults of different groups meet. */
export const FAULT_GROUPS: readonly (readonly FaultKind[])[] = [
  CALL_FAULTS,
  PROCESS_FAULTS,
  BOARD_FAULTS,
  WORLD_FAULTS,
];

/** Every kind of fault that a seed may have: those it draws, and the one that a theme brings with it. */
export const FAULT_KINDS: readonly FaultKind[] = [...FAULT_GROUPS.flat(), HISTORIES_PART];
