import { EXPLORED_2 } from './explorer/configurations.js';
import { explore } from './explorer/explore.js';
import { RULES, type Rules } from './explorer/rules.js';
import type { Bounds } from './explorer/state.js';

/** Each of these is found far below this many states. */
const LIMIT = 40_000;

const JOINS: Bounds = { ...EXPLORED_2, inSync: ['X'], maxTerm: 1 };
const THREE: Bounds = { ...EXPLORED_2, sites: ['X', 'Y', 'Z'], inSync: ['X', 'Y', 'Z'], returners: 0 };
const VERSIONED: Bounds = { ...EXPLORED_2, versioned: true, maxEpoch: 6 };

/** A rule of src/core that is broken, where, and the invariant that fails first. */
const REMOVALS: readonly [string, Partial<Rules>, Bounds, string][] = [
  ['a decision checks the epoch of the guard', { checkDecisionGuard: withoutEpoch }, JOINS, 'I1'],
  ['what is written into a log is of the term of its site', { checkTerm: unchecked }, THREE, 'I11'],
  ['decisions go to joining sites, too', { followersOf: onlyInSync }, JOINS, 'I1'],
  ['a version is set back with its decision', { setBackVersions: () => [] }, VERSIONED, 'I9'],
];

describe('the code, breadth-first', () => {
  it('holds every invariant of the specification', async () => {
    const { states, violation } = await explore(EXPLORED_2);
    expect(violation).toBeUndefined();
    // As many as TLC finds for the configuration of the same name: scripts/lib/spec-configurations.mjs.
    expect(states).toBe(9252);
  });

  it('holds with three sites, of which one takes over', async () => {
    const { violation } = await explore({ ...THREE, maxEpoch: 3 });
    expect(violation).toBeUndefined();
  });

  it.each(REMOVALS)('finds what is wrong without: %s', async (_rule, broken, bounds, invariant) => {
    const { violation } = await explore(bounds, { ...RULES, ...broken }, LIMIT);
    expect(violation?.invariant).toBe(invariant);
  });
});

function withoutEpoch(...[copy, route, lowest]: Parameters<Rules['checkDecisionGuard']>) {
  return RULES.checkDecisionGuard(copy, { ...route, epoch: Number.MAX_SAFE_INTEGER }, lowest);
}

function unchecked(copy: number): ReturnType<Rules['checkTerm']> {
  return { kind: 'check', key: RULES.checkTerm(copy, 0).key, when: [[]] };
}

function onlyInSync(...[route]: Parameters<Rules['followersOf']>) {
  return RULES.followersOf({ ...route, joining: {} });
}
