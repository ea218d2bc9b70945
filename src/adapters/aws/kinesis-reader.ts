import {
  GetRecordsCommand,
  type GetRecordsOutput,
  GetShardIteratorCommand,
  type GetShardIteratorInput,
  type KinesisClient,
  type _Record,
} from '@aws-sdk/client-kinesis';
import type { Clock } from '../../ports/environment.js';
import type { Position, RecordPage, StreamRecord } from '../../ports/streams.js';
import { failureOf, isNamed, portError } from './failures.js';
import type { Backoff } from './retry.js';

/** An iterator lives five minutes. */
const ITERATOR_MS = 4 * 60_000;
const MAX_ITERATORS = 4096;
/** Kinesis may answer with nothing though there is more: it is asked on so often within one read. */
const HOPS = 8;

interface Kept {
  readonly iterator: string;
  readonly untilMs: number;
}

/**
 * Reads shards by iterator. Where a page ended an iterator is kept for whoever goes on there: it saves a call for each
 * page, and where a long stretch of a shard is empty it keeps what was skipped. It may be lost at any time.
 */
export class KinesisReader {
  readonly #client: KinesisClient;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  /** By stream, shard and position; the oldest first. */
  readonly #kept = new Map<string, Kept>();

  constructor(client: KinesisClient, clock: Clock, backoff: Backoff) {
    this.#client = client;
    this.#clock = clock;
    this.#backoff = backoff;
  }

  async read(name: string, shardId: string, position: Position, limit: number): Promise<RecordPage> {
    let iterator = this.#take(name, shardId, position);
    const records: StreamRecord[] = [];
    let next: string | undefined;
    let atTip = false;
    let seen: Position = position;
    for (let hop = 0; hop < HOPS && records.length === 0 && !atTip; hop += 1) {
      const page = await this.#page(name, shardId, seen, iterator, limit);
      const found = (page.Records ?? []).map(recordOf);
      const last = found.at(-1);
      if (last) seen = { after: last.sequence };
      records.push(...found.filter((record) => isOwed(record, position)));
      next = page.NextShardIterator;
      // A full page may end exactly at the tip: the next one tells.
      atTip = next === undefined || (page.MillisBehindLatest === 0 && found.length < limit);
      iterator = next;
    }
    if (next === undefined) return { records, atTip: true };
    this.#keep(name, shardId, seen, next);
    return { records, atTip, next: seen };
  }

  /** What is kept of a stream that was removed. */
  forget(name: string): void {
    for (const key of this.#kept.keys()) if (key.startsWith(`${name} `)) this.#kept.delete(key);
  }

  async #page(
    name: string,
    shardId: string,
    position: Position,
    iterator: string | undefined,
    limit: number,
  ): Promise<GetRecordsOutput> {
    let at = iterator;
    let isFresh = false;
    try {
      return await this.#backoff.run(
        async () => {
          if (at === undefined) {
            at = await this.#iterator(name, shardId, position);
            isFresh = true;
          }
          return this.#client.send(new GetRecordsCommand({ ShardIterator: at, Limit: limit }));
        },
        (error) => {
          // One that was kept too long, or of a stream that was removed and made anew.
          const isStale = !isFresh && isNamed(error, 'ExpiredIteratorException', 'InvalidArgumentException');
          if (isStale) at = undefined;
          return isStale || (failureOf(error) !== 'refused' && !isNamed(error, 'ResourceNotFoundException'));
        },
      );
    } catch (error) {
      throw portError(error, `shard ${shardId} of ${name}`);
    }
  }

  async #iterator(name: string, shardId: string, position: Position): Promise<string | undefined> {
    const { ShardIterator } = await this.#client.send(
      new GetShardIteratorCommand({ StreamName: name, ShardId: shardId, ...this.#startOf(position) }),
    );
    return ShardIterator;
  }

  #startOf(
    position: Position,
  ): Pick<GetShardIteratorInput, 'ShardIteratorType' | 'StartingSequenceNumber' | 'Timestamp'> {
    if (position === 'oldest') return { ShardIteratorType: 'TRIM_HORIZON' };
    if ('after' in position) {
      return { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: position.after };
    }
    if (position.atMs <= 0) return { ShardIteratorType: 'TRIM_HORIZON' };
    // Kinesis refuses times to come; what arrives before them is left out here.
    const Timestamp = new Date(Math.min(position.atMs, this.#clock.now()));
    return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp };
  }

  #take(name: string, shardId: string, position: Position): string | undefined {
    const key = keyOf(name, shardId, position);
    const kept = this.#kept.get(key);
    return kept && kept.untilMs > this.#clock.now() ? kept.iterator : undefined;
  }

  #keep(name: string, shardId: string, position: Position, iterator: string): void {
    const key = keyOf(name, shardId, position);
    this.#kept.delete(key);
    this.#kept.set(key, { iterator, untilMs: this.#clock.now() + ITERATOR_MS });
    for (const [oldest] of this.#kept) {
      if (this.#kept.size <= MAX_ITERATORS) break;
      this.#kept.delete(oldest);
    }
  }
}

const keyOf = (name: string, shardId: string, position: Position): string =>
  `${name} ${shardId} ${JSON.stringify(position)}`;

const isOwed = ({ arrivedAtMs }: StreamRecord, position: Position): boolean =>
  typeof position === 'string' || !('atMs' in position) || arrivedAtMs >= position.atMs;

function recordOf(record: _Record): StreamRecord {
  return {
    sequence: record.SequenceNumber ?? '',
    partitionKey: record.PartitionKey ?? '',
    data: record.Data ?? new Uint8Array(),
    arrivedAtMs: record.ApproximateArrivalTimestamp?.getTime() ?? 0,
  };
}
