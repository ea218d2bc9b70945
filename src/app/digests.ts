import type { RangeDigests } from '../core/api.js';
import { outLine, rangeFinder } from '../core/compare.js';
import { glanceAt } from '../core/glance.js';
import { NO_REPLICA } from '../core/proof.js';
import {
  Buckets,
  type SomeBuckets,
  type Tally,
  addTally,
  among,
  decodeTally,
  digestOf,
  encodeTally,
  newTally,
  someBuckets,
  tally,
  tallyDigest,
  tallyText,
} from '../core/tally.js';
import type { DigestPage, DigestRequest, MirrorAgent, Range } from '../ports/mirror-agent.js';
import type { Position, StreamRecord } from '../ports/streams.js';
import { entryIn, logPage } from './log-walk.js';
import { type Step, onePiece, pieces, rowsAtATime } from './pieces.js';
import type { Site } from './site.js';
import { concerns, decoded, isWithin, nameOf, partsOf, positionAt, spanOf, spansOf, sumOf } from './survey-parts.js';

/**
 * The digests of ranges at a site, of its log and of its streams, in pieces: a piece is a stretch of the log, or of one
 * shard. What the log has is summed up by range; what stands on a stream is held against it by sums in few buckets, and
 * only of buckets in which something is left over are the lines told. For nearly always nothing is.
 */

/** An entry that is read whole, and a record, cost as much as so many lines. */
const WEIGHT = 8;
/** Buckets of the first look, and of the one that says what is looked at line by line. */
const FEW_BITS = 6;
const MANY_BITS = 16;
/** Lines of one answer: about 2 MB. */
const LINES = 15_000;
/** Entries at a time of which the lines are told: each may have many. */
const ENTRIES = 100;
/** Lines that are held at a time. */
const TOGETHER = 200_000;

// ---------------------------------------------------------------------------------------------------- the site asked

/** Where a piece begins: in the log, or behind it on what is left of the streams. */
type Cursor =
  | { readonly log: string }
  | { readonly streams: readonly string[]; readonly shards?: readonly string[]; readonly position?: Position };

/** A piece of what was asked, of the log and the streams here. Nothing here writes. */
export async function digestsHere(site: Site, request: DigestRequest): Promise<DigestPage> {
  const piece = new Piece(site, request);
  const next = await onePiece(site, request.after, (after) => piece.step(after), {
    weight: WEIGHT,
    isFull: () => piece.lines.length >= LINES,
  });
  const ready = request.ranges.map(({ stream }) => site.registry.localReplica(stream) !== undefined);
  return { ...piece.told(), ready, ...(next === undefined ? {} : { next }) };
}

class Piece {
  readonly lines: DigestPage['lines'][number][] = [];
  readonly #site: Site;
  readonly #request: DigestRequest;
  readonly #spans: ReturnType<typeof spansOf>;
  readonly #find: ReturnType<typeof rangeFinder>;
  readonly #isMeant: (name: string) => boolean;
  readonly #log = new Map<number, Tally>();
  readonly #sums: Buckets;
  #read = 0;

  constructor(site: Site, request: DigestRequest) {
    this.#site = site;
    this.#request = request;
    this.#spans = spansOf(request.ranges);
    this.#find = rangeFinder(request.ranges);
    this.#isMeant = request.only ? among(request.only) : () => true;
    this.#sums = new Buckets(request.bits);
  }

