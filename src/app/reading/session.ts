import { type Checkpoint, owedFromMs } from '../../core/checkpoint.js';
import { LockstepError } from '../../core/errors.js';
import { Reader } from '../../core/reader.js';
import { missedFrom } from '../../core/route.js';
import { PortUnavailable } from '../../ports/failures.js';
import {
  NEVER,
  type Timestamp,
  clockAt,
  clockOf,
  latest,
  msOf,
  termOf,
  timestamp,
  toIso,
} from '../../core/timestamp.js';
import type { Position, RecordPage } from '../../ports/streams.js';
import type { ReadSite, StreamClosed } from './read-site.js';
import { type ShardCursor, cursorAt } from './shard-cursor.js';

/** Records per read of one shard. */
const READ_RECORDS = 1000;
/** Shards that are read at the same time. */
const MAX_READS = 16;
/** How far ahead of the last one, in commit time, a shard may be read: what it brings has to be held till then. */
const MAX_AHEAD_MS = 5000;

/** A gap as an error: what a reader was owed is not kept any more. */
export function gapError(fromMs: number, toMs: number): LockstepError {
  const [from, to] = [toIso(fromMs), toIso(toMs)];
  return new LockstepError(
    'Gap',
    `what was committed between ${from} and ${to} is not kept here any more, or came back after this reader had left ` +
      'it; read another replica, or start again without a checkpoint and find out what is missing',
    { from, to },
  );
}

/** One reader at one replica: reads the shards for it, side by side in commit time, parents before children. */
export class ReadSession {
  readonly reader: Reader;
  readonly #site: ReadSite;
  readonly #streams: readonly string[];
  readonly #signature: string;
  readonly #starts: ReadonlyMap<string, Start>;
  readonly #cursors = new Map<string, Map<string, ShardCursor>>();
  #closed: ReadonlyMap<string, StreamClosed> = new Map();
  #isAsked = false;

  private constructor(site: ReadSite, streams: readonly string[], checkpoint: Checkpoint) {
    this.#site = site;
    this.#streams = streams;
    this.#signature = signatureOf(site, streams);
    this.#starts = new Map(streams.map((stream) => [stream, startOf(site, stream, checkpoint)]));
    this.reader = new Reader(streams, checkpoint);
    for (const stream of streams) this.#cursors.set(stream, new Map());
  }

  /** @throws LockstepError Gap, UnknownStream */
  static async open(site: ReadSite, streams: readonly string[], checkpoint: Checkpoint): Promise<ReadSession> {
    const session = new ReadSession(site, streams, checkpoint);
    await session.#learn(false);
    return session;
  }

  /** Whether the replicas are still those that this session began with. */
  get isCurrent(): boolean {
    return this.#signature === signatureOf(this.#site, this.#streams);
  }

  /** Whether home was asked, since the page began, how far everything is decided. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  /** Whether every shard was read to its tip, since the page began or home was asked. */
  get isAtTip(): boolean {
    return !this.#all().some((cursor) => cursor.position !== undefined && !cursor.isAtTip);
  }

