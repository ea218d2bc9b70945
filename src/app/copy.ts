import { type DecidedEntry, isDecided, sumOf } from '../core/entry.js';
import { partName } from '../core/event.js';
import { entryKey } from '../core/items.js';
import { NEW_OR_OPEN, checkTerm, guardCopyOf, logWrites, raiseVersions } from '../core/plan.js';
import { type Timestamp, msOf } from '../core/timestamp.js';
import type { LogLine, MarkedEntry, MirrorAgent } from '../ports/mirror-agent.js';
import { ConditionFailed, WriteConflict } from '../ports/tables.js';
import { copyCandidates } from './candidates.js';
import { fetchEntries } from './fetch.js';
import { fencedTo } from './guards.js';
import { compareLogs } from './log-compare.js';
import { prepareEntry, readEntries, readVersions } from './log.js';
import { stageHere } from './stage.js';
import type { Site } from './site.js';

const RACES = 16;

/**
 * Copies into this log what the other side's has and it has not: entries with their marks, in the order of their
 * timestamps as far as they come together, then what is staged there. Decisions that are taken meanwhile arrive by
 * themselves.
 *
 * @param told is told of what was copied, some at a time
 */
export async function copyMissing(
  site: Site,
  other: MirrorAgent,
  from: Timestamp,
  told: (entries: readonly DecidedEntry[]) => Promise<void>,
): Promise<void> {
  const term = await fencedTo(site);
  const differing = await compareLogs(site, other, from);
  for await (const missing of differing.there()) {
    for await (const fetched of fetchEntries(other, idsInOrder(missing.map(({ line }) => line)))) {
      const copied: DecidedEntry[] = [];
      for (const marked of [...fetched].sort((a, b) => (a.entry.at < b.entry.at ? -1 : 1))) {
        if (await copyEntry(site, term, marked)) copied.push(marked.entry);
      }
      await told(copied);
    }
  }
  await copyStagings(site, other, term);
}

function idsInOrder(lines: readonly LogLine[]): readonly string[] {
  return [...lines].sort((a, b) => ((a.at ?? '') < (b.at ?? '') ? -1 : 1)).map(({ id }) => id);
}

/** @returns whether it was missing here */
async function copyEntry(site: Site, term: number, { entry, markEpoch }: MarkedEntry): Promise<boolean> {
  for (let race = 0; race < RACES; race += 1) {
    const versions = await readVersions(
      site,
      entry.events.filter((event) => event.version !== undefined),
    );
    const stands = (stream: string, key: string) => versions.get(partName(stream, key))?.version ?? 0;
    try {
      await site.tables.transact([
        checkTerm(guardCopyOf(entry.id, site.copies), term),
        ...logWrites({
          entry,
          encoded: await prepareEntry(site, entry, term),
          ...(markEpoch === undefined ? {} : { markEpoch }),
          when: NEW_OR_OPEN,
          buckets: site.copies,
          versions: raiseVersions(entry, stands),
        }),
      ]);
      return true;
    } catch (error) {
      if (error instanceof WriteConflict) continue;
      if (!(error instanceof ConditionFailed)) throw error;
      if (error.failed.has(0)) throw new Error('another term began while this site was copying', { cause: error });
      if (await standsHere(site, term, entry)) return false;
    }
  }
  throw new Error(`transaction ${entry.id} changes while it is copied`);
}

async function standsHere(site: Site, term: number, entry: DecidedEntry): Promise<boolean> {
  const [standing] = await readEntries(site, [entry.id]);
  if (!standing || !isDecided(standing)) return false;
  if (sumOf(standing) === sumOf(entry)) return true;
  if (!hasExpired(site, standing) || standing.at > entry.at)
    throw new Error(`transaction ${entry.id} was decided otherwise here: clean first`);
  await forgetExpired(site, term, standing);
  return false;
}

/** The other side has let it go, and was asked for its id anew: this site was left before it let it go as well. */
const hasExpired = (site: Site, { at }: DecidedEntry): boolean =>
  msOf(at) < site.clock.now() - site.options.logRetentionMs;

/** Its entry alone: what else it has left has the names of what comes in its place, or goes with that. */
async function forgetExpired(site: Site, term: number, { id, at }: DecidedEntry): Promise<void> {
  site.note('forgotten, its id was used again', { id, at });
  await site.tables.transact([
    checkTerm(guardCopyOf(id, site.copies), term),
    { kind: 'delete', key: entryKey(id), when: ['absent', [{ attribute: 'at', is: '=', value: at }]] },
  ]);
}

async function copyStagings(site: Site, other: MirrorAgent, term: number): Promise<void> {
  let after: string | undefined;
  do {
    const page = await other.stagings(after === undefined ? {} : { after });
    for (const { entry, next, events, candidates } of page.open) {
      if (entry.replication !== 'eager') continue;
      await stageHere(site, { term, entry, next, events });
      // Of what home foresaw as a follower, another home may have answered writes that nobody was told of.
      if (candidates.length > 0) await copyCandidates(site, term, entry, candidates);
    }
    after = page.next;
  } while (after !== undefined);
}