  told(): Pick<DigestPage, 'log' | 'sums' | 'lines' | 'read'> {
    return {
      log: [...this.#log].map(([range, all]) => [range, encodeTally(all)] as const),
      sums: this.#sums.encode(),
      lines: this.lines,
      read: this.#read,
    };
  }

  async step(after: string | undefined): Promise<Step> {
    const cursor = after === undefined ? undefined : (JSON.parse(after) as Cursor);
    const { read, next } = cursor && 'streams' in cursor ? await this.#onStreams(cursor) : await this.#inLog(cursor);
    this.#read += read;
    return { read, next: next && JSON.stringify(next) };
  }

  async #inLog(cursor: { readonly log: string } | undefined): Promise<{ read: number; next: Cursor }> {
    const limit = Math.min(rowsAtATime(this.#site, WEIGHT), this.#request.lines ? ENTRIES : Infinity);
    const page = await logPage(this.#site, spanOf(this.#spans), { after: cursor?.log, limit });
    for (const row of page.rows) {
      const entry = concerns(row, this.#spans, this.#isMeant) ? await entryIn(this.#site, row) : undefined;
      if (!entry) continue;
      for (const part of partsOf(this.#site, entry, this.#find)) {
        const name = nameOf(part.stream, part.id);
        if (!this.#isMeant(name)) continue;
        if (this.#request.lines) this.lines.push({ range: part.range, line: digestOf(part.line), of: 'log' });
        else this.#add(name, part.range, part.line, sumOf(part));
      }
    }
    const next: Cursor = page.next === undefined ? { streams: [...this.#spans.keys()] } : { log: page.next };
    return { read: page.read, next };
  }

  #add(name: string, range: number, line: string, sum: string): void {
    const all = this.#log.get(range) ?? newTally();
    tally(all, line);
    this.#log.set(range, all);
    this.#sums.add(name, sum);
  }

  async #onStreams(cursor: Extract<Cursor, { streams: unknown }>): Promise<{ read: number; next?: Cursor }> {
    const [stream, ...further] = cursor.streams;
    if (stream === undefined) return { read: 0 };
    const span = this.#spans.get(stream);
    const name = this.#site.registry.localReplica(stream)?.physicalName;
    const shards = name === undefined ? [] : (cursor.shards ?? (await this.#shardsOf(name)));
    const [shard, ...others] = shards;
    if (name === undefined || shard === undefined || !span) return { read: 0, next: { streams: further } };
    const position = cursor.position ?? positionAt(this.#site, span.from);
    const page = await this.#site.streams.read(name, shard, position, rowsAtATime(this.#site, WEIGHT));
    for (const record of page.records) this.#take(stream, record);
    const { streams } = cursor;
    const isOver = page.atTip || page.next === undefined;
    const next = isOver ? { streams, shards: others } : { streams, shards, position: page.next };
    return { read: page.records.length, next };
  }

  async #shardsOf(name: string): Promise<readonly string[]> {
    const description = await this.#site.streams.describe(name);
    return description?.status === 'active' ? description.shards.map(({ shardId }) => shardId) : [];
  }

  /** A record is taken by its sum; one that has none, by what it says: it is left over, and so looked at closely. */
  #take(stream: string, record: StreamRecord): void {
    const span = this.#spans.get(stream);
    const glance = glanceAt(record.partitionKey, record.data);
    if (glance && (!span || !isWithin(span, glance.at) || !this.#isMeant(nameOf(stream, glance.id)))) return;
    if (glance && !this.#request.lines) {
      this.#sums.add(nameOf(stream, glance.id), glance.sum, -1);
      return;
    }
    const told = decoded(record);
    if (typeof told === 'string' || told.kind === 'heartbeat') return;
    const name = nameOf(stream, glance?.id ?? told.transactionId);
    const part = outLine(told.events.map(({ out }) => out));
    const range = part.stream === stream ? this.#find(part) : -1;
    if (range < 0 || !this.#isMeant(name)) return;
    const line = digestOf(part.line);
    if (this.#request.lines) this.lines.push({ range, line, of: 'stream' });
    else this.#sums.add(name, line, -1);
  }
}

// --------------------------------------------------------------------------------------------------- the site asking

/**
 * The digests of these ranges at a site, this one or another.
 *
 * @param ranges none of which overlap; those of a stream cover all hashed keys
 * @param onProgress is told how many rows and records were read so far
 */
export async function digestsAt(
  site: Site,
  agent: MirrorAgent,
  ranges: readonly Range[],
  onProgress: (read: number) => void | Promise<void> = () => undefined,
): Promise<readonly RangeDigests[]> {
  if (ranges.length === 0) return [];
  const log = ranges.map(newTally);
  const sums = new Buckets(FEW_BITS);
  let ready: readonly boolean[] = [];
  let read = 0;
  for await (const page of pieces(site, (resumed) => agent.digests({ ranges, bits: FEW_BITS, ...resumed }))) {
    for (const [range, told] of page.log) addTally(log[range] as Tally, decodeTally(told));
    sums.plus(Buckets.decode(page.sums));
    ready = page.ready;
    read += page.read;
    await onProgress(read);
  }
  const streams = log.map(({ count, lanes }): Tally => ({ count, lanes: lanes.slice() }));
  if (sums.left.length > 0) await correct(site, agent, ranges, sums.left, streams);
  return log.map((all, index) => ({
    log: tallyText(all),
    stream: ready[index] ? tallyText(streams[index] as Tally) : NO_REPLICA,
  }));
}

/** What the streams have more than the log is added, what they have less is taken away. */
async function correct(
  site: Site,
  agent: MirrorAgent,
  ranges: readonly Range[],
  left: readonly number[],
  streams: readonly Tally[],
): Promise<void> {
  const sums = new Buckets(MANY_BITS);
  const request = { ranges, bits: MANY_BITS, only: someBuckets(FEW_BITS, left) };
  for await (const page of pieces(site, (resumed) => agent.digests({ ...request, ...resumed }))) {
    sums.plus(Buckets.decode(page.sums));
  }
  for (const only of grouped(sums)) {
    const lines = { ranges, bits: 0, only, lines: true };
    const here = { log: new Map<string, number>(), stream: new Map<string, number>() };
    for await (const page of pieces(site, (resumed) => agent.digests({ ...lines, ...resumed }))) {
      for (const { of, line, range } of page.lines) here[of].set(line, range);
    }
    for (const [line, range] of here.stream) if (!here.log.has(line)) tallyDigest(streams[range] as Tally, line);
    for (const [line, range] of here.log) if (!here.stream.has(line)) tallyDigest(streams[range] as Tally, line, -1);
  }
}

/** Buckets in which something is left, as many together as have few enough lines. */
function* grouped({ left, counts, bits }: Buckets): Generator<SomeBuckets> {
  let group: number[] = [];
  let size = 0;
  for (const bucket of left) {
    group.push(bucket);
    size += (counts[bucket] ?? 0) + 1;
    if (size < TOGETHER) continue;
    yield someBuckets(bits, group);
    group = [];
    size = 0;
  }
  if (group.length > 0) yield someBuckets(bits, group);
}
