import { type SavedSuccessors, Successors } from './successors.js';
import { MAX_SYMBOLS } from './symbols.js';

const MAX_CONTEXTS = 65_536;
/** Levels are counted apart up to here. */
const STEPS = 4;

/**
 * Interpolated, modified Kneser–Ney smoothing (Chen and Goodman 1999) over a chain of contexts, from the shortest to the
 * longest, which learns as it goes: a count in a longer context reaches the next shorter one only the first time, so that
 * shorter contexts count in how many longer ones a symbol was seen, as the method wants it.
 */
export class KneserNey {
  private readonly table: Successors;
  private readonly unigrams: Float64Array;
  /** How many counts have ever reached 1, 2, 3 and 4: what the discounts are estimated from. */
  private readonly reached: Float64Array;
  private unigramTotal = 0;
  private known: [number, number, number] | undefined;

  constructor(saved?: SavedKneserNey) {
    this.table = saved ? Successors.load(saved.table, MAX_CONTEXTS) : new Successors(MAX_CONTEXTS);
    this.unigrams = new Float64Array(MAX_SYMBOLS);
    this.reached = new Float64Array(STEPS + 1);
    if (saved === undefined) return;
    this.unigrams.set(saved.unigrams);
    this.reached.set(saved.reached);
    this.unigramTotal = this.unigrams.reduce((sum, count) => sum + count, 0);
  }

  /** @param chain hashes of contexts, the shortest first @param out of these, the first `size` get probabilities */
  predict(chain: Uint32Array, out: Float64Array, size: number): void {
    const uniform = 1 / size;
    for (let s = 0; s < size; s += 1) out[s] = (this.unigrams[s]! + uniform) / (this.unigramTotal + 1);
    const discounts = (this.known ??= this.discounts());
    for (const context of chain) {
      const place = this.table.find(context);
      if (place >= 0) this.table.interpolate(place, discounts, out, size);
    }
    normalise(out, size);
  }

  /** @param keep what an older count weighs after a newer one in the same context, 0 to 1 */
  learn(chain: Uint32Array, symbol: number, keep: number): void {
    this.known = undefined;
    for (let level = chain.length - 1; level >= 0; level -= 1) {
      const before = this.table.add(chain[level]!, symbol, keep);
      for (let step = 1; step <= STEPS; step += 1) {
        if (before < step && before + 1 >= step) this.reached[step] = this.reached[step]! + 1;
      }
      if (before > 0.5) return;
    }
    this.unigrams[symbol] = this.unigrams[symbol]! + 1;
    this.unigramTotal += 1;
  }

  save(): SavedKneserNey {
    return { table: this.table.save(), unigrams: this.unigrams.slice(), reached: this.reached.slice() };
  }

  private discounts(): [number, number, number] {
    const [, r1 = 0, r2 = 0, r3 = 0, r4 = 0] = this.reached;
    const n1 = r1 - r2 + 1;
    const n2 = r2 - r3 + 1;
    const y = n1 / (n1 + 2 * n2);
    return [1 - (2 * y * n2) / n1, 2 - (3 * y * (r3 - r4 + 1)) / n2, 3 - (4 * y * (r4 + 1)) / (r3 - r4 + 1)].map(
      (discount, index) => Math.min(Math.max(discount, 0.1), 0.9 * (index + 1)),
    ) as [number, number, number];
  }
}

export interface SavedKneserNey {
  readonly table: SavedSuccessors;
  readonly unigrams: Float64Array;
  readonly reached: Float64Array;
}

/** Rounding, and symbols that have gone, leave a sum a little off one. */
function normalise(out: Float64Array, size: number): void {
  let sum = 0;
  for (let s = 0; s < size; s += 1) sum += out[s]!;
  for (let s = 0; s < size; s += 1) out[s] = out[s]! / sum;
}
