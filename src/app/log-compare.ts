import { Buckets, bucketIn } from '../core/tally.js';
import { type Timestamp, timestamp } from '../core/timestamp.js';
import type { LinePage, LinesRequest, LogBuckets, LogLine, MirrorAgent } from '../ports/mirror-agent.js';
import { type LogRange, type LogRow, logRows } from './log-walk.js';
import type { Site } from './site.js';

/**
 * Comparing the decided logs of two sites without moving them: each side sums up its entries in buckets by their ids, and
 * of buckets that differ the lines are compared. What a site keeps in memory for it is the buckets and a page of lines,
 * however long the log is.
 */

/** Above every timestamp. */
export const END: Timestamp = timestamp(99_999_999, 9_007_199_254_740_991);
/** 2^18 buckets take 3 MB. */
const MAX_BITS = 18;
/** Entries in a bucket, as many as keep the lines of a bucket that differs about as long as its digest is. */
const PER_BUCKET = 16;
/** A page of lines is about 2 MB. */
const LINES = 20_000;
/** Of an entry's item, all that a line says. */
const LINE = ['decision'] as const;

/** The digests of the log here, in as many buckets as the longer of the two logs is worth. */
export async function bucketsHere(site: Site, { from, to, theirs }: LogBuckets): Promise<Buckets> {
  const all = await allBuckets(site, { from, to });
  return all.folded(bitsFor(Math.max(theirs, all.total)));
}

const bitsFor = (entries: number): number =>
  Math.min(MAX_BITS, Math.max(0, Math.ceil(Math.log2(entries / PER_BUCKET))));

async function allBuckets(site: Site, range: LogRange): Promise<Buckets> {
  const buckets = new Buckets(MAX_BITS);
  for await (const rows of logRows(site, range, LINE)) {
    for (const row of rows) buckets.add(row.id, sumIn(row));
  }
  return buckets;
}

const sumIn = ({ item }: LogRow): string => String(item['decision']);

const lineOf = (row: LogRow): LogLine => ({ id: row.id, status: row.status, at: row.at, sum: sumIn(row) });

const byTime = (a: LogLine, b: LogLine): number => ((a.at ?? '') < (b.at ?? '') ? -1 : 1);

/** The next lines behind a time, those of some buckets only where these are named. */
export async function linesHere(site: Site, { from, to, limit, buckets }: LinesRequest): Promise<LinePage> {
  const which = buckets && new Set(buckets.which);
  let lines: readonly LogLine[] = [];
  let met = 0;
  for await (const rows of logRows(site, { from, to }, LINE)) {
    const mine = which ? rows.filter((row) => which.has(bucketIn(row.id, buckets.bits))) : rows;
    met += mine.length;
    lines = [...lines, ...mine.map(lineOf)];
    if (lines.length > 2 * limit) lines = firstOf(lines, limit);
  }
  lines = firstOf(lines, limit);
  const last = lines.at(-1)?.at;
  return lines.length < met && last !== undefined ? { lines, next: last } : { lines };
}

/** As many as a page takes. It ends between two timestamps, so that the next one begins exactly behind it. */
function firstOf(lines: readonly LogLine[], limit: number): readonly LogLine[] {
  const sorted = [...lines].sort(byTime);
  const last = sorted[limit - 1]?.at;
  const end = sorted.findIndex((line, index) => index >= limit && line.at !== last);
  return end < 0 ? sorted : sorted.slice(0, end);
}

/** Some of what differs: everything that each side has in the buckets concerned. */
export interface Differing {
  /** By id. */
  readonly here: ReadonlyMap<string, LogLine>;
  readonly there: ReadonlyMap<string, LogLine>;
}

/** Where the log here and another one differ above a timestamp, some at a time. */
export async function* differingLines(site: Site, other: MirrorAgent, from: Timestamp): AsyncGenerator<Differing> {
  const range = { from, to: END };
  const all = await allBuckets(site, range);
  const { log = '' } = await other.digests({ log: { ...range, theirs: all.total } });
  const theirs = Buckets.decode(log);
  const { bits } = theirs;
  const mine = all.folded(bits);
  for (const which of grouped(mine.unlike(theirs), (at) => (mine.counts[at] ?? 0) + (theirs.counts[at] ?? 0))) {
    const page = (request: LinesRequest) => linesHere(site, request);
    yield {
      here: await linesIn({ ...range, buckets: { bits, which } }, page),
      there: await linesIn({ ...range, buckets: { bits, which } }, (request) => other.lines(request)),
    };
  }
}

async function linesIn(
  range: Omit<LinesRequest, 'limit'>,
  read: (request: LinesRequest) => Promise<LinePage>,
): Promise<ReadonlyMap<string, LogLine>> {
  const lines = new Map<string, LogLine>();
  let from: Timestamp | undefined = range.from;
  while (from !== undefined) {
    const page: LinePage = await read({ ...range, from, limit: LINES });
    for (const line of page.lines) lines.set(line.id, line);
    from = page.next;
  }
  return lines;
}

/** Buckets together, as many as have a page of lines. */
function* grouped(which: readonly number[], sizeOf: (bucket: number) => number): Generator<readonly number[]> {
  let group: number[] = [];
  let size = 0;
  for (const bucket of which) {
    if (group.length > 0 && size + sizeOf(bucket) > LINES) {
      yield group;
      group = [];
      size = 0;
    }
    group.push(bucket);
    size += sizeOf(bucket);
  }
  if (group.length > 0) yield group;
}
