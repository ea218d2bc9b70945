import { NEVER, type Timestamp, termOf } from './timestamp.js';

/**
 * The route: who decides, who must hold every decision, where each stream is read. One record in the control store,
 * changed only by compare-and-set; every function here takes the record as it was read and answers the one to write, or
 * why there is none to write. Nothing here depends on a clock.
 */
export interface Term {
  readonly term: number;
  readonly home: string;
  readonly startedAtMs: number;
  /** Set when no in-sync follower was left: what the site before knew alone may come back as conflicts. */
  readonly unclean?: boolean;
  /** With `unclean`: the new home had everything at or below it. */
  readonly knownUpTo?: Timestamp;
}

export interface Route {
  /** Rises when home moves. */
  readonly term: number;
  /** Rises with every change. */
  readonly epoch: number;
  readonly home: string;
  readonly phase: 'serving' | 'taking-over';
  /** Sites that hold every decision, home among them. */
  readonly inSync: readonly string[];
  /** Sites on their way back, each with the epoch that its joining began with: later decisions go to them too. */
  readonly joining: Readonly<Record<string, number>>;
  /** Where each stream is read. */
  readonly active: Readonly<Record<string, string>>;
  /** Every term so far, oldest first. */
  readonly terms: readonly Term[];
  /**
   * The epoch with which each site's last joining began; absent for one that has been in sync since the beginning. What a
   * site said of itself before that epoch was said of what it has cleaned away since.
   */
  readonly joined?: Readonly<Record<string, number>>;
  /** Homes deposed by a takeover that is not finished: until it is, each may take home back. */
  readonly deposed: readonly string[];
}

/** A change, or the reason why there is none. */
export type RouteChange = { readonly route: Route } | { readonly refused: string };

export function firstRoute(home: string, sites: readonly string[], startedAtMs: number): Route {
  return {
    term: 1,
    epoch: 1,
    home,
    phase: 'serving',
    inSync: [...sites],
    joining: {},
    active: {},
    terms: [{ term: 1, home, startedAtMs }],
    deposed: [],
  };
}

/** Sites other than home that a decision must reach before anything of it stands on a stream. */
export function followersOf(route: Route): readonly string[] {
  return [...route.inSync.filter((site) => site !== route.home), ...Object.keys(route.joining)];
}

const changed = (route: Route, change: Partial<Route>): RouteChange => ({
  route: { ...route, ...change, epoch: route.epoch + 1 },
});

/** Reads move to another replica of the stream, which must be level unless an operator forces it. */
export function switchover(route: Route, stream: string, to: string): RouteChange {
  if (route.active[stream] === to) return { refused: `${stream} is active at ${to} already` };
  if (!route.inSync.includes(to)) return { refused: `${to} is not in sync` };
  return changed(route, { active: { ...route.active, [stream]: to } });
}

/** A new stream becomes active somewhere. */
export function activate(route: Route, stream: string, site: string): RouteChange {
  if (route.active[stream] !== undefined) return { refused: `${stream} is active at ${route.active[stream]} already` };
  return changed(route, { active: { ...route.active, [stream]: site } });
}

/** A follower is left: decisions no longer wait for it. */
export function shrink(route: Route, site: string, minInSync: number): RouteChange {
  if (site === route.home) return { refused: 'home cannot be left by a shrink, only by a takeover' };
  if (route.joining[site] !== undefined) return dropJoining(route, site);
  if (!route.inSync.includes(site)) return { refused: `${site} is not in sync` };
  if (route.inSync.length - 1 < minInSync) return { refused: `fewer than ${minInSync} sites would be in sync` };
  return changed(route, {
    inSync: route.inSync.filter((other) => other !== site),
    active: moveActive(route.active, (at) => at === site, route.home),
  });
}

/** A site that has fenced and cleaned itself starts to receive every later decision. */
export function startJoin(route: Route, site: string): RouteChange {
  if (route.phase !== 'serving') return { refused: 'a takeover is under way' };
  if (route.inSync.includes(site)) return { refused: `${site} is in sync already` };
  if (route.joining[site] !== undefined) return { refused: `${site} is joining already` };
  const since = { [site]: route.epoch + 1 };
  return changed(route, { joining: { ...route.joining, ...since }, joined: { ...route.joined, ...since } });
}

/** The site holds everything: only for the very joining that its copy began with. */
export function finishJoin(route: Route, site: string, since: number): RouteChange {
  if (route.phase !== 'serving') return { refused: 'a takeover is under way' };
  if (route.joining[site] !== since) return { refused: `${site} is no longer in the joining of epoch ${since}` };
  return changed(route, { inSync: [...route.inSync, site], joining: without(route.joining, site) });
}

/** A joining site that missed a decision has to begin again. */
export function dropJoining(route: Route, site: string): RouteChange {
  if (route.joining[site] === undefined) return { refused: `${site} is not joining` };
  return changed(route, { joining: without(route.joining, site) });
}

/** An attempt to return has an epoch of its own: whatever an earlier one still does is told apart by it. */
export function beginReturn(route: Route, site: string): RouteChange {
  if (route.phase !== 'serving') return { refused: 'a takeover is under way' };
  if (route.inSync.includes(site)) return { refused: `${site} is in sync` };
  return changed(route, { joining: without(route.joining, site) });
}

