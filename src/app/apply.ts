import { LockstepError } from '../core/errors.js';
import type { DecidedEntry } from '../core/entry.js';
import { withoutData } from '../core/event.js';
import { clearMark } from '../core/plan.js';
import { type Route, followersOf } from '../core/route.js';
import type { Write } from '../core/table.js';
import { PortUnavailable } from '../ports/failures.js';
import type { ReplicateOutcome } from '../ports/mirror-agent.js';
import { putHere } from './put.js';
import { leaveSite } from './leave.js';
import { dropStagings, readMarked } from './log.js';
import { NotHomeAnyMore } from '../ports/signals.js';
import { type Site, siteTarget } from './site.js';
import { keepActive } from './switchover.js';

/** A decision to be brought everywhere, with the epoch of its mark at home. */
export interface Task {
  readonly entry: DecidedEntry;
  readonly markEpoch: number;
  /** The term known before its mark was written or read: under a later one it may have been overruled meanwhile. */
  readonly term: number;
  /** Its events were staged here, and are not needed there any more once it is applied. */
  readonly interactive?: boolean;
  /** Events that every in-sync follower holds staged: they go as digests. */
  readonly staged?: boolean;
}

/** What is still pending of these, to be applied. */
export async function readTasks(site: Site, ids: readonly string[]): Promise<readonly Task[]> {
  const { term } = site.routes.known;
  const marked = await readMarked(site, ids);
  return marked.flatMap(({ entry, markEpoch }) => (markEpoch === undefined ? [] : [{ entry, markEpoch, term }]));
}

/**
 * What is still to be done before a decision that was just read here may be told.
 *
 * @throws NotHomeAnyMore when it is gone: overruled while this coordinator slept
 */
export async function taskFor(site: Site, seen: DecidedEntry): Promise<Task | undefined> {
  const { term } = site.routes.known;
  const [marked] = await readMarked(site, [seen.id]);
  // Its mark comes and goes with it: only while it still stands does a missing mark say that it is everywhere.
  if (marked?.entry.at !== seen.at) throw new NotHomeAnyMore(`the decision on ${seen.id} was overruled`);
  return marked.markEpoch === undefined ? undefined : { entry: marked.entry, markEpoch: marked.markEpoch, term };
}

/** Whoever tells an outcome has seen it applied, or applies it first. @throws as `taskFor` and `applyAll` do */
export async function seeApplied(site: Site, seen: DecidedEntry): Promise<void> {
  const task = await taskFor(site, seen);
  if (task) await applyAll(site, [task]);
}

/** Where a follower has been told that its copy of an event is enough. */
const PAUSE_MS = 4;

/**
 * Brings decisions to all in-sync and joining logs, then onto the streams, then clears their marks. Idempotent: anyone
 * may do it, or finish it, at home. When it resolves, the decision may be told.
 *
 * @throws LockstepError Undetermined when it could not be brought everywhere: decided, to be asked for again
 * @throws NotHomeAnyMore when another term began: its home knows the outcome
 */
export async function applyAll(site: Site, tasks: readonly Task[]): Promise<void> {
  // Whoever applies the same decision already is waited for, not repeated.
  const running: Promise<void>[] = [];
  const mine = tasks.filter(({ entry }) => {
    const other = site.applying.get(entry.id);
    if (other) running.push(other);
    return !other;
  });
  if (mine.length > 0) {
    const work = applyTogether(site, mine);
    for (const { entry } of mine) site.applying.set(entry.id, work);
    running.push(
      work.finally(() => {
        for (const { entry } of mine) if (site.applying.get(entry.id) === work) site.applying.delete(entry.id);
      }),
    );
  }
  await Promise.all(running);
}

async function applyTogether(site: Site, tasks: readonly Task[]): Promise<void> {
  const { route, behind } = await replicateEverywhere(site, tasks);
  const committed = tasks.map(({ entry }) => entry).filter((entry) => entry.status === 'committed');
  if (committed.length > 0) await putEverywhere(site, route, committed, behind);
  // Everything that an acknowledgement promises stands by now. A mark that stays behind costs a second put, no more.
  clearSoon(
    site,
    tasks.map(({ entry, markEpoch }) => clearMark(entry.id, markEpoch, site.copies)),
  );
  for (const { entry, interactive } of tasks) {
    if (interactive) site.ports.later(dropStagings(site, entry.id).catch(() => undefined));
  }
}

/** Marks of one moment go together: each write of its own would keep the next decision waiting. */
function clearSoon(site: Site, writes: readonly Write[]): void {
  const { clearPauseMs } = site.options;
  site.clearing.push(...writes);
  if (site.clearing.length > writes.length) return;
  const clear = () => site.tables.writeEach(site.clearing.splice(0));
  const cleared = clearPauseMs === 0 ? clear() : site.clock.sleep(clearPauseMs).then(clear);
  site.ports.later(cleared.catch(() => undefined));
}

// ------------------------------------------------------------------------------------------------------- replicate

interface Replicated {
  /** The route whose every in-sync and joining log has the decisions. */
  readonly route: Route;
  /** Streams that lag at each follower. */
  readonly behind: ReadonlyMap<string, readonly string[]>;
}

