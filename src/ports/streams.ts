/**
 * What one site's streams must do. The shape is that of Kinesis: shards that own ranges of hashed partition keys, records
 * that cannot be changed, `put` with an outcome per record.
 */

export interface PutRecord {
  /** 1 to 256 characters; its MD5, read as a 128-bit number, picks the shard. */
  readonly partitionKey: string;
  readonly data: Uint8Array;
}

export type PutOutcome =
  | { readonly ok: true; readonly shardId: string; readonly sequence: string }
  | { readonly ok: false; readonly shardId?: string; readonly reason: 'throttled' | 'unavailable' };

/** Decimal numbers from 0 to 2^128 − 1, both inclusive. */
export interface HashRange {
  readonly from: string;
  readonly to: string;
}

export interface Shard {
  readonly shardId: string;
  readonly hashRange: HashRange;
  /** The shards it was split or merged from: to be read to their end before it. */
  readonly parents: readonly string[];
  /** False after a split or merge: it takes no more records. */
  readonly open: boolean;
}

export interface StreamDescription {
  readonly name: string;
  readonly status: 'creating' | 'active';
  /** All that still hold records, parents before children. */
  readonly shards: readonly Shard[];
  readonly retentionHours: number;
  /** A split, merge or the like is under way: another one would be refused. It takes and gives records all the same. */
  readonly changing?: boolean;
}

export interface StreamRecord {
  /** Grows within a shard; compare with `compareSequences`. */
  readonly sequence: string;
  readonly partitionKey: string;
  readonly data: Uint8Array;
  /** When the stream took it, milliseconds since 1970. */
  readonly arrivedAtMs: number;
}

/** Where to read from: the oldest kept, behind a record, or the first record that arrived at or after a time. */
export type Position = 'oldest' | { readonly after: string } | { readonly atMs: number };

export interface RecordPage {
  readonly records: readonly StreamRecord[];
  /** Where to go on; absent when the shard is closed and read to its end. */
  readonly next?: Position;
  /** True when the page reached the newest record of the shard. */
  readonly atTip: boolean;
}

export interface Streams {
  /** Asks for a stream; it is there when `describe` says `active`. The same request again changes nothing. */
  create(name: string, shardCount: number): Promise<void>;
  describe(name: string): Promise<StreamDescription | undefined>;
  remove(name: string): Promise<void>;
  setRetention(name: string, hours: number): Promise<void>;
  /**
   * Asks for so many open shards: at most twice, at least half as many as there are. Kinesis takes ten such changes in 24
   * hours.
   *
   * @throws PortThrottled the stream is being changed, or was too often: nothing was done
   */
  resize(name: string, shardCount: number): Promise<void>;
  /** Splits a shard's hash range in the middle, or merges two neighbours: what a user may do to a stream, and tests do. */
  split(name: string, shardId: string): Promise<void>;
  merge(name: string, shardId: string, neighbourId: string): Promise<void>;

  /**
   * Puts records, each with an outcome of its own; the accepted ones are durable when the promise resolves. The order of
   * two records of one call is not kept.
   *
   * @param records at most 500, 10 MiB together, 1 MiB each
   * @throws PortUnavailable the outcome of all is unknown
   */
  put(name: string, records: readonly PutRecord[]): Promise<readonly PutOutcome[]>;

  /** @param limit at most this many records, 1 to 10,000 */
  read(name: string, shardId: string, position: Position, limit: number): Promise<RecordPage>;

  /** Resolves when the stream took a record after this call, at the latest after `timeoutMs`. A hint, never a promise. */
  awaitRecords(name: string, timeoutMs: number): Promise<void>;
}

/** Sequence numbers are decimals without leading zeros, of any length. */
export function compareSequences(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
