/** Of each context so many pauses are remembered, the latest. */
const KEPT = 512;
const FIRST_CAPACITY = 16;
/** Fewer than this say little: a shorter context is asked. */
const ENOUGH = 30;

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
      add(this.recent(context), Math.fround(Math.max(0, pauseMs)));
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
      Array.from({ length: count }, (_, i) => values[(next - count + i + values.length) % values.length]!),
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
  /** A ring: the oldest gives its place to the latest. */
  values: Float32Array;
  /** The same values in order, kept so: a quantile is then a place. */
  sorted: Float32Array;
  next: number;
  count: number;
}

function recentOf(values: readonly number[]): Recent {
  const recent: Recent = {
    values: new Float32Array(FIRST_CAPACITY),
    sorted: new Float32Array(FIRST_CAPACITY),
    next: 0,
    count: 0,
  };
  for (const value of values) add(recent, value);
  return recent;
}

function add(recent: Recent, value: number): void {
  if (recent.count === recent.values.length && recent.count < KEPT) grow(recent);
  const { values, sorted, next } = recent;
  if (recent.count === values.length) {
    const out = placeIn(sorted, recent.count, values[next]!);
    sorted.copyWithin(out, out + 1, recent.count);
    recent.count -= 1;
  }
  const into = placeIn(sorted, recent.count, value);
  sorted.copyWithin(into + 1, into, recent.count);
  sorted[into] = value;
  values[next] = value;
  recent.next = (next + 1) % values.length;
  recent.count += 1;
}

/** Called when the ring is full. */
function grow(recent: Recent): void {
  const { values, sorted, count } = recent;
  recent.values = new Float32Array(count * 2);
  recent.values.set([...values.subarray(recent.next), ...values.subarray(0, recent.next)]);
  recent.sorted = new Float32Array(count * 2);
  recent.sorted.set(sorted);
  recent.next = count;
}

/** The first place whose value is not smaller. */
function placeIn(sorted: Float32Array, count: number, value: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function quantileOf({ sorted, count }: Recent, quantile: number): number {
  const at = quantile * (count - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
}
