import { type Predecessor, partName } from '../event.js';
import type { DecodedRecord } from '../record.js';
import type { Timestamp } from '../timestamp.js';
import { Heap } from './heap.js';
import { ReleaseOrder } from './release-order.js';
import { Slice } from './slice.js';

/** A part, as the decoder gives it. */
export type PartRecord = Extract<DecodedRecord, { kind: 'part' }>;

/** The transactions that a reader has met and not delivered, whole or not. */
export class Held {
  readonly order: ReleaseOrder;
  readonly #streams: readonly string[];
  /** By timestamp and id: after an unclean takeover one id may stand under two timestamps. */
  readonly #slices = new Map<string, Slice>();
  /** Timestamps of those that take another decision over, by id. */
  readonly #takenOver = new Map<string, Timestamp>();
  readonly #gathering = new Heap<Slice>((a, b) => a.at < b.at);
  #bytes = 0;

  /** @param isOut whether a predecessor that may or may not be held has been delivered, or will never be */
  constructor(streams: readonly string[], isOut: (predecessor: Predecessor) => boolean) {
    this.#streams = streams;
    this.order = new ReleaseOrder({ isOut, held: (predecessor) => this.find(predecessor) });
  }

  get count(): number {
    return this.#slices.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  find({ at, id }: Predecessor): Slice | undefined {
    return this.#slices.get(keyOf(at, id));
  }

  /** A transaction is met for the first time. */
  open({ transactionId: id, at, takenFrom, partsByStream }: PartRecord): Slice {
    let needed = 0;
    for (const stream of this.#streams) needed += partsByStream[stream] ?? 0;
    const slice = new Slice(id, at, takenFrom, needed);
    this.#slices.set(keyOf(at, id), slice);
    if (takenFrom !== undefined) this.#takenOver.set(id, at);
    if (needed > 1) this.#gathering.push(slice);
    return slice;
  }

  add(slice: Slice, { stream, key, events }: PartRecord, bytes: number): void {
    const part = partName(stream, key);
    if (!slice.add(part, events, bytes)) return;
    this.#bytes += bytes;
    if (events.every(({ out }) => out.version === undefined)) this.order.arrive(slice, part);
    if (slice.isComplete) this.order.complete(slice);
  }

  /** The same transaction under its other timestamps. */
  twinsOf({ id, takenFrom }: Slice): readonly Slice[] {
    const times = [takenFrom, this.#takenOver.get(id)];
    return times.flatMap((at) => (at === undefined ? [] : (this.find({ at, id }) ?? [])));
  }

  /** It is delivered, or will not be. */
  retire(slice: Slice): void {
    const { id, at } = slice;
    this.#slices.delete(keyOf(at, id));
    if (at === this.#takenOver.get(id)) this.#takenOver.delete(id);
    this.#bytes -= slice.bytes;
    this.order.retire(slice);
  }

  /** The earliest that is not whole. */
  earliestTorn(): Slice | undefined {
    for (let first = this.#gathering.peek(); first !== undefined; first = this.#gathering.peek()) {
      if (!first.isGone && !first.isComplete) return first;
      this.#gathering.pop();
    }
    return undefined;
  }

  /**
   * Lets the later half of what is above a timestamp go.
   *
   * @returns the earliest timestamp that is not held any more; undefined: there is no half
   */
  shedAbove(known: Timestamp): Timestamp | undefined {
    const above = [...this.#slices.values()].filter(({ at }) => at > known);
    const times = above.map(({ at }) => at).sort();
    const from = times[times.length >>> 1];
    if (from === undefined || from === times[0]) return undefined;
    for (const slice of above) if (slice.at >= from) this.retire(slice);
    return from;
  }
}

function keyOf(at: Timestamp, id: string): string {
  return `${at}/${id}`;
}
