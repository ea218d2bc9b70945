import { type Meeting, keysOf } from '../core/conflict.js';
import { type DecidedEntry, type DecisionRef, isDecided } from '../core/entry.js';
import { partName } from '../core/event.js';
import { beginAnew } from './anew.js';
import { type Route, partedAt } from '../core/route.js';
import type { Key } from '../core/table.js';
import { NEVER, type Timestamp, latest, termOf } from '../core/timestamp.js';
import type { LogLine, MirrorAgent } from '../ports/mirror-agent.js';
import { closedOnce } from './close.js';
import { recordRefused, settleConflicts } from './conflicts.js';
import { fetchEntries } from './fetch.js';
import { pendingMarks, readEntries } from './log.js';
import { compareLogs } from './log-compare.js';
import { type Round, overrule } from './overrule.js';
import type { Site } from './site.js';
import { keepConflicts } from './untold.js';

/** Whole entries in memory. */
const TOGETHER = 100;

/** What became of decisions that this site knew alone when home was taken over uncleanly. */
export interface Diverged {
  /** Ids of conflicts. */
  readonly conflicts: readonly string[];
  /** Ids of decisions that a clean takeover before had left behind. */
  readonly overruled: readonly string[];
}

/**
 * Return after an unclean takeover: what only this site knows was acknowledged, perhaps, and read, perhaps. It is taken
 * over by home as a new decision that names the old, unless a clean takeover had left it behind before, or the same (stream, key) was changed there too: then the
 * stream's policy says which one stays, and the conflict is recorded with both. The old history goes from this log, and
 * streams that show it are begun anew. Begun again after a crash, it goes on with what is left.
 */
export async function resolveDiverged(site: Site, round: Round, { terms, home: at }: Route): Promise<Diverged> {
  const home = site.peers.agent(at);
  const { resolved, settled } = await progressHere(site);
  const unclean = terms.filter((term) => term.unclean === true && term.term > resolved);
  const newest = unclean.at(-1);
  if (!newest) return { conflicts: [], overruled: [] };
  const start = partedAt(terms, resolved) ?? NEVER;
  const { alone, left, theirs, unseen } = await compareHistories(site, home, { start, unclean: newest.term, terms });
  const conflicts: string[] = [];
  // Once anything of it is deleted here, what home took over can no longer be told from what home changed itself.
  if (settled < newest.term) {
    const touched = new Set(unseen);
    for await (const entry of entriesOf(site, alone)) {
      for (const stream of entry.streams) touched.add(stream);
      if (entry.status === 'aborted' || left.has(entry.id)) continue;
      const met = await offer(site, home, entry, theirs);
      await keepConflicts(site, met);
      conflicts.push(...met);
    }
    for (const stream of touched) {
      const retired = await beginAnew(site, stream);
      if (retired !== undefined) await site.streams.remove(retired);
    }
    await tellProgress(site, { resolved, settled: newest.term });
  }
  for await (const entry of entriesOf(site, [...alone].reverse()))
    await overrule(site, round, entry, left.has(entry.id));
  await tellProgress(site, { resolved: newest.term, settled: newest.term });
  return { conflicts, overruled: [...left] };
}

/** Home takes this over as a decision of its own, unless it met others. @returns the conflicts, each of them recorded */
async function offer(
  site: Site,
  home: MirrorAgent,
  entry: DecidedEntry,
  theirs: Histories['theirs'],
): Promise<readonly string[]> {
  const { choice, conflicts } = await settleConflicts(site, entry, metBy(entry, theirs));
  if (choice !== 'waiting') return conflicts;
  if ((await home.takeOver({ entry })) === 'taken') return conflicts;
  return [...conflicts, ...(await refusedThere(site, home, entry))];
}

/** Unclean terms: up to which this site's own history is resolved, and up to which home has all that it takes of it. */
interface Settled {
  readonly resolved: number;
  readonly settled: number;
}

const PROGRESS: Key = { pk: 'diverged', sk: '-' };

async function progressHere(site: Site): Promise<Settled> {
  const [item] = await site.tables.get([PROGRESS]);
  return { resolved: Number(item?.['resolved'] ?? 0), settled: Number(item?.['settled'] ?? 0) };
}

async function tellProgress(site: Site, progress: Settled): Promise<void> {
  await site.tables.transact([{ kind: 'put', key: PROGRESS, item: { ...progress } }]);
}

interface Histories {
  /** Decided here before the unclean term and not known to home, oldest first. */
  readonly alone: readonly DecisionRef[];
  /** Ids of those that a clean takeover left behind before. */
  readonly left: ReadonlySet<string>;
  /** The last entry of home on each (stream, key) that both changed. */
  readonly theirs: ReadonlyMap<string, DecidedEntry>;
  /** Streams that were closed here beyond something that home has and this site has not: readers would pass over it. */
  readonly unseen: readonly string[];
}

interface Parting {
  /** Up to here the new homes had everything: what they lack of that has expired there. */
  readonly start: Timestamp;
  /** The newest unclean term. */
  readonly unclean: number;
  readonly terms: Route['terms'];
}

