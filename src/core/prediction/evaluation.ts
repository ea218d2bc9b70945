import { Baseline } from './baselines.js';
import type { FinishedContext } from './context.js';
import type { Forecaster } from './forecaster.js';
import { argMax } from './numbers.js';
import { type Figures, type ReliabilityBin, Scores } from './scores.js';
import { foreseeSuffix, similarity } from './suffix.js';
import { END } from './symbols.js';
import { Track } from './track.js';

/**
 * - `tax`: as Tax et al. 2017: the first two thirds of the cases, in the order of the file, train; nothing is learned
 *   after that; prefixes of two events and more; the end of a case may be foreseen and is then wrong
 * - `chronological`: the first 80 % of the cases by their beginning train; the others follow in order of time and are
 *   learned from as they end; from the first event on, the end counts as an event
 */
export const SPLITS = ['tax', 'chronological'] as const;
export type Split = (typeof SPLITS)[number];

/** A case needs something before and something after. */
const TAX_SHORTEST_PREFIX = 2;
const CHRONOLOGICAL_PART = 0.8;
/** Suffixes take long: so many are enough, spread over all. */
const MAX_SUFFIXES = 2000;
/** Updates that are timed where nothing is learned otherwise. */
const TIMED_UPDATES = 5000;

export interface Evaluation extends Figures {
  /** Predictions that were judged. */
  readonly predictions: number;
  readonly calibrationError: number;
  /** Share of right ones among the 25 % most certain. */
  readonly precisionTopQuarter: number;
  /** Mean of Damerau–Levenshtein similarity between the foreseen and the true rest of a case, 0 to 1. */
  readonly suffixSimilarity: number;
  /** Medians, microseconds. */
  readonly usPerPrediction: number;
  readonly usPerUpdate: number;
  readonly baselines: { readonly mostFrequent: Figures; readonly markov1: Figures };
  readonly drifts: number;
  readonly reliability: readonly ReliabilityBin[];
  readonly curve: readonly number[];
}

/** Which transactions train, and which are foreseen. */
export function splitOf(
  transactions: readonly FinishedContext[],
  split: Split,
): { readonly train: readonly FinishedContext[]; readonly test: readonly FinishedContext[] } {
  const ordered = split === 'tax' ? transactions : [...transactions].sort((a, b) => a.startedAtMs - b.startedAtMs);
  const part = split === 'tax' ? 2 / 3 : CHRONOLOGICAL_PART;
  const cut = Math.min(Math.max(1, Math.round(ordered.length * part)), Math.max(1, ordered.length - 1));
  return { train: ordered.slice(0, cut), test: ordered.slice(cut) };
}

/**
 * Foresees the events of `test` with a forecaster that was trained on `train`, and judges it and the baselines. Yields
 * the fraction that is done.
 *
 * @param nowMs a clock, only to tell what a prediction costs
 */
export function* evaluate(
  forecaster: Forecaster,
  { train, test }: ReturnType<typeof splitOf>,
  split: Split,
  nowMs: () => number,
): Generator<number, Evaluation> {
  const judge = new Judge(forecaster, nowMs, split);
  judge.teachBaselines(train);
  const steps = split === 'tax' ? casesInOrder(test) : eventsInTime(test);
  let done = 0;
  for (const { transaction, index } of steps) {
    judge.step(transaction, index);
    done += 1;
    if (done % 500 === 0) yield Math.min(1, done / steps.length) * 0.7;
  }
  yield* judge.suffixes(test, 0.7);
  return judge.result(test);
}

interface Step {
  readonly transaction: FinishedContext;
  readonly index: number;
}

function casesInOrder(test: readonly FinishedContext[]): Step[] {
  return test.flatMap((transaction) => transaction.events.map((_, index) => ({ transaction, index })));
}

/** As they happened; what has the same time in the order of the log. */
function eventsInTime(test: readonly FinishedContext[]): Step[] {
  const at = ({ transaction, index }: Step): number => transaction.events[index]?.atMs ?? 0;
  return casesInOrder(test).sort((a, b) => at(a) - at(b));
}

class Judge {
  private readonly forecaster: Forecaster;
  private readonly nowMs: () => number;
  private readonly split: Split;
  private readonly scores = new Scores();
  private readonly baselines = ([0, 1] as const).map((order) => ({
    baseline: new Baseline(order),
    scores: new Scores(),
  }));
  private readonly tracks = new Map<FinishedContext, { track: Track; seen: number }>();
  private readonly predictionMs: number[] = [];
  private readonly updateMs: number[] = [];
  private similar = 0;
  private suffixCount = 0;

  constructor(forecaster: Forecaster, nowMs: () => number, split: Split) {
    this.forecaster = forecaster;
    this.nowMs = nowMs;
    this.split = split;
  }

  teachBaselines(train: readonly FinishedContext[]): void {
    for (const transaction of train) {
      for (const index of transaction.events.keys()) this.teachBaseline(transaction, index);
    }
  }

