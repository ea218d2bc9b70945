import { type Meeting, keysOf } from '../core/conflict.js';
import { type DecidedEntry, type DecisionRef, isDecided } from '../core/entry.js';
import { partName } from '../core/event.js';
import { beginAnew } from './anew.js';
import type { Route } from '../core/route.js';
import type { Key } from '../core/table.js';
import { NEVER, type Timestamp, termOf } from '../core/timestamp.js';
import type { MirrorAgent } from '../ports/mirror-agent.js';
import { recordRefused, settleConflicts } from './conflicts.js';
import { fetchEntries } from './fetch.js';
import { readEntries } from './log.js';
import { differingLines } from './log-compare.js';
import { type Round, overrule } from './overrule.js';
import type { Site } from './site.js';

/** Whole entries in memory. */
const TOGETHER = 100;

/** What became of decisions that this site knew alone when home was taken over uncleanly. */
export interface Diverged {
  readonly takenOver: readonly string[];
  /** Ids of conflicts. */
  readonly conflicts: readonly string[];
}

/**
 * Return after an unclean takeover: what only this site knows was acknowledged, perhaps, and read, perhaps. It is taken
 * over by home as a new decision that names the old, unless the same (stream, key) was changed there too: then the
 * stream's policy says which one stays, and the conflict is recorded with both. The old history goes from this log, and
 * streams that show it are begun anew. Begun again after a crash, it goes on with what is left.
 */
export async function resolveDiverged(site: Site, round: Round, { terms, home: at }: Route): Promise<Diverged> {
  const home = site.peers.agent(at);
  const { resolved, settled } = await progressHere(site);
  const unclean = terms.filter((term) => term.unclean === true && term.term > resolved);
  const newest = unclean.at(-1);
  if (!newest) return { takenOver: [], conflicts: [] };
  // Home may have been lost more than once meanwhile: the histories part where the first of these homes knew no more.
  const start = unclean.map(({ knownUpTo = NEVER }) => knownUpTo).reduce((low, at) => (at < low ? at : low));
  const { alone, theirs } = await compareHistories(site, home, start, newest.term);
  const outcome: { takenOver: string[]; conflicts: string[] } = { takenOver: [], conflicts: [] };
  // Once anything of it is deleted here, what home took over can no longer be told from what home changed itself.
  if (settled < newest.term) {
    const touched = new Set<string>();
    for await (const entry of entriesOf(site, alone)) {
      for (const stream of entry.streams) touched.add(stream);
      if (entry.status === 'aborted') continue;
      const met = await settleConflicts(site, entry, metBy(entry, theirs));
      outcome.conflicts.push(...met.conflicts);
      if (met.choice !== 'waiting') continue;
      if ((await home.takeOver({ entry })) === 'taken') outcome.takenOver.push(entry.id);
      else outcome.conflicts.push(...(await refusedThere(site, home, entry)));
    }
    for (const stream of touched) {
      const retired = await beginAnew(site, stream);
      if (retired !== undefined) await site.streams.remove(retired);
    }
    await tellProgress(site, { resolved, settled: newest.term });
  }
  for await (const entry of entriesOf(site, [...alone].reverse())) await overrule(site, round, entry);
  await tellProgress(site, { resolved: newest.term, settled: newest.term });
  return outcome;
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
  /** The last entry of home on each (stream, key) that both changed. */
  readonly theirs: ReadonlyMap<string, DecidedEntry>;
}

/** @param start up to here the new homes had everything: what they lack of that has expired there */
async function compareHistories(site: Site, home: MirrorAgent, start: Timestamp, unclean: number): Promise<Histories> {
  const alone: DecisionRef[] = [];
  const missing: string[] = [];
  const atHere = new Map<string, Timestamp>();
  for await (const { here, there } of differingLines(site, home, start)) {
    for (const { id, at = NEVER, sum } of here.values()) {
      if (there.get(id)?.sum === sum) continue;
      atHere.set(id, at);
      if (termOf(at) < unclean) alone.push({ id, at });
    }
    for (const { id, sum } of there.values()) if (here.get(id)?.sum !== sum) missing.push(id);
  }
  alone.sort((a, b) => (a.at < b.at ? -1 : 1));
  const names = new Set<string>();
  for await (const entry of entriesOf(site, alone)) {
    for (const { stream, key } of keysOf(entry)) names.add(partName(stream, key));
  }
  return { alone, theirs: names.size === 0 ? new Map() : await lastOf(home, missing, { atHere, names }) };
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
