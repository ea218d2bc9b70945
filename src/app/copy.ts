import { type DecidedEntry, isDecided } from '../core/entry.js';
import { partName } from '../core/event.js';
import { NEW_OR_OPEN, checkTerm, guardCopyOf, logWrites, raiseVersions, sumOf } from '../core/plan.js';
import { type Timestamp, timestamp } from '../core/timestamp.js';
import type { LogLine, MarkedEntry, MirrorAgent } from '../ports/mirror-agent.js';
import { ConditionFailed, WriteConflict } from '../ports/tables.js';
import { keepCandidates } from './candidates.js';
import { digestsHere, linesHere } from './digests.js';
import { fetchEntries } from './fetch.js';
import { fencedTo } from './guards.js';
import { prepareEntry, readEntries, readVersions } from './log.js';
import { stageHere } from './stage.js';
import type { Site } from './site.js';

/** Windows of the log whose digests are compared before a line of it is asked for. */
const WINDOWS = 32;
const LINES = 2000;
/** Above every timestamp. */
export const END: Timestamp = timestamp(99_999_999, 9_007_199_254_740_991);
const RACES = 16;

/**
 * Copies into this log what the other side's has and it has not: entries with their marks, in the order of their
 * timestamps, then what is staged there. Decisions that are taken meanwhile arrive by themselves.
 *
 * @returns how many entries were copied
 */
export async function copyMissing(site: Site, other: MirrorAgent, from: Timestamp): Promise<number> {
  const term = await fencedTo(site);
  let copied = 0;
  for await (const ids of missingHere(site, other, from)) {
    for await (const fetched of fetchEntries(other, ids)) {
      for (const marked of [...fetched].sort((a, b) => (a.entry.at < b.entry.at ? -1 : 1))) {
        if (await copyEntry(site, term, marked)) copied += 1;
      }
    }
  }
  await copyStagings(site, other, term);
  return copied;
}

/** Ids that the other side has decided and this one has not, in the order of their timestamps. */
async function* missingHere(site: Site, other: MirrorAgent, from: Timestamp): AsyncGenerator<readonly string[]> {
  const { lines: all } = await linesHere(site, { from, to: END, limit: Number.MAX_SAFE_INTEGER });
  const here = new Map(all.map((line) => [line.id, line.sum]));
  for (const [start, end] of await differingWindows(site, other, from, all)) {
    let next: Timestamp | undefined = start;
    while (next !== undefined) {
      const page: { readonly lines: readonly LogLine[]; readonly next?: Timestamp } = await other.lines({
        from: next,
        to: end,
        limit: LINES,
      });
      const missing = page.lines.filter((line) => here.get(line.id) !== line.sum).map((line) => line.id);
      if (missing.length > 0) yield missing;
      next = page.next;
    }
  }
}

/** Cuts this log into windows of about the same size; those with equal digests at both sides need no lines. */
async function differingWindows(
  site: Site,
  other: MirrorAgent,
  from: Timestamp,
  lines: readonly LogLine[],
): Promise<readonly (readonly [Timestamp, Timestamp])[]> {
  const step = Math.max(1, Math.ceil(lines.length / WINDOWS));
  const inner = lines.filter((_, index) => index % step === step - 1).flatMap((line) => line.at ?? []);
  const borders = [...new Set([from, ...inner, END])].sort();
  const [here, there] = await Promise.all([
    digestsHere(site, { logWindows: borders }),
    other.digests({ logWindows: borders }),
  ]);
  return borders.slice(1).flatMap((end, index) => {
    const start = borders[index] ?? from;
    return here.logWindows[index] === there.logWindows[index] ? [] : [[start, end] as const];
  });
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
      if (await standsHere(site, entry)) return false;
    }
  }
  throw new Error(`transaction ${entry.id} changes while it is copied`);
}

async function standsHere(site: Site, entry: DecidedEntry): Promise<boolean> {
  const [standing] = await readEntries(site, [entry.id]);
  if (!standing || !isDecided(standing)) return false;
  if (sumOf(standing) !== sumOf(entry))
    throw new Error(`transaction ${entry.id} was decided otherwise here: clean first`);
  return true;
}

async function copyStagings(site: Site, other: MirrorAgent, term: number): Promise<void> {
  let after: string | undefined;
  do {
    const page = await other.stagings(after === undefined ? {} : { after });
    for (const { entry, next, events, candidates } of page.open) {
      if (entry.replication !== 'eager') continue;
      await stageHere(site, { term, entry, next, events });
      // Of what home foresaw as a follower, another home may have answered writes that nobody was told of.
      if (candidates.length > 0) await keepCandidates(site, term, entry, candidates);
    }
    after = page.next;
  } while (after !== undefined);
}
