import { type DecidedEntry, isDecided } from '../core/entry.js';
import { type PartLine, entryLines, inRange, outLine, rangeDigest } from '../core/compare.js';
import { type DecodedRecord, UnreadableRecord, decodeRecord } from '../core/record.js';
import { NEVER, type Timestamp, latest, msOf } from '../core/timestamp.js';
import { sumOf } from '../core/plan.js';
import type { DigestAnswer, DigestRequest, LinePage, LogLine, Range } from '../ports/mirror-agent.js';
import type { Position } from '../ports/streams.js';
import { decodeWhole } from './log.js';
import { logRows } from './log-walk.js';
import type { Site } from './site.js';

/** What a site computes of itself when two sides are compared. Nothing here writes. */

const READ_PAGE = 1000;

/** Decided entries, committed and aborted, with `from < at ≤ to`. */
export async function* decidedEntries(site: Site, from: Timestamp, to?: Timestamp): AsyncGenerator<DecidedEntry> {
  for (const status of ['committed', 'aborted'] as const) {
    for await (const rows of logRows(site, status, from, to)) {
      for (const { id, item } of rows) {
        const entry = await decodeWhole(site, id, item);
        if (isDecided(entry)) yield entry;
      }
    }
  }
}

export async function linesHere(
  site: Site,
  { from, to, limit }: { readonly from: Timestamp; readonly to: Timestamp; readonly limit: number },
): Promise<LinePage> {
  const lines: LogLine[] = [];
  for await (const entry of decidedEntries(site, from, to)) lines.push(lineOf(entry));
  lines.sort((a, b) => ((a.at ?? '') < (b.at ?? '') ? -1 : 1));
  if (lines.length <= limit) return { lines };
  // A page ends between two timestamps, so that the next one begins exactly behind it.
  const page = lines.slice(0, limit);
  const last = page.at(-1)?.at;
  const rest = lines.slice(limit).filter((line) => line.at === last);
  return { lines: [...page, ...rest], next: last ?? to };
}

export const lineOf = (entry: DecidedEntry): LogLine => ({
  id: entry.id,
  status: entry.status,
  at: entry.at,
  sum: sumOf(entry),
});

export async function digestsHere(site: Site, request: DigestRequest): Promise<DigestAnswer> {
  const [logWindows, ranges] = await Promise.all([
    windowDigests(site, request.logWindows ?? []),
    rangeDigests(site, request.ranges ?? []),
  ]);
  return { logWindows, ranges };
}

async function windowDigests(site: Site, borders: readonly Timestamp[]): Promise<readonly string[]> {
  const [from] = borders;
  const to = borders.at(-1);
  if (from === undefined || to === undefined || borders.length < 2) return [];
  const windows: string[][] = borders.slice(1).map(() => []);
  for await (const entry of decidedEntries(site, from, to)) {
    const index = borders.slice(1).findIndex((border) => entry.at <= border);
    windows[index]?.push(`${entry.id}|${sumOf(entry)}`);
  }
  return windows.map(rangeDigest);
}

async function rangeDigests(site: Site, ranges: readonly Range[]): Promise<DigestAnswer['ranges']> {
  if (ranges.length === 0) return [];
  const from = ranges.reduce((low, range) => (range.from < low ? range.from : low), ranges[0]?.from ?? NEVER);
  const to = latest(...ranges.map((range) => range.to));
  const log = ranges.map((): string[] => []);
  const stream = ranges.map((): string[] => []);
  const sort = (part: PartLine, into: readonly string[][]) => {
    ranges.forEach((range, index) => {
      if (inRange(range, part)) into[index]?.push(part.line);
    });
  };
  for await (const entry of decidedEntries(site, from, to)) {
    if (entry.status === 'committed') for (const part of entryLines(entry)) sort(part, log);
  }
  for (const name of new Set(ranges.map((range) => range.stream))) {
    for await (const part of partsOnStream(site, name, from)) sort(part.line, stream);
  }
  return ranges.map((_, index) => ({ log: rangeDigest(log[index] ?? []), stream: rangeDigest(stream[index] ?? []) }));
}

/** A part as it stands on a replica here. */
export interface StandingPart {
  readonly transactionId: string;
  readonly line: PartLine;
}

/** What stands on the replica here, from the time of a timestamp on; records that cannot be read are left out. */
export async function* partsOnStream(site: Site, stream: string, from: Timestamp): AsyncGenerator<StandingPart> {
  const name = site.registry.localReplica(stream)?.physicalName;
  const description = name === undefined ? undefined : await site.streams.describe(name);
  if (name === undefined || description?.status !== 'active') return;
  const start: Position = from === NEVER ? 'oldest' : { atMs: startMs(site, from) };
  for (const { shardId } of description.shards) {
    let position: Position | undefined = start;
    while (position !== undefined) {
      const page = await site.streams.read(name, shardId, position, READ_PAGE);
      for (const { data } of page.records) {
        const record = decode(data);
        if (record?.kind !== 'part') continue;
        yield { transactionId: record.transactionId, line: outLine(record.events.map((event) => event.out)) };
      }
      position = page.atTip ? undefined : page.next;
    }
  }
}

/** Records above a timestamp arrived at or after this time, whichever term they are of. */
function startMs(site: Site, from: Timestamp): number {
  const newer = site.routes.known.terms.filter(({ term }) => term > Number(from.slice(0, 8)));
  return Math.min(msOf(from), ...newer.map((term) => term.startedAtMs)) - site.options.readMarginMs;
}

function decode(data: Uint8Array): DecodedRecord | undefined {
  try {
    return decodeRecord(data);
  } catch (error) {
    if (error instanceof UnreadableRecord) return undefined;
    throw error;
  }
}
