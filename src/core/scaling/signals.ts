import { KEPT_MINUTES, type Signal } from './rules.js';

/** One shard takes this, every second. */
const SHARD_BYTES_PER_SECOND = 1024 * 1024;
export const SHARD_RECORDS_PER_SECOND = 1000;
export const MINUTE_MS = 60_000;

/** What was offered to one replica within a minute. */
export interface MinuteLoad {
  readonly bytes: number;
  readonly records: number;
  readonly transactions: number;
  /** Records that were refused for load. */
  readonly throttled: number;
  /** How old the oldest entry of the backlog was, milliseconds; 0 where there was none. */
  readonly backlogAgeMs: number;
  /** What the busiest shard took. */
  readonly shardBytes: number;
  readonly shardRecords: number;
}

export const NO_LOAD: MinuteLoad = {
  bytes: 0,
  records: 0,
  transactions: 0,
  throttled: 0,
  backlogAgeMs: 0,
  shardBytes: 0,
  shardRecords: 0,
};

/** How many shards would be full of it: the one number that a forecast is made of. */
export const demandOf = ({ bytes, records }: MinuteLoad): number =>
  Math.max(bytes / SHARD_BYTES_PER_SECOND, records / SHARD_RECORDS_PER_SECOND) / 60;

const SIGNAL_OF: Readonly<Record<Signal, (load: MinuteLoad, shards: number) => number>> = {
  bytesPerSecond: ({ bytes }) => bytes / 60,
  recordsPerSecond: ({ records }) => records / 60,
  transactionsPerSecond: ({ transactions }) => transactions / 60,
  throttledPerSecond: ({ throttled }) => throttled / 60,
  backlogAgeSeconds: ({ backlogAgeMs }) => backlogAgeMs / 1000,
  utilisation: (load, shards) => demandOf(load) / shards,
  shardUtilisation: ({ shardBytes: bytes, shardRecords: records }) => demandOf({ ...NO_LOAD, bytes, records }),
};

export const SIGNALS = Object.keys(SIGNAL_OF) as readonly Signal[];

/** @param shards that the stream has */
export const signalOf = (signal: Signal, load: MinuteLoad, shards: number): number => SIGNAL_OF[signal](load, shards);

/** The highest demand of the minutes that are kept; nothing as long as these are not many. */
export function highestLately(minutes: readonly MinuteLoad[]): number | undefined {
  return minutes.length < KEPT_MINUTES / 2 ? undefined : Math.max(...minutes.map(demandOf));
}
