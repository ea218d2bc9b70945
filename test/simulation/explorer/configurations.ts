import type { Bounds } from './state.js';

const TWO: Bounds = {
  sites: ['X', 'Y'],
  inSync: ['X', 'Y'],
  transactions: ['T1'],
  versioned: false,
  coordinators: 1,
  helpers: 1,
  returners: 1,
  maxTerm: 2,
  maxEpoch: 4,
  moves: false,
};

/** Two sites, one transaction: the same constants as the configuration of this name in the specification. */
export const EXPLORED_2: Bounds = TWO;

/** Each with the constants of its namesake in scripts/lib/spec-configurations.mjs, and as many states. */
export const CONFIGURATIONS: readonly { readonly name: string; readonly what: string; readonly bounds: Bounds }[] = [
  { name: 'Explored2', what: 'one transaction, takeover, return', bounds: EXPLORED_2 },
  { name: 'ExploredJoin', what: 'a site that was never in sync joins', bounds: { ...TWO, inSync: ['X'], maxEpoch: 5 } },
  {
    name: 'ExploredVersions',
    what: 'two transactions on one key',
    bounds: { ...TWO, transactions: ['T1', 'T2'], versioned: true, maxEpoch: 3 },
  },
  {
    name: 'ExploredRounds',
    what: 'three sites, two helpers of the same takeover',
    bounds: { ...TWO, sites: ['X', 'Y', 'Z'], inSync: ['X', 'Y', 'Z'], helpers: 2, returners: 0, maxEpoch: 3 },
  },
];