async function replicateEverywhere(site: Site, tasks: readonly Task[]): Promise<Replicated> {
  const logged = new Set<string>();
  const behind = new Map<string, readonly string[]>();
  const since: Since = {
    markEpoch: Math.max(...tasks.map((task) => task.markEpoch)),
    terms: tasks.map((it) => it.term),
  };
  for (let attempt = 0; attempt < site.options.applyAttempts; attempt += 1) {
    const route = await routeFor(site, since, attempt);
    const followers = followersOf(route);
    const waiting = followers.filter((follower) => !logged.has(follower));
    const ends = await Promise.all(
      waiting.map((follower) => replicateTo(site, route, follower, tasks, followers.length === 1)),
    );
    ends.forEach((end, index) => {
      const follower = waiting[index] ?? '';
      if (end.kind === 'logged') {
        logged.add(follower);
        behind.set(follower, end.behind);
      }
    });
    if (ends.some((end) => end.kind === 'stale')) await routeFor(site, since, attempt + 1);
    const missing = followers.filter((follower) => !logged.has(follower));
    // The route that was read before the calls is the one whose demands are met.
    if (missing.length === 0) return { route, behind };
    await Promise.all(missing.map((follower) => leaveSite(site, follower)));
    await site.clock.sleep(PAUSE_MS * attempt);
  }
  throw undetermined();
}

interface Since {
  readonly markEpoch: number;
  readonly terms: readonly number[];
}

/** A route not older than the marks, of the term in which they were read, under which this site is the serving home. */
async function routeFor(site: Site, { markEpoch, terms }: Since, attempt: number): Promise<Route> {
  const known = site.routes.known;
  const route = attempt === 0 && known.epoch >= markEpoch ? known : await newest(site);
  if (route.epoch < markEpoch) throw undetermined();
  if (route.home !== site.name || route.phase !== 'serving') throw new NotHomeAnyMore(`${route.home} is home now`);
  if (terms.some((term) => term !== route.term)) throw new NotHomeAnyMore('another term began meanwhile');
  return route;
}

/** Where the control store does not answer, the route as last seen is as good as a cached one ever is. */
function newest(site: Site): Promise<Route> {
  return site.routes.refresh().catch((error: unknown) => {
    if (error instanceof PortUnavailable) return site.routes.known;
    throw error;
  });
}

function undetermined(): LockstepError {
  return new LockstepError('Undetermined', 'decided, but not yet at every site in sync: ask again with the same id');
}

type ReplicateEnd =
  { readonly kind: 'logged'; readonly behind: readonly string[] } | { readonly kind: 'stale' | 'failed' };

async function replicateTo(
  site: Site,
  route: Route,
  follower: string,
  tasks: readonly Task[],
  put: boolean,
): Promise<ReplicateEnd> {
  const joining = route.joining[follower] !== undefined;
  const agent = site.peers.agent(follower);
  // A joining site has not been sent every staging: it gets everything whole.
  let entries = tasks.map(({ entry, staged }) => (staged && !joining ? byDigest(entry) : entry));
  const lagging = new Set<string>();
  try {
    for (let round = 0; round < 3; round += 1) {
      const answer = await agent.replicate({ term: route.term, epoch: route.epoch, entries, put, joining });
      site.compareClocks(follower, answer.nowMs);
      site.observe(siteTarget(follower), 'well');
      for (const stream of answer.behind) lagging.add(stream);
      if (answer.outcomes.some((outcome) => outcome.kind === 'stale')) return { kind: 'stale' };
      const again = new Set(entries.filter((_, index) => !isLogged(answer.outcomes[index])).map((entry) => entry.id));
      if (again.size === 0) return { kind: 'logged', behind: [...lagging] };
      entries = tasks.filter(({ entry }) => again.has(entry.id)).map(({ entry }) => entry);
    }
    site.note('a follower does not take a decision', { follower, ids: entries.map((entry) => entry.id) });
    return { kind: 'failed' };
  } catch (error) {
    site.observeError(siteTarget(follower), error);
    site.note('replicate failed', { follower, why: error instanceof Error ? error.message : String(error) });
    return { kind: 'failed' };
  }
}

const isLogged = (outcome: ReplicateOutcome | undefined): boolean => outcome?.kind === 'logged';

const byDigest = (entry: DecidedEntry): DecidedEntry => ({ ...entry, events: entry.events.map(withoutData) });

// ------------------------------------------------------------------------------------------------------------- put

/** Every log in sync has the entries: their records may stand on streams now, home's own first. */
async function putEverywhere(
  site: Site,
  route: Route,
  entries: readonly DecidedEntry[],
  told: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  const followers = followersOf(route);
  const behind = new Map(told);
  const ids = entries.map((entry) => entry.id);
  const streams = new Set(entries.flatMap((entry) => entry.streams));
  const isActiveAt = (at: string) => [...streams].some((stream) => route.active[stream] === at);
  const settle = async (follower: string) => {
    const answer = await site.peers.agent(follower).settle({ term: route.term, ids });
    behind.set(follower, answer.behind);
  };
  // With one follower its agent has put already; of more, only those that readers look at are waited for.
  const later = followers.length > 1 ? followers : [];
  const settled = later.map((follower) => {
    const work = settle(follower);
    if (isActiveAt(follower)) return work.catch(() => void behind.set(follower, [...streams]));
    site.ports.later(work.catch(() => undefined));
    return undefined;
  });
  const [here] = await Promise.all([putHere(site, entries), ...settled]);
  behind.set(site.name, here);
  for (const [at, lagging] of behind) site.behindAt.set(at, new Set(lagging));
  await keepActive(site, streams, behind);
}
