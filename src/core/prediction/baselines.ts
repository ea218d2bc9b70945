import { END } from './symbols.js';

/** What anybody would try first: the most frequent event, by itself or after the last one (a Markov chain of order 1). */
export class Baseline {
  private readonly order: 0 | 1;
  private readonly counts = new Map<number, Map<number, number>>();
  private readonly pauses = new Map<number, number[]>();
  private readonly medians = new Map<number, number>();

  constructor(order: 0 | 1) {
    this.order = order;
  }

  /** @param last the symbol of the last event @param pauseMs until the next, NaN where there is none */
  learn(last: number, symbol: number, pauseMs: number): void {
    const context = this.order === 0 ? 0 : last;
    const row = this.counts.get(context) ?? new Map<number, number>();
    this.counts.set(context, row);
    row.set(symbol, (row.get(symbol) ?? 0) + 1);
    if (symbol === END || !Number.isFinite(pauseMs)) return;
    const pauses = this.pauses.get(context) ?? [];
    this.pauses.set(context, pauses);
    pauses.push(pauseMs);
  }

  /** Add-one smoothing. */
  predict(last: number, size: number): Float64Array {
    const row = this.counts.get(this.order === 0 ? 0 : last);
    const out = new Float64Array(size).fill(1);
    let total = size;
    for (const [symbol, count] of row ?? []) {
      out[symbol] = out[symbol]! + count;
      total += count;
    }
    return out.map((count) => count / total);
  }

  /** The median of those learned before the first question. */
  pause(last: number): number {
    const context = this.order === 0 ? 0 : last;
    const known = this.medians.get(context);
    if (known !== undefined) return known;
    const sorted = Float64Array.from(this.pauses.get(context) ?? []).sort();
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    this.medians.set(context, median);
    return median;
  }
}
