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

/** Two sites, one transaction: the same constants as `Explored2` of the specification, and as many states. */
export const EXPLORED_2: Bounds = TWO;

export const CONFIGURATIONS: readonly { readonly name: string; readonly what: string; readonly bounds: Bounds }[] = [
  { name: 'Explored2', what: 'as in the specification', bounds: EXPLORED_2 },
  { name: 'Joined2', what: 'a site joins while another takes over', bounds: { ...TWO, inSync: ['X'], maxEpoch: 5 } },
  {
    name: 'Versions2',
    what: 'two transactions on one key',
    bounds: { ...TWO, transactions: ['T1', 'T2'], versioned: true, maxEpoch: 3 },
  },
  {
    name: 'Rounds3',
    what: 'three sites, two helpers of the same takeover',
    bounds: { ...TWO, sites: ['X', 'Y', 'Z'], inSync: ['X', 'Y', 'Z'], helpers: 2, returners: 0, maxEpoch: 3 },
  },
];
