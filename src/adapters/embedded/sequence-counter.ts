import type { OrderedStore } from './ordered-store.js';

/** So many numbers are reserved with one write. What a restart leaves of them is skipped. */
const RESERVED = 1_000_000;

/**
 * Numbers that only grow, also over restarts: a reservation becomes durable no later than the first thing that bears
 * one of its numbers, because it is staged before.
 */
export class SequenceCounter {
  readonly #store: OrderedStore;
  readonly #key: string;
  #last: number;
  #reserved: number;

  constructor(store: OrderedStore, key: string) {
    this.#store = store;
    this.#key = key;
    this.#last = this.#reserved = store.get(key)?.readDoubleBE(0) ?? 0;
    // The reservation may have been among what was dropped: make it again.
    store.onDropped(() => (this.#reserved = this.#last));
  }

  /** The next number, a safe integer from 1 on. */
  next(): number {
    return this.take(1);
  }

  /** The first of so many numbers that follow each other. */
  take(count: number): number {
    const first = this.#last + 1;
    this.#last += count;
    if (this.#last > this.#reserved) {
      this.#reserved = this.#last + RESERVED;
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeDoubleBE(this.#reserved);
      this.#store.put(this.#key, bytes);
    }
    return first;
  }
}
