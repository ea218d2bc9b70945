import { Gru, type GruLayout, type GruSize, inputOf, layoutOf } from './gru.js';
import { addOuter, addProduct, addProductOther, addScaled, sigmoid, softmax } from './kernels.js';
import { seeded } from './seeded.js';

/** One transaction for training: after each event the inputs, and what followed. */
export interface Lesson {
  readonly sparse: readonly (readonly number[])[];
  readonly dense: readonly Float64Array[];
  /** The class that followed. */
  readonly classes: readonly number[];
  /** The pause until then, in the units in which quantiles are to be; NaN where there is none. */
  readonly pauses: readonly number[];
}

export interface TrainingSettings {
  readonly seed: number;
  readonly batch: number;
  readonly rate: number;
  readonly maxEpochs: number;
  /** So many epochs without a better loss on the validation part end it. */
  readonly patience: number;
  /** Part of the state that the heads do not see while it trains, at random. */
  readonly dropout: number;
  readonly weightDecay: number;
  /** What the loss of the pauses weighs beside that of the classes. */
  readonly pauseWeight: number;
  /** Which quantiles of the pause, 0 to 1. */
  readonly quantiles: readonly number[];
}

export interface Epoch {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly validationLoss: number;
  readonly accuracy: number;
  readonly pauseLoss: number;
}

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;
const MAX_NORM = 5;

/** Trains a network epoch by epoch: yields after each, so that its caller can show it and stop. Deterministic by its seed. */
export function* trainGru(
  size: GruSize,
  lessons: readonly Lesson[],
  validation: readonly Lesson[],
  settings: TrainingSettings,
): Generator<Epoch, Gru> {
  const random = seeded(settings.seed);
  const weights = startWeights(size, random);
  const pass = new Pass(size, weights, settings);
  const adam = new Adam(weights, settings);
  let best = weights.slice();
  let bestLoss = Infinity;
  let since = 0;
  for (let epoch = 1; epoch <= settings.maxEpochs && since < settings.patience; epoch += 1) {
    const rate = settings.rate * 0.5 * (1 + Math.cos((Math.PI * (epoch - 1)) / settings.maxEpochs));
    let trainLoss = 0;
    let steps = 0;
    for (const batch of shuffledBatches(lessons, settings.batch, random)) {
      const run = pass.run(batch, random);
      trainLoss += run.loss;
      steps += run.steps;
      adam.step(pass.gradient, run.steps, rate);
    }
    const checked = check(pass, validation, settings.batch);
    const loss = checked.loss + settings.pauseWeight * checked.pauseLoss;
    since += 1;
    if (loss < bestLoss) {
      bestLoss = loss;
      best = weights.slice();
      since = 0;
    }
    yield {
      epoch,
      trainLoss: trainLoss / steps,
      validationLoss: checked.loss,
      accuracy: checked.accuracy,
      pauseLoss: checked.pauseLoss,
    };
  }
  // Weights are kept as single floats: what is loaded again answers exactly as what was trained.
  return new Gru(size, Float64Array.from(Float32Array.from(best)));
}

function check(
  pass: Pass,
  lessons: readonly Lesson[],
  size: number,
): { loss: number; accuracy: number; pauseLoss: number } {
  const sum = { loss: 0, right: 0, steps: 0, pauseLoss: 0, pauses: 0 };
  for (const batch of batchesOf(lessons, size)) {
    const run = pass.run(batch);
    sum.loss += run.loss;
    sum.right += run.right;
    sum.steps += run.steps;
    sum.pauseLoss += run.pauseLoss;
    sum.pauses += run.pauses;
  }
  return {
    loss: sum.loss / Math.max(1, sum.steps),
    accuracy: sum.right / Math.max(1, sum.steps),
    pauseLoss: sum.pauseLoss / Math.max(1, sum.pauses),
  };
}

function startWeights(size: GruSize, random: () => number): Float64Array {
  const layout = layoutOf(size);
  const weights = new Float64Array(layout.total);
  const { hidden } = size;
  const fill = (from: number, count: number, scale: number): void => {
    for (let i = from; i < from + count; i += 1) weights[i] = (2 * random() - 1) * scale;
  };
  fill(layout.sparse, size.sparse * 3 * hidden, 0.3);
  fill(layout.dense, size.dense * 3 * hidden, 0.3);
  fill(layout.recurrent, hidden * 3 * hidden, Math.sqrt(3 / hidden) * 0.6);
  fill(layout.classes, hidden * size.classes, Math.sqrt(3 / hidden));
  fill(layout.quantiles, hidden * size.quantiles, 0.1);
  return weights;
}

