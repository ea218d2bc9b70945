import { type HexRange, covers, divide, halve, hashOf, join } from './hash-ranges.js';

/** What is kept of a stream beside its records. Changed only by making a new one. */
export interface StreamState {
  readonly name: string;
  /** Tells apart streams that had the same name one after the other. */
  readonly number: number;
  /** When it stops being `creating`, milliseconds since 1970. */
  readonly activeAtMs: number;
  readonly retentionHours: number;
  /** In the order in which they were made: parents before children. */
  readonly shards: readonly ShardState[];
  readonly nextShard: number;
}

export interface ShardState {
  readonly number: number;
  readonly range: HexRange;
  readonly parents: readonly number[];
  readonly open: boolean;
}

const MAX_SHARDS = 10_000;

export function newStream(name: string, number: number, shardCount: number, activeAtMs: number): StreamState {
  if (!Number.isInteger(shardCount) || shardCount < 1 || shardCount > MAX_SHARDS) {
    throw new Error(`a stream has 1 to ${MAX_SHARDS} shards, not ${shardCount}`);
  }
  const shards = divide(shardCount).map((range, index) => ({ number: index, range, parents: [], open: true }));
  return { name, number, activeAtMs, retentionHours: 24, shards, nextShard: shardCount };
}

/** @throws Error where the shard is not there, closed, or covers a single hash */
export function splitShard(stream: StreamState, shardId: string): StreamState {
  const parent = openShard(stream, shardId);
  const halves = halve(parent.range);
  if (halves === undefined) throw new Error(`shard ${shardId} covers a single hash: it cannot be split`);
  return reshard(stream, [parent], halves);
}

/** @throws Error where a shard is not there or closed, or the two are no neighbours */
export function mergeShards(stream: StreamState, shardId: string, neighbourId: string): StreamState {
  const parents = [openShard(stream, shardId), openShard(stream, neighbourId)] as const;
  const whole = join(parents[0].range, parents[1].range);
  if (whole === undefined) throw new Error(`shards ${shardId} and ${neighbourId} are no neighbours`);
  return reshard(stream, parents, [whole]);
}

/** Splits the widest shards, or merges the narrowest neighbours. @throws Error beyond twice or half as many */
export function resizeShards(stream: StreamState, shardCount: number): StreamState {
  const before = openShards(stream).length;
  if (!Number.isInteger(shardCount) || shardCount > Math.min(MAX_SHARDS, 2 * before) || 2 * shardCount < before) {
    throw new Error(`stream ${stream.name} has ${before} shards: it cannot have ${shardCount} in one step`);
  }
  let resized = stream;
  for (let count = before; count < shardCount; count += 1) {
    const widest = openShards(resized).reduce((wide, shard) => (widthOf(shard) > widthOf(wide) ? shard : wide));
    resized = splitShard(resized, shardIdOf(widest.number));
  }
  for (let count = before; count > shardCount; count -= 1) {
    const open = openShards(resized);
    const pairs = open.slice(1).map((right, index) => [open[index] ?? right, right] as const);
    const [left, right] = pairs.reduce((narrow, pair) => (widthOf(...pair) < widthOf(...narrow) ? pair : narrow));
    resized = mergeShards(resized, shardIdOf(left.number), shardIdOf(right.number));
  }
  return resized;
}

/** In the order of their ranges. */
const openShards = ({ shards }: StreamState): readonly ShardState[] =>
  shards.filter(({ open }) => open).sort((a, b) => (a.range.from < b.range.from ? -1 : 1));

const widthOf = (first: ShardState, last = first): bigint =>
  BigInt(`0x${last.range.to}`) - BigInt(`0x${first.range.from}`);

function openShard(stream: StreamState, shardId: string): ShardState {
  const shard = findShard(stream, shardId);
  if (shard?.open !== true) throw new Error(`stream ${stream.name} has no open shard ${shardId}`);
  return shard;
}

function reshard(stream: StreamState, parents: readonly ShardState[], ranges: readonly HexRange[]): StreamState {
  const kept = stream.shards.map((shard) => (parents.includes(shard) ? { ...shard, open: false } : shard));
  const made = ranges.map((range, index) => ({
    number: stream.nextShard + index,
    range,
    parents: parents.map((parent) => parent.number),
    open: true,
  }));
  return { ...stream, shards: [...kept, ...made], nextShard: stream.nextShard + made.length };
}

export function findShard(stream: StreamState, shardId: string): ShardState | undefined {
  return stream.shards.find(({ number }) => shardIdOf(number) === shardId);
}

export function shardIdOf(number: number): string {
  return `shardId-${String(number).padStart(12, '0')}`;
}

/** Partition keys whose shard is remembered, per stream. */
const MAX_REMEMBERED = 65_536;

/** Finds the open shard for a partition key, and remembers it: MD5 costs more than the put itself. */
export class ShardFinder {
  readonly #open: readonly ShardState[];
  readonly #remembered = new Map<string, ShardState>();

  constructor(shards: readonly ShardState[]) {
    this.#open = shards.filter((shard) => shard.open).sort((a, b) => (a.range.from < b.range.from ? -1 : 1));
  }

  find(partitionKey: string): ShardState {
    const remembered = this.#remembered.get(partitionKey);
    if (remembered !== undefined) return remembered;
    const shard = this.#search(hashOf(partitionKey));
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(partitionKey, shard);
    return shard;
  }

  #search(hashed: string): ShardState {
    let low = 0;
    let high = this.#open.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const shard = this.#open[middle];
      if (shard !== undefined && shard.range.from <= hashed) low = middle;
      else high = middle - 1;
    }
    const shard = this.#open[low];
    if (shard === undefined || !covers(shard.range, hashed)) throw new Error('the open shards leave a gap');
    return shard;
  }
}
