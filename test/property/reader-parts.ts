import type { EventOut } from '../../src/core/api.js';
import type { Predecessor } from '../../src/core/event.js';
import type { PartRecord } from '../../src/core/reading/held.js';
import { NEVER, type Timestamp, msOf, toIso } from '../../src/core/timestamp.js';

/** What the transactions of the model world are made of. */

export const STREAMS = ['a', 'b'] as const;
/** Those with a v are versioned. */
const KEYS = ['k0', 'k1', 'k2', 'v0', 'v1'];

export interface Transaction {
  readonly id: string;
  readonly at: Timestamp;
  readonly takenFrom?: Timestamp;
  readonly parts: readonly PartRecord[];
}

/** One to four different (stream, key)s. */
export function places(shape: number): { stream: string; key: string }[] {
  const found = new Map<string, { stream: string; key: string }>();
  for (let rest = shape + 1; rest > 0 && found.size < 4; rest = Math.floor(rest / 10)) {
    const stream = STREAMS[rest % 2]!;
    const key = KEYS[Math.floor(rest / 2) % KEYS.length]!;
    found.set(`${stream}/${key}`, { stream, key });
  }
  return [...found.values()];
}

export function lastOf(
  log: Iterable<Transaction>,
  stream: string,
  key: string,
): (Predecessor & { version: number }) | undefined {
  let last: (Predecessor & { version: number }) | undefined;
  for (const { id, at, parts } of log)
    for (const part of parts)
      if (part.stream === stream && part.key === key) {
        const version = part.events.at(-1)!.out.version!;
        if (version > (last?.version ?? 0)) last = { id, at, version };
      }
  return last;
}

interface Shared {
  readonly id: string;
  readonly at: Timestamp;
  readonly partsByStream: Record<string, number>;
  readonly parts: number;
  readonly eventCount: number;
}

export function partOf(
  { id, at, partsByStream, parts, eventCount }: Shared,
  stream: string,
  key: string,
  numbers: readonly number[],
  last: (Predecessor & { version: number }) | undefined,
  takenFrom: Timestamp | undefined,
): PartRecord {
  const isVersioned = key.startsWith('v');
  const events = numbers.map((number, index) => {
    const out: EventOut = {
      specversion: '1.0',
      id: `${id}:${number}`,
      source: 'world',
      type: 'test',
      subject: key,
      time: toIso(msOf(at)),
      data: number,
      stream,
      transactionid: id,
      number,
      parts,
      committedat: toIso(msOf(at)),
      clock: at,
      ...(isVersioned ? { version: (last?.version ?? 0) + index + 1 } : {}),
    };
    const before = index > 0 ? { id, at } : last && { id: last.id, at: last.at };
    return { out, ...(isVersioned && before ? { after: before } : {}) };
  });
  return {
    kind: 'part',
    stream,
    key,
    transactionId: id,
    at,
    ...(takenFrom === undefined ? {} : { takenFrom }),
    partsByStream,
    eventCount,
    events,
    closed: NEVER,
  };
}