function shuffledBatches(lessons: readonly Lesson[], size: number, random: () => number): Lesson[][] {
  const shuffled = [...lessons];
  for (let i = shuffled.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return batchesOf(shuffled, size);
}

function batchesOf(lessons: readonly Lesson[], size: number): Lesson[][] {
  const batches: Lesson[][] = [];
  for (let i = 0; i < lessons.length; i += size) {
    batches.push(lessons.slice(i, i + size).sort((a, b) => b.classes.length - a.classes.length));
  }
  return batches;
}

interface Run {
  readonly loss: number;
  readonly right: number;
  readonly steps: number;
  readonly pauseLoss: number;
  readonly pauses: number;
}

/** Forward and back through a batch, in buffers that are kept. Row `t * batch + b` is event `t` of transaction `b`. */
class Pass {
  readonly gradient: Float64Array;
  readonly size: GruSize;
  readonly layout: GruLayout;
  readonly weights: Float64Array;
  private readonly settings: TrainingSettings;
  private rows = 0;
  /** States before each event, and one row of batches behind the last. */
  private states = new Float64Array(0);
  private gates = new Float64Array(0);
  private inner = new Float64Array(0);
  private seen = new Float64Array(0);
  private kept = new Float64Array(0);
  private out = new Float64Array(0);
  private times = new Float64Array(0);
  private dGates = new Float64Array(0);
  private dInner = new Float64Array(0);
  private readonly dState: Float64Array;
  private readonly dSeen: Float64Array;

  constructor(size: GruSize, weights: Float64Array, settings: TrainingSettings) {
    this.size = size;
    this.layout = layoutOf(size);
    this.weights = weights;
    this.settings = settings;
    this.gradient = new Float64Array(this.layout.total);
    this.dState = new Float64Array(settings.batch * size.hidden);
    this.dSeen = new Float64Array(size.hidden);
  }

  /** @param lessons the longest first @param random for dropout; without it nothing is learned */
  run(lessons: readonly Lesson[], random?: () => number): Run {
    const length = lessons[0]?.classes.length ?? 0;
    this.reserve((length + 1) * this.settings.batch);
    this.states.fill(0, 0, this.settings.batch * this.size.hidden);
    for (let t = 0; t < length; t += 1) this.forward(lessons, t);
    const run = this.heads(lessons, length, random);
    if (random !== undefined) {
      this.dState.fill(0);
      for (let t = length - 1; t >= 0; t -= 1) this.back(lessons, t);
    }
    return run;
  }

  private reserve(rows: number): void {
    if (rows <= this.rows) return;
    const { hidden, classes, quantiles } = this.size;
    this.rows = rows;
    this.states = new Float64Array(rows * hidden);
    this.seen = new Float64Array(rows * hidden);
    this.kept = new Float64Array(rows * hidden);
    this.gates = new Float64Array(rows * 3 * hidden);
    this.inner = new Float64Array(rows * 3 * hidden);
    this.dGates = new Float64Array(rows * 3 * hidden);
    this.dInner = new Float64Array(rows * 3 * hidden);
    this.out = new Float64Array(rows * classes);
    this.times = new Float64Array(rows * quantiles);
  }

  private forward(lessons: readonly Lesson[], t: number): void {
    const { hidden } = this.size;
    const { weights, layout, gates, inner, states } = this;
    const { batch } = this.settings;
    for (let b = 0; b < lessons.length && t < lessons[b]!.classes.length; b += 1) {
      const row = t * batch + b;
      const g = row * 3 * hidden;
      const from = row * hidden;
      const to = (row + batch) * hidden;
      inputOf(this, gates, g, lessons[b]!.sparse[t]!, lessons[b]!.dense[t]!);
      inner.fill(0, g, g + 3 * hidden);
      addScaled(inner, g + 2 * hidden, weights, layout.innerBias, 1, hidden);
      addProduct(inner, g, states, from, weights, layout.recurrent, hidden, 3 * hidden);
      for (let j = 0; j < hidden; j += 1) {
        const update = sigmoid(gates[g + j]! + inner[g + j]!);
        const reset = sigmoid(gates[g + hidden + j]! + inner[g + hidden + j]!);
        const candidate = Math.tanh(gates[g + 2 * hidden + j]! + reset * inner[g + 2 * hidden + j]!);
        gates[g + j] = update;
        gates[g + hidden + j] = reset;
        gates[g + 2 * hidden + j] = candidate;
        states[to + j] = candidate + update * (states[from + j]! - candidate);
      }
    }
  }

  /** Losses, and with `random` their gradients: those of the heads, and in `seen` those of the states. */
  private heads(lessons: readonly Lesson[], length: number, random: (() => number) | undefined): Run {
    const sum = { loss: 0, right: 0, steps: 0, pauseLoss: 0, pauses: 0 };
    if (random !== undefined) this.gradient.fill(0);
    for (let t = 0; t < length; t += 1) {
      for (let b = 0; b < lessons.length && t < lessons[b]!.classes.length; b += 1) {
        const row = t * this.settings.batch + b;
        this.see(row, random);
        this.classHead(row, lessons[b]!.classes[t]!, random !== undefined, sum);
        this.pauseHead(row, lessons[b]!.pauses[t]!, random !== undefined, sum);
        if (random !== undefined) this.unsee(row);
      }
    }
    return sum;
  }

  /** The state as the heads see it: some of it dropped out while training. */
  private see(row: number, random: (() => number) | undefined): void {
    const { hidden } = this.size;
    const from = (row + this.settings.batch) * hidden;
    const keep = 1 - this.settings.dropout;
    for (let j = 0; j < hidden; j += 1) {
      const scale = random === undefined ? 1 : random() < keep ? 1 / keep : 0;
      this.kept[row * hidden + j] = scale;
      this.seen[row * hidden + j] = this.states[from + j]! * scale;
    }
    this.dSeen.fill(0);
  }

  private unsee(row: number): void {
    const { hidden } = this.size;
    for (let j = 0; j < hidden; j += 1) this.seen[row * hidden + j] = this.dSeen[j]! * this.kept[row * hidden + j]!;
  }

  private classHead(
    row: number,
    target: number,
    learn: boolean,
    sum: { loss: number; right: number; steps: number },
  ): void {
    const { hidden, classes } = this.size;
    const { out, seen, weights, layout, gradient } = this;
    const at = row * classes;
    for (let c = 0; c < classes; c += 1) out[at + c] = weights[layout.classBias + c]!;
    addProduct(out, at, seen, row * hidden, weights, layout.classes, hidden, classes);
    softmax(out, at, classes);
    let best = 0;
    for (let c = 1; c < classes; c += 1) if (out[at + c]! > out[at + best]!) best = c;
    sum.loss -= Math.log(Math.max(out[at + target]!, 1e-12));
    sum.right += best === target ? 1 : 0;
    sum.steps += 1;
    if (!learn) return;
    out[at + target] = out[at + target]! - 1;
    addScaled(gradient, layout.classBias, out, at, 1, classes);
    addOuter(gradient, layout.classes, seen, row * hidden, 0, out, at, 0, 1, hidden, classes);
    addProductOther(this.dSeen, 0, out, at, weights, layout.classes, hidden, classes);
  }

  /** Pinball loss: its minimum is the quantile. */
  private pauseHead(row: number, target: number, learn: boolean, sum: { pauseLoss: number; pauses: number }): void {
    if (Number.isNaN(target)) return;
    const { hidden, quantiles } = this.size;
    const { times, seen, weights, layout, gradient, settings } = this;
    const at = row * quantiles;
    for (let q = 0; q < quantiles; q += 1) times[at + q] = weights[layout.quantileBias + q]!;
    addProduct(times, at, seen, row * hidden, weights, layout.quantiles, hidden, quantiles);
    for (let q = 0; q < quantiles; q += 1) {
      const quantile = settings.quantiles[q]!;
      const error = target - times[at + q]!;
      sum.pauseLoss += error > 0 ? quantile * error : (quantile - 1) * error;
      times[at + q] = settings.pauseWeight * (error > 0 ? -quantile : 1 - quantile);
    }
    sum.pauses += 1;
    if (!learn) return;
    addScaled(gradient, layout.quantileBias, times, at, 1, quantiles);
    addOuter(gradient, layout.quantiles, seen, row * hidden, 0, times, at, 0, 1, hidden, quantiles);
    addProductOther(this.dSeen, 0, times, at, weights, layout.quantiles, hidden, quantiles);
  }

  private back(lessons: readonly Lesson[], t: number): void {
    const { hidden, dense } = this.size;
    const { weights, layout, gradient, gates, inner, states, dGates, dInner, dState } = this;
    const { batch } = this.settings;
    let active = 0;
    for (let b = 0; b < lessons.length && t < lessons[b]!.classes.length; b += 1) {
      active += 1;
      const row = t * batch + b;
      const g = row * 3 * hidden;
      const d = b * hidden;
      for (let j = 0; j < hidden; j += 1) {
        const update = gates[g + j]!;
        const reset = gates[g + hidden + j]!;
        const candidate = gates[g + 2 * hidden + j]!;
        const before = states[row * hidden + j]!;
        const dNew = dState[d + j]! + this.seen[row * hidden + j]!;
        const dCandidate = dNew * (1 - update) * (1 - candidate * candidate);
        const dUpdate = dNew * (before - candidate) * update * (1 - update);
        const dReset = dCandidate * inner[g + 2 * hidden + j]! * reset * (1 - reset);
        dGates[g + j] = dUpdate;
        dGates[g + hidden + j] = dReset;
        dGates[g + 2 * hidden + j] = dCandidate;
        dInner[g + j] = dUpdate;
        dInner[g + hidden + j] = dReset;
        dInner[g + 2 * hidden + j] = dCandidate * reset;
        dState[d + j] = dNew * update;
      }
      addProductOther(dState, d, dInner, g, weights, layout.recurrent, hidden, 3 * hidden);
      addScaled(gradient, layout.bias, dGates, g, 1, 3 * hidden);
      addScaled(gradient, layout.innerBias, dInner, g + 2 * hidden, 1, hidden);
      for (const s of lessons[b]!.sparse[t]!) {
        addScaled(gradient, layout.sparse + s * 3 * hidden, dGates, g, 1, 3 * hidden);
      }
      addOuter(gradient, layout.dense, lessons[b]!.dense[t]!, 0, 0, dGates, g, 0, 1, dense, 3 * hidden);
    }
    const row = t * batch;
    addOuter(
      gradient,
      layout.recurrent,
      states,
      row * hidden,
      hidden,
      dInner,
      row * 3 * hidden,
      3 * hidden,
      active,
      hidden,
      3 * hidden,
    );
  }
}

/** Kingma and Ba 2015, with decoupled weight decay and a bound on the gradient's norm. */
class Adam {
  private readonly weights: Float64Array;
  private readonly settings: TrainingSettings;
  private readonly mean: Float64Array;
  private readonly square: Float64Array;
  private steps = 0;

  constructor(weights: Float64Array, settings: TrainingSettings) {
    this.weights = weights;
    this.settings = settings;
    this.mean = new Float64Array(weights.length);
    this.square = new Float64Array(weights.length);
  }

  /** @param gradient a sum over so many `events` */
  step(gradient: Float64Array, events: number, rate: number): void {
    const { weights, mean, square } = this;
    this.steps += 1;
    let norm = 0;
    for (let i = 0; i < gradient.length; i += 1) norm += gradient[i]! * gradient[i]!;
    const scale = Math.min(1, (MAX_NORM * events) / (Math.sqrt(norm) + EPSILON)) / events;
    const first = 1 / (1 - BETA1 ** this.steps);
    const second = 1 / (1 - BETA2 ** this.steps);
    const decay = 1 - rate * this.settings.weightDecay;
    for (let i = 0; i < gradient.length; i += 1) {
      const g = gradient[i]! * scale;
      mean[i] = BETA1 * mean[i]! + (1 - BETA1) * g;
      square[i] = BETA2 * square[i]! + (1 - BETA2) * g * g;
      weights[i] = weights[i]! * decay - (rate * mean[i]! * first) / (Math.sqrt(square[i]! * second) + EPSILON);
    }
  }
}
