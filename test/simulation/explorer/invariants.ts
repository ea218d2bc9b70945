import { type Bounds, type State, decisionAt, entryAt, isWhole, itemsOf, versionAt } from './state.js';

/** The invariants of docs/spec/Lockstep.tla, by the same names. @returns the first that does not hold */
export function violated(state: State, bounds: Bounds): string | undefined {
  return Object.entries(INVARIANTS).find(([, holds]) => !holds(state, bounds))?.[0];
}

const idOf = (token: string): string => token.slice(0, token.lastIndexOf('@'));

const inEveryLog = (state: State, tokens: readonly string[]): boolean =>
  tokens.every((token) => state.route.inSync.every((site) => decisionAt(itemsOf(state, site), idOf(token)) === token));

const INVARIANTS: Readonly<Record<string, (state: State, bounds: Bounds) => boolean>> = {
  I1: (state) => inEveryLog(state, state.out),
  I3: (state) => inEveryLog(state, state.acked),
  I6: ({ out, acked }) => {
    const tokens = new Set([...out, ...acked]);
    return new Set([...tokens].map(idOf)).size === tokens.size;
  },
  I9: (state, bounds) => !bounds.versioned || state.route.inSync.every((site) => isChain(state, bounds, site)),
  I11: (state, bounds) => {
    const { route } = state;
    if (route.phase !== 'serving') return true;
    const home = itemsOf(state, route.home);
    return route.inSync.every((site) =>
      bounds.transactions.every((id) => {
        const here = decisionAt(itemsOf(state, site), id);
        return here === '' || here === decisionAt(home, id);
      }),
    );
  },
  Whole: (state, bounds) =>
    state.route.inSync.every((site) => bounds.transactions.every((id) => isWhole(itemsOf(state, site), id))),
};

/** Versions without gap or fork, and the version item says the last. */
function isChain(state: State, { transactions }: Bounds, site: string): boolean {
  const items = itemsOf(state, site);
  const versions = transactions.flatMap((id) => entryAt(items, id)?.events[0]?.version ?? []).sort((a, b) => a - b);
  return (
    versions.every((version, index) => version === index + 1) && (versionAt(items)?.version ?? 0) === versions.length
  );
}
