/** A block is split when it grows beyond this: small enough to shift quickly, large enough that blocks are few. */
const MAX_BLOCK = 512;

/** A set of strings in their order, kept in blocks so that an insertion moves a few hundred entries at most. */
export class SortedKeys {
  readonly #blocks: string[][] = [];

  add(key: string): void {
    const index = Math.min(this.#blockFor(key), this.#blocks.length - 1);
    const block = this.#blocks[index];
    if (block === undefined) {
      this.#blocks.push([key]);
      return;
    }
    const at = lowerBound(block, key);
    if (block[at] === key) return;
    block.splice(at, 0, key);
    if (block.length > MAX_BLOCK) this.#blocks.splice(index + 1, 0, block.splice(MAX_BLOCK / 2));
  }

  delete(key: string): void {
    const index = this.#blockFor(key);
    const block = this.#blocks[index];
    if (block === undefined) return;
    const at = lowerBound(block, key);
    if (block[at] !== key) return;
    block.splice(at, 1);
    if (block.length === 0) this.#blocks.splice(index, 1);
  }

  /** Visits `from ≤ key < to` upwards until `visit` returns false. */
  ascend(from: string, to: string, visit: (key: string) => boolean): void {
    let index = this.#blockFor(from);
    for (let block = this.#blocks[index]; block !== undefined; block = this.#blocks[(index += 1)]) {
      for (let at = lowerBound(block, from); at < block.length; at += 1) {
        const key = block[at];
        if (key === undefined || key >= to || !visit(key)) return;
      }
    }
  }

  /** Visits `from ≤ key < to` downwards until `visit` returns false. */
  descend(from: string, to: string, visit: (key: string) => boolean): void {
    let index = Math.min(this.#blockFor(to), this.#blocks.length - 1);
    for (let block = this.#blocks[index]; block !== undefined; block = this.#blocks[(index -= 1)]) {
      for (let at = lowerBound(block, to) - 1; at >= 0; at -= 1) {
        const key = block[at];
        if (key === undefined || key < from || !visit(key)) return;
      }
    }
  }

  /** The first block whose last key is not below `key`. */
  #blockFor(key: string): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const last = this.#blocks[middle]?.at(-1);
      if (last !== undefined && last < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The position of the first entry that is not below `key`. */
function lowerBound(block: readonly string[], key: string): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = block[middle];
    if (entry !== undefined && entry < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