  /** Event `index` has come: what comes next? */
  step(transaction: FinishedContext, index: number): void {
    const { events } = transaction;
    const open = this.tracks.get(transaction) ?? { track: new Track(transaction.startedAtMs), seen: 0 };
    this.tracks.set(transaction, open);
    this.forecaster.append(open.track, transaction.events[open.seen]!);
    open.seen += 1;
    const last = open.seen === events.length;
    if (this.split === 'chronological') this.foresee(open.track, transaction, index, last);
    else if (!last && open.seen >= TAX_SHORTEST_PREFIX) this.foresee(open.track, transaction, index, false);
    if (!last) return;
    this.tracks.delete(transaction);
    if (this.split === 'chronological') this.learn(transaction);
  }

  *suffixes(test: readonly FinishedContext[], from: number): Generator<number> {
    const shortest = this.split === 'tax' ? TAX_SHORTEST_PREFIX : 1;
    const places = casesInOrder(test).filter(
      ({ transaction, index }) => index + 1 >= shortest && index + 1 < transaction.events.length,
    );
    const every = Math.max(1, Math.ceil(places.length / MAX_SUFFIXES));
    for (let i = 0; i < places.length; i += every) {
      this.judgeSuffix(places[i]!);
      if (this.suffixCount % 50 === 0) yield from + (1 - from) * (i / places.length);
    }
  }

  result(test: readonly FinishedContext[]): Evaluation {
    if (this.updateMs.length === 0) this.timeUpdates(test);
    const [mostFrequent, markov1] = this.baselines.map(({ scores }) => scores.figures());
    return {
      ...this.scores.figures(),
      predictions: this.scores.count,
      calibrationError: this.scores.calibrationError(),
      precisionTopQuarter: this.scores.precisionOfMostCertain(0.25),
      suffixSimilarity: this.similar / Math.max(1, this.suffixCount),
      usPerPrediction: median(this.predictionMs) * 1000,
      usPerUpdate: median(this.updateMs) * 1000,
      baselines: { mostFrequent: mostFrequent!, markov1: markov1! },
      drifts: this.forecaster.sequence.drifts,
      reliability: this.scores.reliability(),
      curve: this.scores.curve(),
    };
  }

  private foresee(track: Track, { events }: FinishedContext, index: number, last: boolean): void {
    const { sequence, symbols } = this.forecaster;
    const { size } = symbols;
    const started = this.nowMs();
    const { probabilities } = sequence.predict(track, size);
    this.predictionMs.push(this.nowMs() - started);
    const next = events[index + 1];
    const truth = last || next === undefined ? END : symbols.find(next);
    const confidence = sequence.calibrated.calibrated(probabilities[argMax(probabilities, size)]!);
    this.scores.judge({ probabilities, size, confidence, truth });
    const pauseMs = next === undefined ? Number.NaN : next.atMs - track.lastAtMs;
    if (truth !== END) this.scores.judgePause(sequence.pause(track) ?? 0, pauseMs);
    for (const { baseline, scores } of this.baselines) {
      const simple = baseline.predict(track.back(1), size);
      scores.judge({ probabilities: simple, size, confidence: simple[argMax(simple, size)]!, truth });
      if (truth !== END) scores.judgePause(baseline.pause(track.back(1)), pauseMs);
    }
  }

  private learn(transaction: FinishedContext): void {
    this.update(transaction);
    for (const index of transaction.events.keys()) this.teachBaseline(transaction, index);
  }

  /** Of kinds and pauses only: payloads are not judged here. */
  private update({ startedAtMs, endedAtMs, events }: FinishedContext): void {
    const track = new Track(startedAtMs);
    for (const event of events) {
      const symbol = this.forecaster.symbols.learn(event);
      this.timeUpdate(track, symbol, event.atMs);
      this.forecaster.append(track, event);
    }
    this.timeUpdate(track, END, endedAtMs);
  }

  /** The prediction that is learned from was made before, and is not timed again. */
  private timeUpdate(track: Track, symbol: number, atMs: number): void {
    const { sequence, symbols } = this.forecaster;
    const { size } = symbols;
    sequence.predict(track, size);
    const started = this.nowMs();
    sequence.learn(track, symbol, atMs, size);
    this.updateMs.push(this.nowMs() - started);
  }

  private teachBaseline({ events }: FinishedContext, index: number): void {
    const { symbols } = this.forecaster;
    const [event, next] = [events[index]!, events[index + 1]];
    const symbol = next === undefined ? END : symbols.find(next);
    for (const { baseline } of this.baselines) {
      baseline.learn(symbols.find(event), symbol, next === undefined ? Number.NaN : next.atMs - event.atMs);
    }
  }

  private judgeSuffix({ transaction, index }: Step): void {
    const { sequence, symbols } = this.forecaster;
    const track = new Track(transaction.startedAtMs);
    for (let i = 0; i <= index; i += 1) this.forecaster.append(track, transaction.events[i]!);
    const truth = transaction.events.slice(index + 1).map((event) => symbols.find(event));
    this.similar += similarity(foreseeSuffix(sequence, track, symbols.size), truth);
    this.suffixCount += 1;
  }

  /** Only the cost is of interest: all figures are taken. */
  private timeUpdates(test: readonly FinishedContext[]): void {
    for (const transaction of test) {
      this.update(transaction);
      if (this.updateMs.length > TIMED_UPDATES) return;
    }
  }
}

function median(values: readonly number[]): number {
  return Float64Array.from(values).sort()[Math.floor(values.length / 2)] ?? 0;
}
