import type { Conflict, ConflictSide } from '../core/api.js';
import { conflictId, keysOf, winsOver } from '../core/conflict.js';
import type { DecidedEntry } from '../core/entry.js';
import { partName, toEventIn } from '../core/event.js';
import { generationOf, physicalNameOf } from '../core/ids.js';
import type { Route } from '../core/route.js';
import type { Key } from '../core/table.js';
import { NEVER, type Timestamp, msOf, termOf, toIso } from '../core/timestamp.js';
import type { MirrorAgent } from '../ports/mirror-agent.js';
import { applyAll } from './apply.js';
import { END } from './copy.js';
import { decideAll } from './decide.js';
import { decidedEntries, lineOf } from './digests.js';
import { fetchEntries } from './fetch.js';
import { recordConflict } from './incidents.js';
import { DEFAULT_POLICY } from './registry.js';
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
 * stream's policy says which one wins, and the loser is recorded with both. The old history goes from this log, and
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
      const met = await settle(site, entry, theirs);
      outcome.conflicts.push(...met.conflicts);
      if (!met.wins) continue;
      if ((await home.takeOver({ entry })) === 'taken') outcome.takenOver.push(entry.id);
      else outcome.conflicts.push(...(await recordRefused(site, home, entry)));
    }
    const touched = new Set(alone.flatMap((entry) => entry.streams));
    for (const stream of touched) await beginAnew(site, stream);
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

/** A transaction wins as a whole or not at all: one key lost is all lost. */
async function settle(
  site: Site,
  entry: DecidedEntry,
  theirs: ReadonlyMap<string, DecidedEntry>,
): Promise<{ readonly wins: boolean; readonly conflicts: readonly string[] }> {
  const met = keysOf(entry).flatMap(({ stream, key }) => {
    const other = theirs.get(partName(stream, key));
    // The same id, decided anew there by a retry: no conflict, it is that transaction.
    if (!other || other.id === entry.id) return [];
    const { by } = site.registry.known(stream)?.policy.conflict ?? DEFAULT_POLICY.conflict;
    return [{ stream, key, other, by, wins: winsOver(entry, other, stream, key, by) }];
  });
  const wins = met.every((one) => one.wins);
  for (const { stream, key, other, by } of met) {
    const [winner, loser] = wins ? [entry, other] : [other, entry];
    await recordConflict(site, {
      id: conflictId(stream, key, entry, other),
      stream,
      key,
      policy: `last-write-wins by ${by}`,
      resolvedAt: toIso(site.clock.now()),
      winner: sideOf(site, winner, winner === entry),
      loser: sideOf(site, loser, loser === entry),
    } satisfies Conflict);
  }
  return { wins, conflicts: met.map(({ stream, key, other }) => conflictId(stream, key, entry, other)) };
}

/** Its id was decided otherwise by home, which had known it open, and let it expire: nothing is lost without a trace. */
async function recordRefused(site: Site, home: MirrorAgent, entry: DecidedEntry): Promise<readonly string[]> {
  const [standing] = await home.fetch({ ids: [entry.id] });
  const winner = standing?.entry ?? { ...entry, events: [] };
  const conflicts = keysOf(entry).map(({ stream, key }) => ({
    id: conflictId(stream, key, entry, winner),
    stream,
    key,
    policy: 'the decision of home',
    resolvedAt: toIso(site.clock.now()),
    winner: sideOf(site, winner, false),
    loser: sideOf(site, entry, true),
  }));
  for (const conflict of conflicts) await recordConflict(site, conflict);
  return conflicts.map(({ id }) => id);
}

function sideOf(site: Site, entry: DecidedEntry, isHere: boolean): ConflictSide {
  return {
    site: isHere ? site.name : site.routes.known.home,
    transactionId: entry.id,
    committedAt: toIso(msOf(entry.at)),
    events: entry.events.map((event) => ({
      ...toEventIn(event),
      number: event.number,
      ...(event.version === undefined ? {} : { version: event.version }),
    })),
  };
}

/** What stands on a Kinesis stream cannot be taken off it: the replica begins again, filled from the log here. */
async function beginAnew(site: Site, stream: string): Promise<void> {
  const { deployment } = site.ports;
  const old = site.registry.localReplica(stream);
  if (!old) return;
  const next = generationOf(deployment.name, site.name, old.physicalName) + 1;
  await site.registry.change(stream, (before) => {
    const replica = before?.replicas[site.name];
    if (!before || replica?.physicalName !== old.physicalName)
      throw new Error(`stream ${stream} was changed meanwhile`);
    const anew = {
      ...replica,
      physicalName: physicalNameOf(deployment.name, site.name, stream, next),
      state: 'creating' as const,
      shards: [],
    };
    return { ...before, replicas: { ...before.replicas, [site.name]: anew } };
  });
  site.filled.delete(stream);
  await site.streams.remove(old.physicalName);
  site.note('a replica begins anew', { stream, retired: old.physicalName });
}

/** At home: the new decision that names the old. Repeated, it is the same one. */
export async function decideAnew(site: Site, entry: DecidedEntry): Promise<'taken' | 'refused'> {
  const [verdict] = await decideAll(site, [
    {
      id: entry.id,
      kind: 'commit',
      origin: { kind: 'one-shot' },
      // What the client expected was true in the other history.
      events: entry.events.map(({ expectedVersion: _expected, after: _after, ...event }) => event),
      streams: entry.streams,
      startedAtMs: entry.startedAtMs,
      expiresAtMs: entry.expiresAtMs,
      takenFrom: entry.at,
    },
  ]);
  if (!verdict || verdict.kind === 'refused') {
    site.note('not taken over', { id: entry.id, why: verdict?.error.message });
    return 'refused';
  }
  if (verdict.task) await applyAll(site, [verdict.task]);
  return 'taken';
}