  /** Whether everything that was decided before home was asked has been emitted. */
  get isCaughtUp(): boolean {
    const closed = [...this.#closed.values()];
    return (
      this.#isAsked &&
      closed.length === this.#streams.length &&
      closed.every(({ isCurrent }) => isCurrent) &&
      closed.some((each) => each.closed <= this.reader.closed) &&
      this.reader.completeCount === 0
    );
  }

  /** A new page: the shards may have gone on, and so may the route. @throws LockstepError Gap */
  begin(): void {
    this.#follow();
    this.#isAsked = false;
    this.lookAgain();
  }

  /** Shards that were at their tips may have new records. */
  lookAgain(): void {
    for (const cursor of this.#all()) cursor.isAtTip = false;
  }

  /** Asks home for a closed timestamp of now. It holds for what is read from here on, so the tips have to be reached anew. */
  async ask(): Promise<void> {
    await this.#learn(true);
    this.#follow();
    this.#isAsked = true;
    this.lookAgain();
  }

  /** Resolves when a stream may have new records, at the latest after `timeoutMs`. */
  async awaitRecords(timeoutMs: number): Promise<void> {
    const { streams } = this.#site;
    await Promise.race(this.#streams.map((name) => streams.awaitRecords(this.#site.physicalName(name), timeoutMs)));
  }

  /**
   * Reads on where the least has been read, in commit time. So what belongs together is met at about the same time, and
   * a replica's backlog is met in its place.
   *
   * @returns false where all shards have been read to their tips
   * @throws LockstepError Gap
   */
  async readOn(): Promise<boolean> {
    const cursors = this.#laggards();
    const reads = cursors.map((cursor) => this.#read(cursor));
    await Promise.all(reads);
    const ended = this.#all().filter(({ position, isFinished }) => position === undefined && !isFinished);
    await Promise.all([...new Set(ended.map(({ stream }) => stream))].map((stream) => this.#describe(stream)));
    for (const cursor of ended) {
      this.reader.finish(cursor.stream, cursor.shardId);
      cursor.isFinished = true;
    }
    const newest = Math.max(...this.#all().map(({ front }) => termOf(front)));
    if (newest > (this.#site.terms().at(-1)?.term ?? 0)) await this.#site.learnTerms();
    this.#follow();
    return cursors.length > 0;
  }

  /**
   * Whether the history goes on in which the reader stands, and which terms began uncleanly: to be known before it comes
   * into another term, which may have begun in the middle of a page.
   */
  #follow(): void {
    const { closed } = this.reader;
    const terms = this.#site.terms();
    const missed = missedFrom(terms, termOf(closed));
    if (missed !== undefined && missed < closed) throw gapError(msOf(missed), msOf(closed));
    this.reader.setUncleanTerms(terms.flatMap(({ term, unclean }) => (unclean === true ? [term] : [])));
  }

  #laggards(): readonly ShardCursor[] {
    const readable = this.#all().filter((cursor) => this.#isReadable(cursor));
    const [first] = readable.sort((a, b) => (a.front < b.front ? -1 : a.front > b.front ? 1 : 0));
    if (first === undefined) return [];
    const limit = timestamp(termOf(first.front), clockOf(first.front) + clockAt(MAX_AHEAD_MS));
    return readable.filter(({ front }) => front <= limit).slice(0, MAX_READS);
  }

  #isReadable({ stream, position, isAtTip, parents }: ShardCursor): boolean {
    if (position === undefined || isAtTip) return false;
    const shards = this.#cursors.get(stream);
    // A parent that is not known has outlived its records.
    return parents.every((parent) => shards?.get(parent)?.isFinished ?? true);
  }

  async #read(cursor: ShardCursor): Promise<void> {
    const { stream, shardId, position } = cursor;
    if (position === undefined) return;
    const nowMs = this.#site.clock.now();
    const keptFromMs = nowMs - this.#site.retentionMs(stream);
    // Who reads from the oldest is not owed what has gone before the first look, however long that took.
    const isOwed = this.reader.closed !== NEVER;
    if (isOwed && cursor.readUpToMs < keptFromMs) throw gapError(cursor.readUpToMs, keptFromMs);
    const page = await this.#site.streams.read(this.#site.physicalName(stream), shardId, position, READ_RECORDS);
    this.#meet(cursor, page);
    const lastMs = page.atTip ? nowMs : (page.records.at(-1)?.arrivedAtMs ?? cursor.readUpToMs);
    cursor.readUpToMs = Math.max(cursor.readUpToMs, lastMs);
    cursor.position = page.next;
    cursor.isAtTip = page.atTip;
    const closed = this.#closed.get(stream)?.closed;
    if (page.atTip && closed !== undefined) this.reader.grant(stream, shardId, closed);
  }

  #meet(cursor: ShardCursor, { records }: RecordPage): void {
    let front: Timestamp = cursor.front;
    for (const { data } of records) {
      front = latest(front, this.reader.add(cursor.stream, cursor.shardId, data) ?? front);
    }
    cursor.front = front;
  }

  /**
   * First how far things are closed, then which shards there are: so what is closed stands on shards that are known. The
   * other way round, a shard read to its tip might have ended in between, and its children hold a share of it.
   */
  async #learn(atLeastNow: boolean): Promise<void> {
    this.#closed = await this.#site.closed(this.#streams, atLeastNow);
    await Promise.all(this.#streams.map((stream) => this.#describe(stream)));
  }

  async #describe(stream: string): Promise<void> {
    const name = this.#site.physicalName(stream);
    const description = await this.#site.streams.describe(name);
    if (description === undefined) {
      // Somebody has deleted it: it is made anew, under a name that this process may not know yet.
      throw new PortUnavailable(`the stream of ${stream} that was read here is gone`);
    }
    const { position, readUpToMs } = this.#starts.get(stream) as Start;
    const cursors = this.#cursors.get(stream) as Map<string, ShardCursor>;
    for (const shard of description.shards) {
      if (cursors.has(shard.shardId)) continue;
      cursors.set(shard.shardId, cursorAt(stream, shard, position, readUpToMs));
      this.reader.open(stream, shard.shardId, shard.parents);
    }
  }

  #all(): readonly ShardCursor[] {
    return [...this.#cursors.values()].flatMap((shards) => [...shards.values()]);
  }
}

function signatureOf(site: ReadSite, streams: readonly string[]): string {
  return JSON.stringify(streams.map((stream) => [site.physicalName(stream), site.completeFromMs(stream)]));
}

interface Start {
  readonly position: Position;
  readonly readUpToMs: number;
}

/** Where to start, and the check that all that is owed from there on is kept. */
function startOf(site: ReadSite, stream: string, checkpoint: Checkpoint): Start {
  const keptFromMs = site.clock.now() - site.retentionMs(stream);
  const owedMs = owedFromMs(checkpoint, site.terms());
  if (owedMs === undefined) {
    // What is about to be dropped is left out: it could be gone before the next page.
    const fromMs = keptFromMs + site.marginMs;
    return { position: fromMs > 0 ? { atMs: fromMs } : 'oldest', readUpToMs: fromMs };
  }
  const completeFromMs = Math.max(keptFromMs, site.completeFromMs(stream));
  if (owedMs < completeFromMs) throw gapError(owedMs, completeFromMs);
  return { position: { atMs: Math.max(0, owedMs - site.marginMs) }, readUpToMs: owedMs };
}
