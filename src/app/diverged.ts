import { type Meeting, keysOf } from '../core/conflict.js';
import type { DecidedEntry } from '../core/entry.js';
import { partName } from '../core/event.js';
import { beginAnew } from './anew.js';
import type { Route } from '../core/route.js';
import type { Key } from '../core/table.js';
import { NEVER, type Timestamp, termOf } from '../core/timestamp.js';
import type { MirrorAgent } from '../ports/mirror-agent.js';
import { recordRefused, settleConflicts } from './conflicts.js';
import { END } from './copy.js';
import { decidedEntries, lineOf } from './digests.js';
import { fetchEntries } from './fetch.js';
import { type Round, overrule } from './overrule.js';
import type { Site } from './site.js';

const LINES = 2000;

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
    for (const entry of alone) {
      if (entry.status === 'aborted') continue;
      const met = await settleConflicts(site, entry, metBy(entry, theirs));
      outcome.conflicts.push(...met.conflicts);
      if (met.choice !== 'waiting') continue;
      if ((await home.takeOver({ entry })) === 'taken') outcome.takenOver.push(entry.id);
      else outcome.conflicts.push(...(await refusedThere(site, home, entry)));
    }
    const touched = new Set(alone.flatMap((entry) => entry.streams));
    for (const stream of touched) {
      const retired = await beginAnew(site, stream);
      if (retired !== undefined) await site.streams.remove(retired);
    }
    await tellProgress(site, { resolved, settled: newest.term });
  }
  for (const entry of [...alone].reverse()) await overrule(site, round, entry);
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
  readonly alone: readonly DecidedEntry[];
  /** The last entry of home on each (stream, key) that it changed itself. */
  readonly theirs: ReadonlyMap<string, DecidedEntry>;
}

/** @param start up to here the new homes had everything: what they lack of that has expired there */
async function compareHistories(site: Site, home: MirrorAgent, start: Timestamp, unclean: number): Promise<Histories> {
  const here = new Map<string, DecidedEntry>();
  for await (const entry of decidedEntries(site, start)) here.set(entry.id, entry);
  const sums = new Map<string, string>();
  const missing: string[] = [];
  let from: string | undefined = start;
  while (from !== undefined) {
    const page: Awaited<ReturnType<MirrorAgent['lines']>> = await home.lines({ from, to: END, limit: LINES });
    for (const { id, sum = '' } of page.lines) {
      sums.set(id, sum);
      const known = here.get(id);
      if (!known || lineOf(known).sum !== sum) missing.push(id);
    }
    from = page.next;
  }
  const alone = [...here.values()].filter(
    (entry) => termOf(entry.at) < unclean && sums.get(entry.id) !== lineOf(entry).sum,
  );
  alone.sort((a, b) => (a.at < b.at ? -1 : 1));
  return { alone, theirs: alone.length === 0 ? new Map() : await lastOf(home, missing, here) };
}

async function lastOf(
  home: MirrorAgent,
  ids: readonly string[],
  here: ReadonlyMap<string, DecidedEntry>,
): Promise<ReadonlyMap<string, DecidedEntry>> {
  const last = new Map<string, DecidedEntry>();
  for await (const fetched of fetchEntries(home, ids)) {
    for (const { entry } of fetched) {
      // What home took over from here, before this was interrupted, is no change of its own.
      if (entry.takenFrom !== undefined && here.get(entry.id)?.at === entry.takenFrom) continue;
      for (const { stream, key } of keysOf(entry)) {
        const name = partName(stream, key);
        if ((last.get(name)?.at ?? NEVER) < entry.at) last.set(name, entry);
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