/** What a takeover is: how the new home comes to be home. */
export interface TakeoverRequest {
  readonly to: string;
  readonly startedAtMs: number;
  /** A planned move: the old home stays in sync, and is fenced and adopted from like the others. */
  readonly keepOldHome?: boolean;
  /** Forced by an operator where no in-sync follower is left. */
  readonly unclean?: { readonly knownUpTo: Timestamp };
}

/** Step 1 of a takeover: a new term begins; nobody decides in it before `serve`. */
export function takeOver(
  route: Route,
  { to, startedAtMs, keepOldHome = false, unclean }: TakeoverRequest,
): RouteChange {
  if (to === route.home) return { refused: `${to} is home already` };
  const takingBack = route.phase === 'taking-over' && route.deposed.includes(to);
  if (!route.inSync.includes(to) && !takingBack && !unclean) return { refused: `${to} is not in sync` };
  if (keepOldHome && route.phase !== 'serving') return { refused: 'a takeover is under way' };
  const kept = unclean ? [] : route.inSync.filter((site) => site !== to && (keepOldHome || site !== route.home));
  const inSync = [to, ...kept];
  const before = route.phase === 'taking-over' ? route.deposed : [];
  const deposed = keepOldHome || unclean ? [] : [...before, route.home].filter((site) => site !== to);
  const term = route.term + 1;
  return changed(route, {
    term,
    home: to,
    phase: 'taking-over',
    inSync,
    joining: {},
    active: moveActive(route.active, (at) => !inSync.includes(at), to),
    terms: [...route.terms, { term, home: to, startedAtMs, ...(unclean ? { unclean: true, ...unclean } : {}) }],
    deposed,
  });
}

/** Step 2, for a site that does not answer the fence: it is left behind. */
export function leaveBehind(route: Route, site: string): RouteChange {
  if (route.phase !== 'taking-over') return { refused: 'no takeover is under way' };
  if (site === route.home || !route.inSync.includes(site)) return { refused: `${site} is not a follower in sync` };
  return changed(route, {
    inSync: route.inSync.filter((other) => other !== site),
    active: moveActive(route.active, (at) => at === site, route.home),
  });
}

/** Step 4: everything that was pending anywhere has been adopted everywhere; the new home may decide. */
export function serve(route: Route, term: number): RouteChange {
  if (route.phase !== 'taking-over' || route.term !== term) return { refused: `the takeover of term ${term} is over` };
  return changed(route, { phase: 'serving', deposed: [] });
}

function moveActive(
  active: Route['active'],
  lost: (site: string) => boolean,
  to: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(active).map(([stream, at]) => [stream, lost(at) ? to : at]));
}

function without(joining: Route['joining'], site: string): Route['joining'] {
  return Object.fromEntries(Object.entries(joining).filter(([name]) => name !== site));
}

type UncleanTerm = Pick<Term, 'term' | 'unclean' | 'knownUpTo'>;

/**
 * Up to where the history of an earlier term is that of the newest one: each unclean takeover between them went on from
 * what its home knew. That may have been a history from before other unclean takeovers: then these lie between, too.
 *
 * @returns nothing where it is the same history
 */
export function partedAt(terms: readonly UncleanTerm[], earlier: number): Timestamp | undefined {
  let parted: Timestamp | undefined;
  for (let index = terms.length - 1; index >= 0; index -= 1) {
    const { term, unclean, knownUpTo = NEVER } = terms[index] as UncleanTerm;
    const isBetween = term > earlier || (parted !== undefined && term > termOf(parted));
    if (unclean === true && isBetween && (parted === undefined || knownUpTo < parted)) parted = knownUpTo;
  }
  return parted;
}

/**
 * From where on a reader that stood in an earlier term has missed what stands now: where the newest history does not go
 * on from that term. What was left then, by whichever takeover led to it, is back, and the reader keeps no ids of it.
 *
 * @returns nothing where it has missed nothing
 */
export function missedFrom(terms: readonly LedTerm[], earlier: number): Timestamp | undefined {
  return goesOnFrom(terms, earlier) ? undefined : partedAt(terms, earlier);
}

type LedTerm = UncleanTerm & Pick<Term, 'home'>;

/** A forced home goes on from the last term in which it took part: it was home, or has closed something, or it is the first. */
function goesOnFrom(terms: readonly LedTerm[], earlier: number): boolean {
  const forced = terms.findLast(({ unclean }) => unclean === true);
  if (forced === undefined || earlier >= forced.term) return true;
  const before = terms.filter(({ term }) => term < forced.term);
  const led = before.findLast(({ home }) => home === forced.home) ?? before[0];
  const last = Math.max(led?.term ?? 0, termOf(forced.knownUpTo ?? NEVER));
  return (
    earlier <= last &&
    goesOnFrom(
      before.filter(({ term }) => term <= last),
      earlier,
    )
  );
}

/** What is left of a closed timestamp of a site: all at or below it is there, of the history that stands now. */
export function stillClosed(terms: Route['terms'], closed: Timestamp): Timestamp {
  const parted = partedAt(terms, termOf(closed));
  return parted !== undefined && parted < closed ? parted : closed;
}
