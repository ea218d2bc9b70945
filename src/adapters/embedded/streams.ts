import type { Clock } from '../../ports/environment.js';
import { PortUnavailable } from '../../ports/failures.js';
import type {
  Position,
  PutOutcome,
  PutRecord,
  RecordPage,
  Shard,
  StreamDescription,
  Streams,
} from '../../ports/streams.js';
import { Arrivals } from './arrivals.js';
import { toDecimals } from './hash-ranges.js';
import { SEPARATOR, toKeyBytes } from './key-bytes.js';
import type { OrderedStore } from './ordered-store.js';
import type { RecordLog } from './record-log.js';
import { SequenceCounter } from './sequence-counter.js';
import { type LiveStream, StreamRegistry } from './stream-registry.js';
import {
  type ShardState,
  type StreamState,
  findShard,
  mergeShards,
  newStream,
  resizeShards,
  shardIdOf,
  splitShard,
} from './stream-state.js';

export interface EmbeddedStreamsOptions {
  /** Keeps these streams apart from others in the same store. @default '' */
  readonly namespace?: string;
  /** How long a new stream stays `creating`, milliseconds; survives a restart. @default 0 */
  readonly creationMs?: number;
  /** Once it is aborted, nobody waits for records any more. */
  readonly stopping?: AbortSignal;
  /** Injects refusals of single records. */
  readonly refuse?: (stream: string, shardId: string, record: PutRecord) => 'throttled' | 'unavailable' | undefined;
}

const STREAM_NAME = /^[a-zA-Z0-9_.-]{1,128}$/;
const MAX_PUT_RECORDS = 500;
const MAX_PUT_BYTES = 10 * 1024 * 1024;
/** Data and partition key together. */
const MAX_RECORD_BYTES = 1024 * 1024;
const MAX_KEY_CHARACTERS = 256;
const MAX_READ_RECORDS = 10_000;
const MS_PER_HOUR = 3_600_000;

/**
 * A site's streams in an ordered store.
 *
 * Sequences come from one counter for all streams of a namespace, so that they grow over restarts, reshards and even
 * over the removal of a stream and its creation anew. What breaks the documented limits is a mistake of the caller and
 * throws a plain Error before anything is put.
 */
export class EmbeddedStreams implements Streams {
  readonly #store: OrderedStore;
  readonly #clock: Clock;
  readonly #creationMs: number;
  readonly #refuse: EmbeddedStreamsOptions['refuse'];
  readonly #registry: StreamRegistry;
  readonly #sequences: SequenceCounter;
  readonly #arrivals: Arrivals;

  constructor(store: OrderedStore, clock: Clock, options: EmbeddedStreamsOptions = {}) {
    this.#store = store;
    this.#clock = clock;
    this.#creationMs = options.creationMs ?? 0;
    this.#refuse = options.refuse;
    const prefix = toKeyBytes(options.namespace ?? '') + SEPARATOR;
    this.#sequences = new SequenceCounter(store, `${prefix}n`);
    this.#registry = new StreamRegistry(store, prefix);
    this.#arrivals = new Arrivals(clock, options.stopping);
  }

