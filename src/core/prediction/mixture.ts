/** Part of the weight that is shared out again at each step: what keeps an expert that was wrong for long in play. */
const SHARE = 0.005;
/** How fast weights follow: 1 is Bayes' rule, which soon believes one expert only. */
const RATE = 0.2;
const SMALLEST = 1e-9;
/** Not a context that anybody asks for. */
const EVERYWHERE = -1;

/**
 * Mixes the distributions of several experts with weights of their own for each context (Herbster and Warmuth's fixed
 * share): the weights follow what each expert would have given to what came.
 */
export class Mixture {
  private readonly weights = new Map<number, Float64Array>();
  private readonly experts: number;
  private readonly maxContexts: number;

  /** @param maxContexts beyond them, new ones share one set of weights */
  constructor(experts: number, maxContexts: number, saved: SavedMixture = []) {
    this.experts = experts;
    this.maxContexts = maxContexts;
    for (const [context, weights] of saved) this.weights.set(context, Float64Array.from(weights));
  }

  /** @param out of these, the first `size` get probabilities */
  mix(context: number, given: readonly Float64Array[], out: Float64Array, size: number): void {
    const weights = this.weightsOf(context);
    out.fill(0, 0, size);
    for (let e = 0; e < this.experts; e += 1) {
      const weight = weights[e]!;
      const probabilities = given[e]!;
      for (let s = 0; s < size; s += 1) out[s] = out[s]! + weight * probabilities[s]!;
    }
  }

  /** The symbol that came, where the experts had said this. */
  learn(context: number, given: readonly Float64Array[], symbol: number): void {
    this.follow(this.weightsOf(context), given, symbol);
    this.follow(this.weightsOf(EVERYWHERE), given, symbol);
  }

  /** Forgets which experts were good: something has changed. */
  reset(): void {
    this.weights.clear();
  }

  /** Of the experts in a context, summing to one. One that is new begins with what held everywhere so far. */
  weightsOf(context: number): Float64Array {
    const known = this.weights.get(context);
    if (known !== undefined) return known;
    const everywhere = this.weights.get(EVERYWHERE) ?? new Float64Array(this.experts).fill(1 / this.experts);
    if (this.weights.size >= this.maxContexts) return everywhere;
    const fresh = everywhere.slice();
    this.weights.set(context, fresh);
    return fresh;
  }

  private follow(weights: Float64Array, given: readonly Float64Array[], symbol: number): void {
    let sum = 0;
    for (let e = 0; e < this.experts; e += 1) {
      weights[e] = weights[e]! * Math.max(given[e]![symbol]!, SMALLEST) ** RATE;
      sum += weights[e]!;
    }
    for (let e = 0; e < this.experts; e += 1) weights[e] = ((1 - SHARE) * weights[e]!) / sum + SHARE / this.experts;
  }

  save(): SavedMixture {
    return [...this.weights].map(([context, weights]) => [context, [...weights]]);
  }
}

export type SavedMixture = readonly (readonly [number, readonly number[]])[];
