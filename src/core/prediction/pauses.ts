/** Of each context so many pauses are remembered, the latest. */
const KEPT = 128;
/** Fewer than this say little: a shorter context is asked. */
const ENOUGH = 12;

/**
 * How long it takes until the next event, as quantiles of the latest pauses in the same context. A context with few of
 * its own leaves the answer to a shorter one.
 */
export class Pauses {
  private readonly contexts: Map<number, Recent>;
  private readonly maxContexts: number;

  constructor(maxContexts: number, saved: SavedPauses = []) {
    this.maxContexts = maxContexts;
    this.contexts = new Map(saved.map(([context, values]) => [context, recentOf(values)]));
  }

  /** @param chain the shortest context first @param pauseMs below 0 counts as 0 */
  learn(chain: Uint32Array, pauseMs: number): void {
    if (!Number.isFinite(pauseMs)) return;
    for (const context of chain) {
      const recent = this.recent(context);
      recent.values[recent.next] = Math.max(0, pauseMs);
      recent.next = (recent.next + 1) % KEPT;
      recent.count = Math.min(recent.count + 1, KEPT);
      recent.sorted = undefined;
    }
  }

  /** Milliseconds; undefined where nothing like this was ever seen. @param quantile 0 to 1 */
  quantile(chain: Uint32Array, quantile: number): number | undefined {
    for (let level = chain.length - 1; level >= 0; level -= 1) {
      const recent = this.contexts.get(chain[level]!);
      if (recent !== undefined && recent.count >= (level === 0 ? 1 : ENOUGH)) return quantileOf(recent, quantile);
    }
    return undefined;
  }

  save(): SavedPauses {
    return [...this.contexts].map(([context, { values, next, count }]) => [
      context,
      // From the oldest to the latest.
      Array.from({ length: count }, (_, i) => values[(next - count + i + KEPT) % KEPT]!),
    ]);
  }

  /** A context that was used comes last: the first is the one to forget. */
  private recent(context: number): Recent {
    const known = this.contexts.get(context);
    if (known !== undefined) {
      this.contexts.delete(context);
      this.contexts.set(context, known);
      return known;
    }
    if (this.contexts.size >= this.maxContexts) {
      const [oldest] = this.contexts.keys();
      if (oldest !== undefined) this.contexts.delete(oldest);
    }
    const fresh = recentOf([]);
    this.contexts.set(context, fresh);
    return fresh;
  }
}

export type SavedPauses = readonly (readonly [number, readonly number[]])[];

interface Recent {
  values: Float32Array;
  next: number;
  count: number;
  sorted: Float32Array | undefined;
}

function recentOf(values: readonly number[]): Recent {
  const kept = values.slice(-KEPT);
  const array = new Float32Array(KEPT);
  array.set(kept);
  return { values: array, next: kept.length % KEPT, count: kept.length, sorted: undefined };
}

function quantileOf(recent: Recent, quantile: number): number {
  recent.sorted ??= recent.values.slice(0, recent.count).sort();
  const at = quantile * (recent.count - 1);
  const low = recent.sorted[Math.floor(at)]!;
  return low + (recent.sorted[Math.ceil(at)]! - low) * (at % 1);
}