async function compareHistories(site: Site, home: MirrorAgent, { start, unclean, terms }: Parting): Promise<Histories> {
  const alone: DecisionRef[] = [];
  const missing: LogLine[] = [];
  const atHere = new Map<string, Timestamp>();
  const unknown = new Set<string>();
  const differing = await compareLogs(site, home, start);
  for await (const some of differing.here()) {
    for (const { line, beside } of some) {
      const { id, at = NEVER } = line;
      atHere.set(id, at);
      if (!beside) unknown.add(id);
      if (termOf(at) < unclean) alone.push({ id, at });
    }
  }
  for await (const some of differing.there()) missing.push(...some.map(({ line }) => line));
  alone.sort((a, b) => (a.at < b.at ? -1 : 1));
  const { names, followed } = await namesIn(site, alone);
  const strangers = alone.filter(({ id }) => unknown.has(id) && !followed.has(id));
  return {
    alone,
    left: await leftBehind(site, strangers, [...atHere.values()], terms),
    theirs: names.size === 0 ? new Map() : await lastOf(home, idsOf(missing), { atHere, names }),
    unseen: await unseenHere(site, home, missing),
  };
}

/**
 * What these decisions change, and what they follow on: whatever a later decision follows on had been applied everywhere
 * before that one.
 */
async function namesIn(
  site: Site,
  decisions: readonly DecisionRef[],
): Promise<{ readonly names: ReadonlySet<string>; readonly followed: ReadonlySet<string> }> {
  const names = new Set<string>();
  const followed = new Set<string>();
  for await (const entry of entriesOf(site, decisions)) {
    for (const { stream, key } of keysOf(entry)) names.add(partName(stream, key));
    for (const { after } of entry.events) if (after) followed.add(after.id);
  }
  return { names, followed };
}

const idsOf = (lines: readonly LogLine[]): readonly string[] => lines.map(({ id }) => id);

/**
 * Of decisions that home does not know, those that are unfinished here and were left behind by the takeover after them,
 * though that was a clean one: this site took no part in it, so far as its log tells. Had such a one been acknowledged,
 * or read, the home of that takeover would have it, and bring it when it returns.
 */
async function leftBehind(
  site: Site,
  strangers: readonly DecisionRef[],
  stamps: readonly Timestamp[],
  terms: Route['terms'],
): Promise<ReadonlySet<string>> {
  if (strangers.length === 0) return new Set();
  const marks = await pendingMarks(site);
  const pending = new Set(marks.map(({ id }) => id));
  const closed = await closedOnce(site, localStreams(site));
  const newest = termOf(latest(...stamps, ...closed, ...marks.map(({ at }) => at)));
  const led = terms.findLast(({ home }) => home === site.name)?.term ?? 0;
  const isLeft = ({ id, at }: DecisionRef): boolean => {
    const next = terms.find(({ term }) => term > termOf(at));
    return next !== undefined && next.unclean !== true && Math.max(newest, led) < next.term && pending.has(id);
  };
  return new Set(strangers.filter(isLeft).map(({ id }) => id));
}

const localStreams = (site: Site): readonly string[] => site.registry.local.map(({ definition }) => definition.name);

async function unseenHere(site: Site, home: MirrorAgent, missing: readonly LogLine[]): Promise<readonly string[]> {
  const streams = localStreams(site);
  const closed = new Map((await closedOnce(site, streams)).map((at, index) => [streams[index], at]));
  const newest = latest(...closed.values());
  const unseen = new Set<string>();
  for await (const fetched of fetchEntries(home, idsOf(missing.filter(({ at = NEVER }) => at <= newest)))) {
    for (const { entry } of fetched) {
      if (entry.status !== 'committed') continue;
      for (const stream of entry.streams) if (entry.at <= (closed.get(stream) ?? NEVER)) unseen.add(stream);
    }
  }
  return [...unseen];
}

/** These decisions with their events, some of them in memory at a time. */
async function* entriesOf(site: Site, refs: readonly DecisionRef[]): AsyncGenerator<DecidedEntry> {
  for (let from = 0; from < refs.length; from += TOGETHER) {
    const ids = refs.slice(from, from + TOGETHER).map(({ id }) => id);
    for (const entry of await readEntries(site, ids)) if (entry && isDecided(entry)) yield entry;
  }
}

async function lastOf(
  home: MirrorAgent,
  ids: readonly string[],
  { atHere, names }: { readonly atHere: ReadonlyMap<string, Timestamp>; readonly names: ReadonlySet<string> },
): Promise<ReadonlyMap<string, DecidedEntry>> {
  const last = new Map<string, DecidedEntry>();
  for await (const fetched of fetchEntries(home, ids)) {
    for (const { entry } of fetched) {
      // What home took over from here, before this was interrupted, is no change of its own.
      if (entry.takenFrom !== undefined && atHere.get(entry.id) === entry.takenFrom) continue;
      for (const { stream, key } of keysOf(entry)) {
        const name = partName(stream, key);
        if (names.has(name) && (last.get(name)?.at ?? NEVER) < entry.at) last.set(name, entry);
      }
    }
  }
  return last;
}

/** What home itself has decided on the keys of an entry. */
function metBy(entry: DecidedEntry, theirs: ReadonlyMap<string, DecidedEntry>): readonly Omit<Meeting, 'waiting'>[] {
  return keysOf(entry).flatMap(({ stream, key }) => {
    const standing = theirs.get(partName(stream, key));
    // The same id, decided anew there by a retry: no conflict, it is that transaction.
    return !standing || standing.id === entry.id ? [] : [{ stream, key, standing }];
  });
}

/** Its id was decided otherwise by home, which had known it open, and let it expire: nothing is lost without a trace. */
async function refusedThere(site: Site, home: MirrorAgent, entry: DecidedEntry): Promise<readonly string[]> {
  const [there] = await home.fetch({ ids: [entry.id] });
  return recordRefused(site, keysOf(entry), entry, there?.entry ?? { ...entry, events: [] });
}
