import type { Item } from '../table.js';
import { type MinuteLoad, NO_LOAD } from './signals.js';

/** What one process offered a stream within a minute. Changed in place: it is counted on the path of every put. */
export interface LoadShare {
  bytes: number;
  records: number;
  transactions: number;
  /** Records that were refused for load, each time anew. */
  throttled: number;
  /** How old the oldest entry of the backlog was. */
  backlogAgeMs: number;
  /** What each shard took: bytes and records. */
  readonly shards: Map<string, [bytes: number, records: number]>;
}

export const newShare = (): LoadShare => ({
  bytes: 0,
  records: 0,
  transactions: 0,
  throttled: 0,
  backlogAgeMs: 0,
  shards: new Map(),
});

export const encodeShare = ({ shards, ...counts }: LoadShare): Item => ({
  ...counts,
  shards: JSON.stringify([...shards]),
});

function decodeShare(item: Item): LoadShare {
  const number = (name: keyof MinuteLoad): number => Number(item[name] ?? 0);
  return {
    bytes: number('bytes'),
    records: number('records'),
    transactions: number('transactions'),
    throttled: number('throttled'),
    backlogAgeMs: number('backlogAgeMs'),
    shards: new Map(JSON.parse(String(item['shards'] ?? '[]')) as [string, [number, number]][]),
  };
}

/**
 * The load of each minute of a range, from what all processes have counted; a minute of which nothing was counted had
 * none.
 *
 * @param to exclusive
 */
export function minutesOf(
  counted: readonly { readonly minute: number; readonly item: Item }[],
  from: number,
  to: number,
): readonly MinuteLoad[] {
  const byMinute = new Map<number, LoadShare[]>();
  for (const { minute, item } of counted) {
    byMinute.set(minute, [...(byMinute.get(minute) ?? []), decodeShare(item)]);
  }
  return Array.from({ length: Math.max(0, to - from) }, (_, at) => together(byMinute.get(from + at) ?? []));
}

function together(shares: readonly LoadShare[]): MinuteLoad {
  if (shares.length === 0) return NO_LOAD;
  const sum = (of: (share: LoadShare) => number): number => shares.reduce((total, share) => total + of(share), 0);
  const ids = new Set(shares.flatMap(({ shards }) => [...shards.keys()]));
  const busiest = (of: 0 | 1): number =>
    Math.max(0, ...[...ids].map((id) => sum(({ shards }) => shards.get(id)?.[of] ?? 0)));
  return {
    bytes: sum(({ bytes }) => bytes),
    records: sum(({ records }) => records),
    transactions: sum(({ transactions }) => transactions),
    throttled: sum(({ throttled }) => throttled),
    backlogAgeMs: Math.max(...shares.map(({ backlogAgeMs }) => backlogAgeMs)),
    shardBytes: busiest(0),
    shardRecords: busiest(1),
  };
}
