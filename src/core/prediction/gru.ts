import { addProduct, addScaled, sigmoid, softmax } from './kernels.js';

/** How large a network is. */
export interface GruSize {
  /** Rows of the input of which few are 1 and the others 0, such as one per symbol. */
  readonly sparse: number;
  /** Inputs that are numbers. */
  readonly dense: number;
  readonly hidden: number;
  /** Classes that it tells apart. */
  readonly classes: number;
  /** Quantiles of the pause that it estimates. */
  readonly quantiles: number;
}

/** Where each matrix begins among the weights, which lie in one array. */
export interface GruLayout {
  readonly sparse: number;
  readonly dense: number;
  readonly recurrent: number;
  readonly bias: number;
  readonly innerBias: number;
  readonly classes: number;
  readonly classBias: number;
  readonly quantiles: number;
  readonly quantileBias: number;
  readonly total: number;
}

export function layoutOf({ sparse, dense, hidden, classes, quantiles }: GruSize): GruLayout {
  let at = 0;
  const take = (count: number): number => {
    at += count;
    return at - count;
  };
  return {
    sparse: take(sparse * 3 * hidden),
    dense: take(dense * 3 * hidden),
    recurrent: take(hidden * 3 * hidden),
    bias: take(3 * hidden),
    innerBias: take(hidden),
    classes: take(hidden * classes),
    classBias: take(classes),
    quantiles: take(hidden * quantiles),
    quantileBias: take(quantiles),
    total: at,
  };
}

/**
 * A gated recurrent unit (Cho et al. 2014, with the reset gate behind the product) with two heads: what comes next, and
 * when. Gates lie in the order update, reset, candidate.
 */
export class Gru {
  readonly size: GruSize;
  readonly layout: GruLayout;
  readonly weights: Float64Array;
  private readonly gates: Float64Array;
  private readonly inner: Float64Array;

  constructor(size: GruSize, weights: Float64Array) {
    this.size = size;
    this.layout = layoutOf(size);
    this.weights = weights;
    this.gates = new Float64Array(3 * size.hidden);
    this.inner = new Float64Array(3 * size.hidden);
  }

  /** Takes one more event into the state, in place. */
  step(state: Float64Array, sparse: readonly number[], dense: Float64Array): void {
    const { hidden } = this.size;
    const { weights, layout, gates, inner } = this;
    inputOf(this, gates, 0, sparse, dense);
    inner.fill(0);
    for (let j = 0; j < hidden; j += 1) inner[2 * hidden + j] = weights[layout.innerBias + j]!;
    addProduct(inner, 0, state, 0, weights, layout.recurrent, hidden, 3 * hidden);
    for (let j = 0; j < hidden; j += 1) {
      const update = sigmoid(gates[j]! + inner[j]!);
      const reset = sigmoid(gates[hidden + j]! + inner[hidden + j]!);
      const candidate = Math.tanh(gates[2 * hidden + j]! + reset * inner[2 * hidden + j]!);
      state[j] = candidate + update * (state[j]! - candidate);
    }
  }

  /** @param out gets a probability for each class */
  classes(state: Float64Array, out: Float64Array): void {
    const { hidden, classes } = this.size;
    addScaledInto(out, this.weights, this.layout.classBias, classes);
    addProduct(out, 0, state, 0, this.weights, this.layout.classes, hidden, classes);
    softmax(out, 0, classes);
  }

  /** @param out gets the quantiles, in the units that it was trained with */
  quantiles(state: Float64Array, out: Float64Array): void {
    const { hidden, quantiles } = this.size;
    addScaledInto(out, this.weights, this.layout.quantileBias, quantiles);
    addProduct(out, 0, state, 0, this.weights, this.layout.quantiles, hidden, quantiles);
  }
}

/** The input's part of the gates. */
export function inputOf(
  { size, layout, weights }: Pick<Gru, 'size' | 'layout' | 'weights'>,
  gates: Float64Array,
  at: number,
  sparse: readonly number[],
  dense: Float64Array,
): void {
  const width = 3 * size.hidden;
  for (let j = 0; j < width; j += 1) gates[at + j] = weights[layout.bias + j]!;
  for (const row of sparse) addScaled(gates, at, weights, layout.sparse + row * width, 1, width);
  addProduct(gates, at, dense, 0, weights, layout.dense, size.dense, width);
}

function addScaledInto(out: Float64Array, from: Float64Array, at: number, count: number): void {
  for (let j = 0; j < count; j += 1) out[j] = from[at + j]!;
}
