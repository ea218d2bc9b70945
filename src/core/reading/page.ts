/** A page that is being filled, bounded in items and in bytes, with one item at least. */
export class Page<T> {
  readonly items: T[] = [];
  readonly #limit: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #isFull = false;

  constructor(limit: number, maxBytes = Infinity) {
    this.#limit = limit;
    this.#maxBytes = maxBytes;
  }

  /** True once something had to stay behind for lack of room, or would have to. */
  get isFull(): boolean {
    return this.#isFull || this.items.length >= this.#limit;
  }

  /** How many of `count` equal items fit; fewer make the page full. */
  room(count: number, bytesEach: number): number {
    const byBytes = Math.floor((this.#maxBytes - this.#bytes) / Math.max(1, bytesEach));
    const least = this.items.length === 0 ? 1 : 0;
    const fits = Math.min(count, this.#limit - this.items.length, Math.max(least, byBytes));
    if (fits < count) this.#isFull = true;
    return fits;
  }

  /** @param bytes of all of them */
  push(items: readonly T[], bytes: number): void {
    for (const item of items) this.items.push(item);
    this.#bytes += bytes;
  }
}
