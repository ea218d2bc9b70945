import type { FinishedContext } from './context.js';
import { DENSE, denseOf, type FeatureSchema, attributeReader, sparseOf, toPauseUnits } from './features.js';
import { chooseAttributes } from './attributes.js';
import { type Beginning, Forecaster } from './forecaster.js';
import { type ForestLesson, type ForestSettings, growForest } from './forest-training.js';
import type { Gru } from './gru.js';
import { type Epoch, type Lesson, trainGru, type TrainingSettings } from './gru-training.js';
import { takeApart } from './leaves.js';
import { Networks, QUANTILES, sizeOf } from './networks.js';
import { END, Symbols } from './symbols.js';
import { Track } from './track.js';

/** What training may be told. */
export interface TrainingOptions {
  /** The same transactions, options and seed give the same model. */
  readonly seed: number;
  /** Networks that answer together; 0 for none: then nothing is trained but the experts that count. */
  readonly networks: number;
  /** Units of each network. */
  readonly hidden: number;
  readonly maxEpochs: number;
  /** The last part of the transactions, held back to stop in time and to weigh the experts: 0 to 0.5. */
  readonly validation: number;
}

export const TRAINING: TrainingOptions = { seed: 1, networks: 1, hidden: 32, maxEpochs: 20, validation: 0.15 };

const SETTINGS: Omit<TrainingSettings, 'seed' | 'maxEpochs'> = {
  batch: 16,
  rate: 0.004,
  patience: 8,
  dropout: 0.1,
  weightDecay: 0,
  pauseWeight: 1,
  quantiles: QUANTILES,
};
const FOREST: Omit<ForestSettings, 'seed'> = { trees: 16, sample: 20_000, leaf: 10, depth: 14, tries: 8 };
/** Classes of a network: the more there are, the slower it is. */
const MAX_CLASSES = 256;
/** Fewer transactions teach a network nothing. */
const FEWEST = 40;

/** Where training stands. */
export interface TrainingProgress extends Partial<Epoch> {
  /** 0 to 1 */
  readonly fraction: number;
}

/**
 * Trains a forecaster from committed transactions, in the order given: networks on all but the last part, then the
 * experts that count on all of them, and the weights and the calibration of the mixture on the last part only. Yields
 * where it stands after each epoch, so that its caller can show it and let others work. Deterministic.
 */
export function* trainForecaster(
  transactions: readonly FinishedContext[],
  options: TrainingOptions = TRAINING,
): Generator<TrainingProgress, Forecaster> {
  const cut = transactions.length - Math.floor(transactions.length * options.validation);
  const members =
    transactions.length < FEWEST || options.networks === 0
      ? undefined
      : yield* trainNetworks(transactions, cut, options);
  const forecaster = members === undefined ? new Forecaster() : new Forecaster(members);
  for (const [index, transaction] of transactions.entries()) {
    forecaster.learn(transaction, members === undefined || index >= cut);
    if (index % 200 === 199) yield { fraction: members === undefined ? index / transactions.length : 1 };
  }
  yield { fraction: 1 };
  return forecaster;
}

function* trainNetworks(
  transactions: readonly FinishedContext[],
  cut: number,
  { seed, networks, hidden, maxEpochs }: TrainingOptions,
): Generator<TrainingProgress, Beginning> {
  const symbols = new Symbols();
  for (const { events } of transactions.slice(0, cut)) for (const event of events) symbols.learn(event);
  const classes = Math.min(symbols.size, MAX_CLASSES);
  const schema: FeatureSchema = { classes, attributes: chooseAttributes(transactions.slice(0, cut), symbols) };
  const lessonsOf = (part: readonly FinishedContext[]): Taught[] =>
    part.filter(({ events }) => events.length > 0).map((transaction) => lessonOf(transaction, schema, symbols));
  const lessons = lessonsOf(transactions.slice(0, cut));
  const validation = lessonsOf(transactions.slice(cut));
  const size = sizeOf(schema, hidden);
  const members: Gru[] = [];
  for (let n = 0; n < networks; n += 1) {
    const training = trainGru(size, lessons, validation, {
      ...SETTINGS,
      seed: seed + n,
      maxEpochs,
    });
    let step = training.next();
    for (; step.done !== true; step = training.next()) {
      yield { ...step.value, fraction: (n + step.value.epoch / maxEpochs) / networks };
    }
    members.push(step.value);
  }
  const growing = growForest(schema, lessons, { ...FOREST, seed });
  let tree = growing.next();
  for (; tree.done !== true; tree = growing.next()) yield { fraction: 1 };
  symbols.pin();
  const sequence = { networks: new Networks(schema, hidden, members).save(), forest: tree.value };
  return { symbols: symbols.save(), sequence };
}

/** A transaction as networks are taught, and as trees are. */
type Taught = Lesson & ForestLesson;

function lessonOf({ startedAtMs, events }: FinishedContext, schema: FeatureSchema, symbols: Symbols): Taught {
  const track = new Track(startedAtMs);
  const attributesOf = attributeReader(schema);
  const sparse: number[][] = [];
  const dense: Float64Array[] = [];
  for (const event of events) track.append(symbols.find(event), event.atMs, attributesOf(takeApart(event)));
  for (const index of track.symbols.keys()) {
    const row = new Float64Array(DENSE.length);
    denseOf(track, index, row);
    sparse.push(sparseOf(schema, track, index));
    dense.push(row);
  }
  const following = [...track.symbols.slice(1), END];
  const pausesMs = following.map((symbol, index) => (symbol === END ? Number.NaN : track.gapMs(index + 1)));
  return {
    track,
    sparse,
    dense,
    classes: following.map((symbol) => (symbol < schema.classes ? symbol : 1)),
    pauses: pausesMs.map(toPauseUnits),
    pausesMs,
  };
}
