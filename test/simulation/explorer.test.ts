import { EXPLORED_2 } from './explorer/configurations.js';
import { explore } from './explorer/explore.js';
import { RULES, type Rules } from './explorer/rules.js';
import type { Bounds } from './explorer/state.js';

/** Each removal is found well below this many states. */
const LIMIT = 60_000;

const JOINS: Bounds = { ...EXPLORED_2, inSync: ['X'], coordinators: 1, maxEpoch: 6 };
const THREE: Bounds = { ...EXPLORED_2, sites: ['X', 'Y', 'Z'], inSync: ['X', 'Y', 'Z'], returners: 0 };
const VERSIONED: Bounds = { ...EXPLORED_2, versioned: true, maxEpoch: 6 };

/** A rule of src/core that is broken, where, and the invariants of which one must fail. */
const REMOVALS: readonly [string, Partial<Rules>, Bounds, readonly string[]][] = [
  ['a decision checks the epoch of the guard', { checkDecisionGuard: withoutEpoch }, JOINS, ['I1', 'I3', 'I11']],
  ['a replicated decision is of the term of the site', { checkTerm: unchecked }, EXPLORED_2, ['I1', 'I3', 'I11', 'I9']],
  ['decisions go to joining sites, too', { followersOf: onlyInSync }, JOINS, ['I1', 'I3']],
  ['a join ends for its own epoch', { finishJoin: forAnyEpoch }, { ...JOINS, maxEpoch: 7 }, ['I1', 'I3', 'I11']],
  [
    'a mark goes only if it is the one that was read',
    { clearMark: whicheverMark },
    { ...EXPLORED_2, coordinators: 2 },
    ['I1', 'I3', 'I11'],
  ],
  ['versions are set back', { setBackVersions: () => [] }, VERSIONED, ['I9']],
];

describe('the code, breadth-first', () => {
  it('holds every invariant of the specification', async () => {
    const { states, violation } = await explore(EXPLORED_2);
    expect(violation).toBeUndefined();
    expect(states).toBe(8821);
  });

  it('holds with three sites, of which one takes over', async () => {
    const { violation } = await explore({ ...THREE, maxEpoch: 3 });
    expect(violation).toBeUndefined();
  });

  it.each(REMOVALS)('finds what is wrong without: %s', async (_rule, broken, bounds, invariants) => {
    const { violation } = await explore(bounds, { ...RULES, ...broken }, LIMIT);
    expect(invariants).toContain(violation?.invariant);
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

function forAnyEpoch(...[route, site]: Parameters<Rules['finishJoin']>) {
  return RULES.finishJoin(route, site, route.joining[site] ?? -1);
}

function whicheverMark(...[id, , buckets]: Parameters<Rules['clearMark']>): ReturnType<Rules['clearMark']> {
  return { kind: 'delete', key: RULES.clearMark(id, 0, buckets).key };
}
