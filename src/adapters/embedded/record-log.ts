import type { PutRecord, StreamRecord } from '../../ports/streams.js';
import type { KeyRange, OrderedStore } from './ordered-store.js';

/** Of a block: when its records arrived (8) and how many they are (4). */
const HEADER_BYTES = 12;
/** Before each record in it: the lengths of its partition key (2) and data (4). */
const LENGTHS_BYTES = 6;
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

/**
 * The records of one shard in an ordered store: a block for what one put brought, `{prefix}{first sequence}` each. The
 * sequences of a block follow each other. A block costs the store hardly more than a record does.
 */
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
   * Stages records as one block. Arrival times never fall within a shard, even if the clock does: readers start at a
   * time and must find everything that came after it.
   *
   * @param first the sequence of the first record; the others follow on
   */
  append(first: number, records: readonly PutRecord[], nowMs: number): void {
    this.#lastArrivedAtMs ??= this.lastArrivedAtMs() ?? 0;
    const arrivedAtMs = (this.#lastArrivedAtMs = Math.max(nowMs, this.#lastArrivedAtMs));
    this.#store.put(this.#prefix + numberBytes(first), encode(records, arrivedAtMs));
  }

  /** @param from the lowest sequence to return @param limit the most records */
  page(from: number, limit: number): LogPage {
    const records: StreamRecord[] = [];
    let bytes = 0;
    let complete = true;
    this.#store.scan(this.#range(this.#startOfBlock(from)), (key, value) => {
      if (records.length >= limit || bytes > MAX_PAGE_BYTES) complete = false;
      else complete = decode(numberFrom(key, this.#prefix.length), value, from, limit, records);
      bytes += value.length;
      return complete;
    });
    return { records, complete };
  }

  /** Where the block begins that holds a sequence; the sequence itself where none does. */
  #startOfBlock(sequence: number): number {
    const block = this.#probe({ from: this.#prefix, to: this.#prefix + numberBytes(sequence + 1), reverse: true });
    return block !== undefined && block.end > sequence ? block.sequence : sequence;
  }

  /** When the newest durable record arrived, undefined where there is none. */
  lastArrivedAtMs(): number | undefined {
    return this.#probe({ ...this.#range(0), reverse: true })?.arrivedAtMs;
  }

  /** The lowest sequence, `from` or above, such that all records below it arrived before this time. */
  firstSince(atMs: number, from: number): number {
    const first = this.#probe(this.#range(this.#startOfBlock(from)));
    if (first === undefined || first.arrivedAtMs >= atMs) return from;
    const last = this.#probe({ ...this.#range(from), reverse: true }) ?? first;
    // Arrival times do not fall: halve the range until it starts with the first block that is late enough.
    let low = first.end;
    let high = last.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = this.#probe(this.#range(middle));
      if (found === undefined || found.arrivedAtMs >= atMs) high = middle;
      else low = found.end;
    }
    return low;
  }

  /** Stages the removal of blocks that arrived before this time. Answers how many, `limit` at most. */
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

  #probe(range: KeyRange): Block | undefined {
    let found: Block | undefined;
    this.#store.scan(range, (key, value) => {
      const sequence = numberFrom(key, this.#prefix.length);
      found = { sequence, end: sequence + value.readUInt32LE(8), arrivedAtMs: value.readDoubleLE(0) };
      return false;
    });
    return found;
  }

  #range(from: number): KeyRange {
    return { from: this.#prefix + numberBytes(from), to: this.#prefix + numberBytes(HIGHEST) };
  }
}

interface Block {
  readonly sequence: number;
  /** Behind its last record. */
  readonly end: number;
  readonly arrivedAtMs: number;
}

function encode(records: readonly PutRecord[], arrivedAtMs: number): Buffer {
  const keyBytes = records.map(({ partitionKey }) => Buffer.byteLength(partitionKey));
  let size = HEADER_BYTES;
  records.forEach(({ data }, index) => {
    size += LENGTHS_BYTES + (keyBytes[index] ?? 0) + data.length;
  });
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeDoubleLE(arrivedAtMs, 0);
  bytes.writeUInt32LE(records.length, 8);
  let at = HEADER_BYTES;
  records.forEach(({ partitionKey, data }, index) => {
    const keyLength = keyBytes[index] ?? 0;
    bytes.writeUInt16LE(keyLength, at);
    bytes.writeUInt32LE(data.length, at + 2);
    bytes.write(partitionKey, at + LENGTHS_BYTES, 'utf8');
    bytes.set(data, at + LENGTHS_BYTES + keyLength);
    at += LENGTHS_BYTES + keyLength + data.length;
  });
  return bytes;
}

/** Adds a block's records from a sequence on, until there are `limit`. @returns whether it added all of them */
function decode(first: number, bytes: Buffer, from: number, limit: number, into: StreamRecord[]): boolean {
  const arrivedAtMs = bytes.readDoubleLE(0);
  const count = bytes.readUInt32LE(8);
  let at = HEADER_BYTES;
  for (let index = 0; index < count; index += 1) {
    const keyAt = at + LENGTHS_BYTES;
    const dataAt = keyAt + bytes.readUInt16LE(at);
    const end = dataAt + bytes.readUInt32LE(at + 2);
    at = end;
    if (first + index < from) continue;
    if (into.length >= limit) return false;
    into.push({
      sequence: String(first + index),
      partitionKey: bytes.toString('utf8', keyAt, dataAt),
      data: new Uint8Array(bytes.subarray(dataAt, end)),
      arrivedAtMs,
    });
  }
  return true;
}