  async create(name: string, shardCount: number): Promise<void> {
    if (!STREAM_NAME.test(name)) throw new Error(`${JSON.stringify(name)} is no name for a stream`);
    if (this.#registry.get(name) !== undefined) return this.#store.commit();
    const activeAtMs = this.#clock.now() + this.#creationMs;
    await this.#registry.add(newStream(name, this.#sequences.next(), shardCount, activeAtMs));
  }

  async describe(name: string): Promise<StreamDescription | undefined> {
    const stream = this.#registry.get(name);
    if (stream?.durable === undefined) return undefined;
    const { durable } = stream;
    const shards = durable.shards
      .filter((shard) => shard.open || !this.#isSpent(durable, stream.log(shard.number)))
      .map(describeShard);
    return {
      name,
      status: this.#isActive(durable) ? 'active' : 'creating',
      shards,
      retentionHours: durable.retentionHours,
    };
  }

  async remove(name: string): Promise<void> {
    const stream = this.#registry.get(name);
    if (stream !== undefined) await this.#registry.remove(stream);
    else await this.#store.commit();
  }

  async setRetention(name: string, hours: number): Promise<void> {
    if (!(hours > 0)) throw new Error(`a retention of ${hours} hours is not possible`);
    const stream = this.#known(name);
    await this.#registry.change(stream, { ...stream.staged, retentionHours: hours });
  }

  async resize(name: string, shardCount: number): Promise<void> {
    const stream = this.#known(name);
    await this.#registry.change(stream, resizeShards(stream.staged, shardCount));
  }

  async split(name: string, shardId: string): Promise<void> {
    const stream = this.#known(name);
    await this.#registry.change(stream, splitShard(stream.staged, shardId));
  }

  async merge(name: string, shardId: string, neighbourId: string): Promise<void> {
    const stream = this.#known(name);
    await this.#registry.change(stream, mergeShards(stream.staged, shardId, neighbourId));
  }

  async put(name: string, records: readonly PutRecord[]): Promise<readonly PutOutcome[]> {
    checkLimits(records);
    const stream = this.#registry.get(name);
    if (stream === undefined || !this.#isActive(stream.staged)) return records.map(() => UNAVAILABLE);
    if (this.#store.crowded) return records.map(() => THROTTLED);
    const nowMs = this.#clock.now();
    const outcomes = this.#append(stream, records, nowMs);
    await this.#store.commit();
    this.#arrivals.announce(name);
    return outcomes;
  }

  async read(name: string, shardId: string, position: Position, limit: number): Promise<RecordPage> {
    if (!(limit >= 1 && limit <= MAX_READ_RECORDS))
      throw new Error(`a limit is 1 to ${MAX_READ_RECORDS}, not ${limit}`);
    const stream = this.#known(name);
    const shard = stream.durable && findShard(stream.durable, shardId);
    // Closed and outlived by its records: read to its end.
    if (stream.durable === undefined || shard === undefined) return { records: [], atTip: true };
    const log = stream.log(shard.number);
    const from = Math.max(startOf(log, position), log.firstSince(this.#horizonMs(stream.durable), 0));
    const { records, complete } = log.page(from, limit);
    if (complete && !shard.open) return { records, atTip: true };
    const last = records.at(-1);
    return { records, atTip: complete, next: last === undefined ? position : { after: last.sequence } };
  }

  async awaitRecords(name: string, timeoutMs: number): Promise<void> {
    await this.#arrivals.wait(name, timeoutMs);
  }

  /**
   * Removes what has outlived its retention, and what is left of removed streams; to be called now and then.
   *
   * @param limit the most blocks (what one put brought to one shard) to remove in this call @returns how many it
   *   removed; `limit`: there may be more
   */
  async trim(limit = 10_000): Promise<number> {
    let left = limit;
    for (const stream of this.#registry.all()) {
      if (stream.durable === undefined || left <= 0) continue;
      const horizonMs = this.#horizonMs(stream.durable);
      for (const { number } of stream.durable.shards) left -= stream.log(number).removeBefore(horizonMs, left);
      await this.#forgetSpentShards(stream);
    }
    left -= this.#registry.removeRemains(left);
    await this.#store.commit();
    return limit - left;
  }

  #append(stream: LiveStream, records: readonly PutRecord[], nowMs: number): readonly PutOutcome[] {
    const outcomes: PutOutcome[] = records.map(() => UNAVAILABLE);
    const shares = new Map<number, number[]>();
    records.forEach((record, index) => {
      const { number } = stream.finder.find(record.partitionKey);
      const shardId = shardIdOf(number);
      const refusal = this.#refuse?.(stream.name, shardId, record);
      if (refusal !== undefined) outcomes[index] = { ok: false, shardId, reason: refusal };
      else {
        const share = shares.get(number);
        if (share) share.push(index);
        else shares.set(number, [index]);
      }
    });
    for (const [number, indexes] of shares) {
      const shardId = shardIdOf(number);
      const first = this.#sequences.take(indexes.length);
      indexes.forEach((index, offset) => {
        outcomes[index] = { ok: true, shardId, sequence: String(first + offset) };
      });
      stream.log(number).append(
        first,
        indexes.flatMap((index) => records[index] ?? []),
        nowMs,
      );
    }
    return outcomes;
  }

  /** A closed shard whose records are all gone has nothing to tell any more. */
  async #forgetSpentShards(stream: LiveStream): Promise<void> {
    const { staged, durable } = stream;
    if (durable !== staged) return;
    const shards = durable.shards.filter(
      (shard) => shard.open || stream.log(shard.number).lastArrivedAtMs() !== undefined,
    );
    if (shards.length < durable.shards.length) await this.#registry.change(stream, { ...durable, shards });
  }

  #known(name: string): LiveStream {
    const stream = this.#registry.get(name);
    if (stream === undefined) throw new PortUnavailable(`there is no stream ${name}`);
    return stream;
  }

  #isActive(stream: StreamState): boolean {
    const leftMs = stream.activeAtMs - this.#clock.now();
    // More than creation takes: the clock was set back meanwhile, which must not shut a stream that is in use.
    return leftMs <= 0 || leftMs > this.#creationMs;
  }

  #isSpent(stream: StreamState, log: RecordLog): boolean {
    const lastMs = log.lastArrivedAtMs();
    return lastMs === undefined || lastMs < this.#horizonMs(stream);
  }

  /** What arrived before is not kept any more. */
  #horizonMs(stream: StreamState): number {
    return this.#clock.now() - stream.retentionHours * MS_PER_HOUR;
  }
}

const UNAVAILABLE: PutOutcome = { ok: false, reason: 'unavailable' };
const THROTTLED: PutOutcome = { ok: false, reason: 'throttled' };

function describeShard({ number, range, parents, open }: ShardState): Shard {
  return { shardId: shardIdOf(number), hashRange: toDecimals(range), parents: parents.map(shardIdOf), open };
}

/** The lowest sequence to return. */
function startOf(log: RecordLog, position: Position): number {
  if (position === 'oldest') return 0;
  if ('atMs' in position) return log.firstSince(position.atMs, 0);
  const sequence = Number(position.after);
  if (!Number.isSafeInteger(sequence)) throw new Error(`${JSON.stringify(position.after)} is no sequence`);
  return sequence + 1;
}

function checkLimits(records: readonly PutRecord[]): void {
  if (records.length > MAX_PUT_RECORDS)
    throw new Error(`${records.length} records in one put, at most ${MAX_PUT_RECORDS}`);
  let total = 0;
  for (const { partitionKey, data } of records) {
    if (partitionKey.length < 1 || partitionKey.length > MAX_KEY_CHARACTERS || !partitionKey.isWellFormed()) {
      throw new Error(`a partition key is 1 to ${MAX_KEY_CHARACTERS} characters of Unicode`);
    }
    const bytes = data.length + Buffer.byteLength(partitionKey);
    if (bytes > MAX_RECORD_BYTES) throw new Error(`a record has ${bytes} bytes, at most ${MAX_RECORD_BYTES}`);
    total += bytes;
  }
  if (total > MAX_PUT_BYTES) throw new Error(`a put has ${total} bytes, at most ${MAX_PUT_BYTES}`);
}
