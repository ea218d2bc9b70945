import type { PutRecord, StreamRecord } from '../../ports/streams.js';
import type { KeyRange, OrderedStore } from './ordered-store.js';

/** Bytes before the partition key: when it arrived (8) and the key's length (2). */
const HEADER_BYTES = 10;
const MAX_PAGE_BYTES = 10 * 1024 * 1024;
const HIGHEST = Number.MAX_SAFE_INTEGER;

export interface LogPage {
  readonly records: readonly StreamRecord[];
  /** True when nothing stands behind the page. */
  readonly complete: boolean;
}

/** A number as seven bytes, which sort as it does. */
export function numberBytes(value: number): string {
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value >>> 0;
  return String.fromCharCode(
    (high >>> 16) & 255,
    (high >>> 8) & 255,
    high & 255,
    low >>> 24,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
  );
}

function numberFrom(key: string, at: number): number {
  let value = 0;
  for (let i = at; i < at + 7; i += 1) value = value * 256 + key.charCodeAt(i);
  return value;
}

/** The records of one shard in an ordered store: `{prefix}{sequence}` each. */
export class RecordLog {
  readonly #store: OrderedStore;
  readonly #prefix: string;
  /** When the last record arrived that was put through here; undefined: not looked up yet. */
  #lastArrivedAtMs: number | undefined;

  constructor(store: OrderedStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /**
   * Stages a record. Arrival times never fall within a shard, even if the clock does: readers start at a time and must
   * find everything that came after it.
   */
  append(sequence: number, { partitionKey, data }: PutRecord, nowMs: number): void {
    this.#lastArrivedAtMs ??= this.lastArrivedAtMs() ?? 0;
    const arrivedAtMs = (this.#lastArrivedAtMs = Math.max(nowMs, this.#lastArrivedAtMs));
    const keyBytes = Buffer.byteLength(partitionKey);
    const bytes = Buffer.allocUnsafe(HEADER_BYTES + keyBytes + data.length);
    bytes.writeDoubleLE(arrivedAtMs, 0);
    bytes.writeUInt16LE(keyBytes, 8);
    bytes.write(partitionKey, HEADER_BYTES, 'utf8');
    bytes.set(data, HEADER_BYTES + keyBytes);
    this.#store.put(this.#prefix + numberBytes(sequence), bytes);
  }

  /** @param from the lowest sequence to return @param limit the most records */
  page(from: number, limit: number): LogPage {
    const records: StreamRecord[] = [];
    let bytes = 0;
    let complete = true;
    this.#store.scan(this.#range(from), (key, value) => {
      if (records.length >= limit || bytes > MAX_PAGE_BYTES) {
        complete = false;
        return false;
      }
      records.push(decode(numberFrom(key, this.#prefix.length), value));
      bytes += value.length;
      return true;
    });
    return { records, complete };
  }

  /** When the newest durable record arrived, undefined where there is none. */
  lastArrivedAtMs(): number | undefined {
    return this.#probe({ ...this.#range(0), reverse: true })?.arrivedAtMs;
  }

  /** The lowest sequence, `from` or above, such that all records below it arrived before this time. */
  firstSince(atMs: number, from: number): number {
    const first = this.#probe(this.#range(from));
    if (first === undefined || first.arrivedAtMs >= atMs) return from;
    const last = this.#probe({ ...this.#range(from), reverse: true });
    // Arrival times do not fall: halve the range until it starts with the first record that is late enough.
    let low = first.sequence + 1;
    let high = (last ?? first).sequence + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = this.#probe(this.#range(middle));
      if (found === undefined || found.arrivedAtMs >= atMs) high = middle;
      else low = found.sequence + 1;
    }
    return low;
  }

  /** Stages the removal of records that arrived before this time. Answers how many, `limit` at most. */
  removeBefore(horizonMs: number, limit: number): number {
    const keys: string[] = [];
    this.#store.scan(this.#range(0), (key, value) => {
      if (keys.length >= limit || value.readDoubleLE(0) >= horizonMs) return false;
      keys.push(key);
      return true;
    });
    for (const key of keys) this.#store.remove(key);
    return keys.length;
  }

  #probe(range: KeyRange): { readonly sequence: number; readonly arrivedAtMs: number } | undefined {
    let found: { sequence: number; arrivedAtMs: number } | undefined;
    this.#store.scan(range, (key, value) => {
      found = { sequence: numberFrom(key, this.#prefix.length), arrivedAtMs: value.readDoubleLE(0) };
      return false;
    });
    return found;
  }

  #range(from: number): KeyRange {
    return { from: this.#prefix + numberBytes(from), to: this.#prefix + numberBytes(HIGHEST) };
  }
}

function decode(sequence: number, bytes: Buffer): StreamRecord {
  const dataAt = HEADER_BYTES + bytes.readUInt16LE(8);
  return {
    sequence: String(sequence),
    partitionKey: bytes.toString('utf8', HEADER_BYTES, dataAt),
    data: new Uint8Array(bytes.subarray(dataAt)),
    arrivedAtMs: bytes.readDoubleLE(0),
  };
}
