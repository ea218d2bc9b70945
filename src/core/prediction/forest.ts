import type { FeatureSchema } from './features.js';
import { type ForestRows, forestRows } from './forest-features.js';
import { QUANTILES } from './networks.js';
import { ModelRefused } from './refused.js';
import type { Track } from './track.js';

/** In `asks`: nothing is asked, it is a leaf. */
export const LEAF = 0xffff;
/** In `pauses`: no event followed on what this leaf was grown from. */
export const NO_PAUSE = -1;

/**
 * Trees in typed arrays, one after the other. A node asks for one value of a row, and leads to the node `next` for yes
 * (it is equal to `value`, or, of what is measured, at most that) and to the one after it for no.
 */
export interface SavedForest {
  readonly roots: Uint32Array;
  readonly asks: Uint16Array;
  readonly values: Float32Array;
  /** Of a leaf: its number. */
  readonly next: Uint32Array;
  /** Where each leaf's symbols begin; one more than there are leaves. */
  readonly from: Uint32Array;
  readonly symbols: Uint16Array;
  /** Of the events in a leaf, the part that this symbol followed on. */
  readonly shares: Float32Array;
  /** Of each leaf the `QUANTILES` of the pause, milliseconds. */
  readonly pauses: Float32Array;
}

/** Many trees that were each grown on other events and other questions (Breiman 2001): the mean of what they say. */
export class Forest {
  private readonly saved: SavedForest;
  private readonly rows: ForestRows;
  private readonly row: Float32Array;
  private readonly leaves: Uint32Array;
  private readonly medians: Float32Array;
  /** Whose leaves were looked up last: what comes and when are asked one after the other. */
  private asked: { readonly track: Track; readonly length: number } | undefined;

  /** @throws ModelRefused where the parts do not fit together */
  constructor(schema: FeatureSchema, saved: SavedForest) {
    this.saved = saved;
    this.rows = forestRows(schema);
    if (!fits(saved, this.rows.width)) throw new ModelRefused('ModelCorrupt', 'its trees do not fit together');
    this.row = new Float32Array(this.rows.width);
    this.leaves = new Uint32Array(saved.roots.length);
    this.medians = new Float32Array(saved.roots.length);
  }

  /** @param out of these, the first `size` get probabilities */
  predict(track: Track, out: Float64Array, size: number): void {
    const { from, symbols, shares } = this.saved;
    const leaves = this.leavesOf(track);
    const weight = 1 / leaves.length;
    out.fill(0, 0, size);
    for (let tree = 0; tree < leaves.length; tree += 1) {
      const leaf = leaves[tree]!;
      const end = from[leaf + 1]!;
      for (let i = from[leaf]!; i < end; i += 1) {
        const symbol = symbols[i]!;
        if (symbol < size) out[symbol] = out[symbol]! + shares[i]! * weight;
      }
    }
  }

  /** The median of what the trees say, milliseconds; undefined where none has seen a pause. @param quantile the nearest of `QUANTILES` */
  pause(track: Track, quantile: number): number | undefined {
    let nearest = 0;
    for (const [q, each] of QUANTILES.entries()) {
      if (Math.abs(each - quantile) < Math.abs(QUANTILES[nearest]! - quantile)) nearest = q;
    }
    let known = 0;
    for (const leaf of this.leavesOf(track)) {
      const pause = this.saved.pauses[leaf * QUANTILES.length + nearest]!;
      if (pause === NO_PAUSE) continue;
      let at = known;
      for (; at > 0 && this.medians[at - 1]! > pause; at -= 1) this.medians[at] = this.medians[at - 1]!;
      this.medians[at] = pause;
      known += 1;
    }
    return known === 0 ? undefined : this.medians[known >> 1];
  }

  save(): SavedForest {
    return this.saved;
  }

  private leavesOf(track: Track): Uint32Array {
    const { length } = track;
    if (this.asked?.track === track && this.asked.length === length) return this.leaves;
    this.asked = { track, length };
    this.rows.write(track, track.symbols.length - 1, this.row, 0);
    const { row, leaves } = this;
    const { names } = this.rows;
    const { roots, asks, values, next } = this.saved;
    for (let tree = 0; tree < roots.length; tree += 1) {
      let node = roots[tree]!;
      for (let ask = asks[node]!; ask !== LEAF; ask = asks[node]!) {
        const is = row[ask]!;
        const wanted = values[node]!;
        const yes = ask < names ? is === wanted : is <= wanted;
        node = next[node]! + (yes ? 0 : 1);
      }
      leaves[tree] = next[node]!;
    }
    return leaves;
  }
}

/** Each way through it ends at a leaf that is there. */
function fits({ roots, asks, values, next, from, symbols, shares, pauses }: SavedForest, width: number): boolean {
  const leaves = from.length - 1;
  if (roots.length === 0 || leaves < 1 || values.length !== asks.length || next.length !== asks.length) return false;
  if (shares.length !== symbols.length || pauses.length !== leaves * QUANTILES.length) return false;
  const leads = asks.every((ask, node) => {
    const to = next[node]!;
    return ask === LEAF ? to < leaves : ask < width && to > node && to + 1 < asks.length;
  });
  const isRising = from.every((begin, leaf) => begin <= (from[leaf + 1] ?? symbols.length));
  return leads && isRising && roots.every((root) => root < asks.length);
}
