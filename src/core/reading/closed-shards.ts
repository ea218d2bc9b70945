import { NEVER, type Timestamp, latest } from '../timestamp.js';

interface ShardState {
  readonly parents: readonly string[];
  /** The highest closed timestamp that stood in a record of this shard. */
  seen: Timestamp;
  /** The highest one that was known before the shard was read to its tip. */
  granted: Timestamp;
  finished: boolean;
}

/**
 * How far the streams that are read are closed: the lowest of what each of their unfinished shards says.
 *
 * A closed timestamp in a record says that everything at or below it was on the stream before that record was: so this
 * shard has been read past all of its share. Nothing follows for the other shards, which may not have been read so far.
 */
export class ClosedShards {
  readonly #streams = new Map<string, Map<string, ShardState>>();

  constructor(streams: readonly string[]) {
    for (const stream of streams) this.#streams.set(stream, new Map());
  }

  /** A shard is known: from now on nothing is closed without it. A second time it changes nothing. */
  open(stream: string, shardId: string, parents: readonly string[]): void {
    const shards = this.#of(stream);
    if (shards.has(shardId)) return;
    const shard: ShardState = { parents, seen: NEVER, granted: NEVER, finished: false };
    shards.set(shardId, shard);
    inherit(shard, shards);
  }

  /** A closed shard was read to its end. Its children must be known before. */
  finish(stream: string, shardId: string): void {
    const shards = this.#of(stream);
    const shard = shards.get(shardId);
    if (shard === undefined) return;
    shard.finished = true;
    for (const child of shards.values()) if (child.parents.includes(shardId)) inherit(child, shards);
  }

  /** A record of this shard said so. */
  see(stream: string, shardId: string, closed: Timestamp): void {
    const shard = this.#of(stream).get(shardId);
    if (shard !== undefined && closed > shard.seen) shard.seen = closed;
  }

  /**
   * It was known that the stream is closed so far, then which shards it has, and then this one was read to its tip.
   * Children do not inherit it: they may have got their share before the shard was found to have ended.
   */
  grant(stream: string, shardId: string, closed: Timestamp): void {
    const shard = this.#of(stream).get(shardId);
    if (shard !== undefined && closed > shard.granted) shard.granted = closed;
  }

  /** `NEVER` while a stream shows no unfinished shard. */
  closed(): Timestamp {
    let lowest: Timestamp | undefined;
    for (const shards of this.#streams.values()) {
      let unfinished = 0;
      for (const { finished, seen, granted } of shards.values()) {
        if (finished) continue;
        unfinished += 1;
        const closed = seen > granted ? seen : granted;
        if (lowest === undefined || closed < lowest) lowest = closed;
      }
      if (unfinished === 0) return NEVER;
    }
    return lowest ?? NEVER;
  }

  #of(stream: string): Map<string, ShardState> {
    const shards = this.#streams.get(stream);
    if (shards === undefined) throw new Error(`${stream} is not being read`);
    return shards;
  }
}

/**
 * What stood in a parent's record holds for its children too: what was closed by then had been put before, when there
 * were no children yet. So an idle child does not hold the stream back.
 */
function inherit(child: ShardState, shards: ReadonlyMap<string, ShardState>): void {
  if (child.parents.length === 0) return;
  const seen = child.parents.map((parent) => shards.get(parent)?.seen ?? NEVER);
  const lowest = seen.reduce((a, b) => (a < b ? a : b));
  child.seen = latest(child.seen, lowest);
}
