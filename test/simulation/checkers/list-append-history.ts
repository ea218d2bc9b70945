import { type DecidedEntry, isDecided } from '../../../src/core/entry.js';
import type { Standing } from '../../support/standing.js';
import type { Told } from '../history.js';
import type { ListAppendOperation, ListAppendTransaction } from './list-append.js';

/**
 * The history of versioned keys as list-append transactions: each key is the list of its versioned events, and whoever
 * named expectedVersion n has read its first n elements.
 *
 * @param log home's, at rest: the order of its versions is the order of the lists
 */
export function listAppendHistory(told: Iterable<Told>, log: Standing): readonly ListAppendTransaction[] {
  const lists = listsOf(log);
  const history = [...told].flatMap((one) => transactionOf(one, log.decided(one.id), lists));
  const end = Math.max(0, ...history.map(({ completedAt, invokedAt }) => completedAt ?? invokedAt)) + 1;
  const operations = [...lists].map(([key, values]) => ({ kind: 'read' as const, key, values }));
  // Whoever looks when all is over sees every list whole.
  const last = {
    id: 'at rest',
    process: 'observer',
    invokedAt: end,
    completedAt: end + 1,
    outcome: 'committed' as const,
  };
  return [...history, { ...last, operations }];
}

const valueOf = (id: string, number: number): string => `${id}:${number}`;

function listsOf(log: Standing): ReadonlyMap<string, readonly string[]> {
  const lists = new Map<string, string[]>();
  for (const entry of log.entries.values()) {
    if (!isDecided(entry) || entry.status !== 'committed') continue;
    for (const { stream, key, version, number } of entry.events) {
      if (version === undefined) continue;
      const name = `${stream}/${key}`;
      const list = lists.get(name) ?? [];
      list[version - 1] = valueOf(entry.id, number);
      lists.set(name, list);
    }
  }
  return lists;
}

function transactionOf(
  { id, client, events, invokedAtMs, completedAtMs, committedAt, aborted, refused }: Told,
  entry: DecidedEntry | undefined,
  lists: ReadonlyMap<string, readonly string[]>,
): readonly ListAppendTransaction[] {
  const operations = events.flatMap(({ stream, key, expectedVersion }, number): readonly ListAppendOperation[] => {
    const name = `${stream}/${key}`;
    const isKept = entry?.events[number]?.version !== undefined;
    if (expectedVersion === undefined && !isKept) return [];
    const read = { kind: 'read' as const, key: name, values: (lists.get(name) ?? []).slice(0, expectedVersion ?? 0) };
    return [
      ...(expectedVersion === undefined ? [] : [read]),
      { kind: 'append' as const, key: name, value: valueOf(id, number) },
    ];
  });
  if (operations.length === 0) return [];
  const outcome = committedAt.size > 0 ? 'committed' : aborted || refused ? 'aborted' : 'unknown';
  return [{ id, process: client, invokedAt: invokedAtMs, completedAt: completedAtMs, outcome, operations }];
}
