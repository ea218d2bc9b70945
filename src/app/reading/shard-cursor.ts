import { NEVER, type Timestamp } from '../../core/timestamp.js';
import type { Position, Shard } from '../../ports/streams.js';

/** How far one shard has been read. */
export interface ShardCursor {
  readonly stream: string;
  readonly shardId: string;
  readonly parents: readonly string[];
  /** Undefined: read to its end. */
  position: Position | undefined;
  /** Told to the reader, its children known: these may be read now. */
  isFinished: boolean;
  /** Read up to its newest record, as far as this page is concerned. */
  isAtTip: boolean;
  /** The latest commit timestamp that it showed. */
  front: Timestamp;
  /** Whatever arrived before has been read, or is owed to nobody. Milliseconds since 1970. */
  readUpToMs: number;
}

export function cursorAt(stream: string, shard: Shard, position: Position, readUpToMs: number): ShardCursor {
  const { shardId, parents } = shard;
  return {
    stream,
    shardId,
    parents,
    position,
    isFinished: false,
    isAtTip: false,
    front: NEVER,
    readUpToMs,
  };
}
