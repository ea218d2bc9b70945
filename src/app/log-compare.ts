import { entryKey } from '../core/items.js';
import { Buckets, MAX_BITS, type SomeBuckets, among, someBuckets } from '../core/tally.js';
import { type Timestamp, timestamp } from '../core/timestamp.js';
import type {
  BucketsPage,
  BucketsRequest,
  LinePage,
  LinesRequest,
  LogLine,
  MirrorAgent,
} from '../ports/mirror-agent.js';
import { type LogRow, logPage } from './log-walk.js';
import { onePiece, pieces, rowsAtATime } from './pieces.js';
import type { Site } from './site.js';

/**
 * Comparing the decided logs of two sites without moving them: each side sums up its entries in buckets by their ids, and
 * of buckets that differ the lines are compared. What a site keeps in memory for it is the buckets and a page of lines,
 * however long the log is; what it is asked in one call is a piece of its log.
 */

/** Above every timestamp. */
export const END: Timestamp = timestamp(99_999_999, 9_007_199_254_740_991);
/** Entries in a bucket, as many as keep the lines of a bucket that differs about as long as its digest is. */
const PER_BUCKET = 16;
/** Lines of one answer: about 2 MB. */
const LINES = 20_000;
/** Lines that are looked up together. */
const TOGETHER = 200;
/** Of an entry's item, all that a line says. */
const LINE = ['decision'] as const;

const bitsFor = (entries: number): number =>
  Math.min(MAX_BITS, Math.max(0, Math.ceil(Math.log2(entries / PER_BUCKET))));

/** The sums of a piece of the log here. */
export async function bucketsHere(site: Site, { from, to, bits, after }: BucketsRequest): Promise<BucketsPage> {
  const buckets = new Buckets(bits);
  const next = await onePiece(site, after, async (at) => {
    const page = await logPage(site, { from, to }, { after: at, attributes: LINE, limit: rowsAtATime(site) });
    for (const row of page.rows) buckets.add(row.id, sumIn(row));
    return page;
  });
  return { buckets: buckets.encode(), ...(next === undefined ? {} : { next }) };
}

/** The lines of a piece of the log here. */
export async function linesHere(site: Site, { from, to, only, after }: LinesRequest): Promise<LinePage> {
  const isMeant = among(only);
  const lines: LogLine[] = [];
  const step = async (at: string | undefined) => {
    const page = await logPage(site, { from, to }, { after: at, attributes: LINE, limit: rowsAtATime(site) });
    for (const row of page.rows) if (isMeant(row.id)) lines.push(lineOf(row));
    return page;
  };
  const next = await onePiece(site, after, step, { isFull: () => lines.length >= LINES });
  return { lines, ...(next === undefined ? {} : { next }) };
}

const sumIn = ({ item }: Pick<LogRow, 'item'>): string => String(item['decision']);

const lineOf = (row: LogRow): LogLine => ({ id: row.id, status: row.status, at: row.at, sum: sumIn(row) });

/** A line, and what the other side has of the same id, if that is decided there. */
export interface Unlike {
  readonly line: LogLine;
  readonly beside?: LogLine | undefined;
}

/** Where two logs differ: each side in one walk, some at a time. */
export interface Differing {
  /** What is here and not the same there. */
  here(): AsyncGenerator<readonly Unlike[]>;
  /** What is there and not the same here. */
  there(): AsyncGenerator<readonly Unlike[]>;
}

/** Where the log here and another one differ above a timestamp. */
export async function compareLogs(site: Site, other: MirrorAgent, from: Timestamp): Promise<Differing> {
  const range = { from, to: END };
  const whole = await summed(site, MAX_BITS, (request) => bucketsHere(site, { ...range, ...request }));
  const mine = whole.folded(bitsFor(whole.total));
  const theirs = await summed(site, mine.bits, (request) => other.buckets({ ...range, ...request }));
  const which = mine.unlike(theirs);
  const request = { ...range, only: someBuckets(mine.bits, which) };
  const isSame = which.length === 0;
  return {
    here: () => unlike(site, request, isSame, linesFrom(site), (ids) => other.lookup({ ids })),
    there: () =>
      unlike(
        site,
        request,
        isSame,
        (asked) => other.lines(asked),
        (ids) => lookupHere(site, ids),
      ),
  };
}

const linesFrom = (site: Site) => (request: LinesRequest) => linesHere(site, request);

async function summed(
  site: Site,
  bits: number,
  ask: (request: { readonly bits: number; readonly after?: string }) => Promise<BucketsPage>,
): Promise<Buckets> {
  const all = new Buckets(bits);
  for await (const { buckets } of pieces(site, (resumed) => ask({ bits, ...resumed }))) {
    all.plus(Buckets.decode(buckets));
  }
  return all;
}

async function* unlike(
  site: Site,
  request: { readonly from: Timestamp; readonly to: Timestamp; readonly only: SomeBuckets },
  isSame: boolean,
  read: (request: LinesRequest) => Promise<LinePage>,
  lookup: (ids: readonly string[]) => Promise<readonly (LogLine | undefined)[]>,
): AsyncGenerator<readonly Unlike[]> {
  if (isSame) return;
  for await (const { lines } of pieces(site, (resumed) => read({ ...request, ...resumed }))) {
    for (let at = 0; at < lines.length; at += TOGETHER) {
      const some = lines.slice(at, at + TOGETHER);
      const standing = await lookup(some.map(({ id }) => id));
      yield some.flatMap((line, index) => {
        const there = standing[index];
        const beside = there && there.status !== 'open' && (there.at ?? '') > request.from ? there : undefined;
        return beside?.sum === line.sum ? [] : [{ line, beside }];
      });
    }
  }
}

async function lookupHere(site: Site, ids: readonly string[]): Promise<readonly (LogLine | undefined)[]> {
  const items = await site.tables.get(ids.map(entryKey));
  return items.map((item, index): LogLine | undefined => {
    const { status, at } = item ?? {};
    if (!item || typeof at !== 'string' || (status !== 'committed' && status !== 'aborted')) return undefined;
    return { id: ids[index] ?? '', status, at, sum: sumIn({ item }) };
  });
}
