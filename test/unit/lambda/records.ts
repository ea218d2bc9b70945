import { encodeHeartbeat, encodeRecords } from '../../../src/core/record.js';
import type { DecidedEntry } from '../../../src/core/entry.js';
import { NEVER, timestamp } from '../../../src/core/timestamp.js';
import type { KinesisBatch } from '../../../src/lambda/index.js';

type Record = KinesisBatch['Records'][number];

export const AT_MS = Date.UTC(2026, 10, 24, 12);

/** A committed transaction as it stands on a stream: a record with all of its events of one key. */
export function part(id: string, data: readonly unknown[], more: Partial<DecidedEntry> = {}): Uint8Array {
  const entry: DecidedEntry = {
    id,
    status: 'committed',
    at: timestamp(1, AT_MS * 1024),
    streams: ['orders'],
    startedAtMs: AT_MS,
    expiresAtMs: AT_MS,
    events: data.map((value, number) => ({
      stream: 'orders',
      key: 'k',
      type: 'order.placed',
      digest: 'd',
      number,
      data: JSON.stringify(value),
    })),
    ...more,
  };
  const [record] = encodeRecords(entry, 'shop', () => NEVER);
  if (!record) throw new Error('no record');
  return record.data;
}

export const heartbeat = (): Uint8Array => encodeHeartbeat('shop', 'orders', 'east', timestamp(1, 1), NEVER);

/** Records in the order of their shard, as Lambda hands them over. */
export const batchOf = (...records: readonly Uint8Array[]): KinesisBatch => ({
  Records: records.map((data, index) => delivered(String(index), data)),
});

export const delivered = (sequenceNumber: string, data: Uint8Array): Record => ({
  kinesis: { sequenceNumber, data: Buffer.from(data).toString('base64') },
});

export const CONTEXT = { getRemainingTimeInMillis: () => 30_000 };
