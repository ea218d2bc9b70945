import { ModelRefused } from './refused.js';
import { END } from './symbols.js';

/** Distinct successors that a context remembers; the rarest makes room. */
const WIDTH = 8;
/** A context stands in one of so many places after its own. */
const WINDOW = 8;
const FIRST_CAPACITY = 1024;

/**
 * What followed on which context, counted with exponential decay: a hash table on typed arrays that grows up to a bound
 * and then lets the contexts with the least weight go.
 */
export class Successors {
  private contexts = new Uint32Array(FIRST_CAPACITY);
  private totals = new Float32Array(FIRST_CAPACITY);
  private symbols = new Uint16Array(FIRST_CAPACITY * WIDTH);
  private counts = new Float32Array(FIRST_CAPACITY * WIDTH);
  private capacity = FIRST_CAPACITY;
  private readonly maxCapacity: number;

  /** @param maxCapacity the most contexts, a power of two of at least 1024 */
  constructor(maxCapacity: number) {
    this.maxCapacity = maxCapacity;
  }

  /** @returns the context's place, -1 where it was never seen, or forgotten */
  find(context: number): number {
    const mask = this.capacity - 1;
    for (let i = 0; i < WINDOW; i += 1) {
      const place = (context + i) & mask;
      if (this.contexts[place] === context) return place;
    }
    return -1;
  }

  total(place: number): number {
    return this.totals[place]!;
  }

  /**
   * Counts that the symbol followed.
   *
   * @param keep what an older count still weighs after a newer one, 0 to 1
   * @returns what this symbol's count was before, decayed
   */
  add(context: number, symbol: number, keep: number): number {
    let place = this.find(context);
    if (place < 0) place = this.claim(context);
    const from = place * WIDTH;
    let at = -1;
    let rarest = from;
    for (let i = from; i < from + WIDTH; i += 1) {
      this.counts[i] = this.counts[i]! * keep;
      if (this.counts[i]! > 0 && this.symbols[i] === symbol) at = i;
      if (this.counts[i]! < this.counts[rarest]!) rarest = i;
    }
    const before = at < 0 ? 0 : this.counts[at]!;
    if (at < 0) at = rarest;
    this.symbols[at] = symbol;
    this.counts[at] = before + 1;
    this.totals[place] = this.totals[place]! * keep + 1;
    return before;
  }

  /**
   * Takes a distribution for shorter contexts to the one for this context: each count is discounted, and what that frees
   * goes to the shorter contexts.
   *
   * @param discounts of counts up to 1, up to 2, and above @param out changed in place; sums to one before and after
   */
  interpolate(place: number, discounts: readonly [number, number, number], out: Float64Array, size: number): void {
    const from = place * WIDTH;
    const total = this.totals[place]!;
    let kept = 0;
    for (let i = from; i < from + WIDTH; i += 1) {
      if (this.symbols[i]! < size) kept += discounted(this.counts[i]!, discounts);
    }
    const rest = 1 - kept / total;
    for (let s = END; s < size; s += 1) out[s] = out[s]! * rest;
    for (let i = from; i < from + WIDTH; i += 1) {
      const count = this.counts[i]!;
      const symbol = this.symbols[i]!;
      if (count > 0 && symbol < size) out[symbol] = out[symbol]! + discounted(count, discounts) / total;
    }
  }

  /** Only what is in use. */
  save(): SavedSuccessors {
    const used = [...this.contexts.keys()].filter((place) => this.contexts[place] !== 0);
    const wide = used.flatMap((place) => Array.from({ length: WIDTH }, (_, i) => place * WIDTH + i));
    return {
      contexts: Uint32Array.from(used, (place) => this.contexts[place]!),
      totals: Float32Array.from(used, (place) => this.totals[place]!),
      symbols: Uint16Array.from(wide, (at) => this.symbols[at]!),
      counts: Float32Array.from(wide, (at) => this.counts[at]!),
      capacity: this.capacity,
    };
  }

  static load(saved: SavedSuccessors, maxCapacity: number): Successors {
    const { contexts, totals, symbols, counts, capacity } = saved;
    const fits = totals.length === contexts.length && symbols.length === contexts.length * WIDTH;
    if (!fits || counts.length !== symbols.length || !isCapacity(capacity, maxCapacity)) {
      throw new ModelRefused('ModelCorrupt', 'a table does not fit together');
    }
    const loaded = new Successors(maxCapacity);
    loaded.resize(saved.capacity);
    for (const [index, context] of saved.contexts.entries()) loaded.place(saved, index, context);
    return loaded;
  }

  private claim(context: number): number {
    for (;;) {
      const mask = this.capacity - 1;
      let weakest = context & mask;
      for (let i = 0; i < WINDOW; i += 1) {
        const place = (context + i) & mask;
        if (this.contexts[place] === 0) return this.take(place, context);
        if (this.totals[place]! < this.totals[weakest]!) weakest = place;
      }
      if (this.capacity >= this.maxCapacity) return this.take(weakest, context);
      this.grow();
    }
  }

  private take(place: number, context: number): number {
    this.contexts[place] = context;
    this.totals[place] = 0;
    this.counts.fill(0, place * WIDTH, (place + 1) * WIDTH);
    return place;
  }

  private grow(): void {
    const { contexts, totals, symbols, counts } = this;
    this.resize(this.capacity * 2);
    for (const [index, context] of contexts.entries()) {
      if (context !== 0) this.place({ contexts, totals, symbols, counts }, index, context);
    }
  }

  private resize(capacity: number): void {
    this.capacity = capacity;
    this.contexts = new Uint32Array(capacity);
    this.totals = new Float32Array(capacity);
    this.symbols = new Uint16Array(capacity * WIDTH);
    this.counts = new Float32Array(capacity * WIDTH);
  }

  /** Of a window that is full here, what has the least weight is gone: it would have been the next to go. */
  private place(from: Omit<SavedSuccessors, 'capacity'>, index: number, context: number): void {
    const mask = this.capacity - 1;
    let to = context & mask;
    for (let i = 0; i < WINDOW; i += 1) {
      const place = (context + i) & mask;
      if (this.contexts[place] === 0) {
        to = place;
        break;
      }
      if (this.totals[place]! < this.totals[to]!) to = place;
    }
    this.contexts[to] = context;
    this.totals[to] = from.totals[index]!;
    this.symbols.set(from.symbols.subarray(index * WIDTH, (index + 1) * WIDTH), to * WIDTH);
    this.counts.set(from.counts.subarray(index * WIDTH, (index + 1) * WIDTH), to * WIDTH);
  }
}

export interface SavedSuccessors {
  readonly contexts: Uint32Array;
  readonly totals: Float32Array;
  readonly symbols: Uint16Array;
  readonly counts: Float32Array;
  readonly capacity: number;
}

function discounted(count: number, [one, two, more]: readonly [number, number, number]): number {
  const discount = count <= 1 ? one : count <= 2 ? two : more;
  return count > discount ? count - discount : 0;
}

function isCapacity(capacity: number, max: number): boolean {
  return capacity >= FIRST_CAPACITY && capacity <= max && Number.isInteger(Math.log2(capacity));
}
