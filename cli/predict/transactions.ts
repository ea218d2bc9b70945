import type { LockstepClient } from '../../src/client/index.js';
import type { EventOut } from '../../src/core/api.js';
import type { FinishedContext, SeenEvent } from '../../src/core/prediction/context.js';
import type { EventLog, LogCase } from '../tour/event-log.js';

/** The stream of all events of a log: a CSV file knows none. */
const LOG_STREAM = 'log';
/** Of a deployment, so many transactions are learned from at most. */
const MAX_TRANSACTIONS = 100_000;

/** The cases of a log as transactions: the activity is the type, the case the key, the other columns the payload. */
export function transactionsOf(log: EventLog, stream = LOG_STREAM): FinishedContext[] {
  const aside = new Set<string>(Object.values(log.columns));
  return log.cases.map((logCase) => transactionOf(logCase, stream, aside));
}

function transactionOf({ id, events }: LogCase, stream: string, aside: ReadonlySet<string>): FinishedContext {
  const seen = events.map(({ activity, time, row }): SeenEvent => {
    const data = Object.fromEntries(Object.entries(row).filter(([column]) => !aside.has(column)));
    return { stream, key: id, type: activity, data, atMs: Date.parse(time) };
  });
  const startedAtMs = seen[0]?.atMs ?? 0;
  return { id, startedAtMs, endedAtMs: seen.at(-1)?.atMs ?? startedAtMs, events: seen };
}

/** What was committed on these streams, from the oldest that is kept to now. */
export async function readCommitted(
  client: Pick<LockstepClient, 'transactionPages'>,
  streams: readonly string[],
  signal: AbortSignal,
  onProgress: (read: number) => void,
): Promise<FinishedContext[]> {
  const read: FinishedContext[] = [];
  for await (const { items } of client.transactionPages({ streams, until: 'caught-up', signal })) {
    for (const { id, events } of items) read.push(committedOf(id, events));
    onProgress(read.length);
    if (read.length >= MAX_TRANSACTIONS) break;
  }
  return read;
}

function committedOf(id: string, events: readonly EventOut[]): FinishedContext {
  const seen = [...events]
    .sort((a, b) => a.number - b.number)
    .map(({ stream, subject, type, time, data, data_base64: dataBase64 }): SeenEvent => ({
      stream,
      key: subject,
      type,
      ...(dataBase64 === undefined ? { data: data ?? null } : { dataBase64 }),
      atMs: Date.parse(time),
    }));
  const startedAtMs = seen[0]?.atMs ?? 0;
  return { id, startedAtMs, endedAtMs: seen.at(-1)?.atMs ?? startedAtMs, events: seen };
}
