import { Calibration, type SavedCalibration } from './calibration.js';
import { pathChain, pauseChain, timeChain } from './chains.js';
import { DriftDetector, type DriftState } from './drift.js';
import { Forest, type SavedForest } from './forest.js';
import { KneserNey, type SavedKneserNey } from './kneser-ney.js';
import type { Leaves } from './leaves.js';
import { Mixture, type SavedMixture } from './mixture.js';
import { Networks, type SavedNetworks } from './networks.js';
import { argMax, fold } from './numbers.js';
import { PauseErrors, type SavedPauseErrors } from './pause-errors.js';
import { Pauses, type SavedPauses } from './pauses.js';
import { END, MAX_SYMBOLS } from './symbols.js';
import type { Track } from './track.js';

/** What an older count weighs after a newer one in the same context: about the last 1,000 count. */
const KEEP = 0.999;
/** The same after a change, for so many observations: the last 10 count. */
const KEEP_AFTER_DRIFT = 0.9;
const ADAPT_FOR = 500;
const MAX_PAUSE_CONTEXTS = 2048;
const MAX_MIXTURES = 4096;
const SMALLEST = 1e-9;

/** What comes next, as probabilities by symbol. The array is reused: read it before the next call. */
export interface Outlook {
  readonly probabilities: Float64Array;
  /** Only so many of them count. */
  readonly size: number;
}

/** One voice of the mixture. */
interface Expert {
  readonly name: string;
  predict(track: Track, out: Float64Array, size: number): void;
  learn(track: Track, symbol: number, keep: number): void;
}

/** What an expert says, and what its word weighs in the mixture, 0 to 1. */
export interface Voice {
  readonly name: string;
  readonly weight: number;
  readonly probabilities: Float64Array;
}

/**
 * Foresees the kind of the next event of a transaction, or its end, and the time until then: experts that learn as they
 * go, and networks where some were trained, mixed by how well each has foreseen of late.
 */
export class SequenceModel {
  readonly networks: Networks | undefined;
  private readonly forest: Forest | undefined;
  private readonly counts: readonly KneserNey[];
  private readonly experts: readonly Expert[];
  private readonly mixture: Mixture;
  private readonly calibration: Calibration;
  private readonly drift: DriftDetector;
  private readonly pauses: Pauses;
  private readonly pauseErrors: PauseErrors;
  private readonly pauseChain = pauseChain();
  private readonly given: readonly Float64Array[];
  private readonly mixed = new Float64Array(MAX_SYMBOLS);
  /** Of the last prediction: which weights it was mixed with, for which track when it had how many events. */
  private context = 0;
  private asked: { readonly track: Track; readonly length: number; readonly size: number } | undefined;
  private adaptFor = 0;

  constructor(saved: Partial<SavedSequence> = {}) {
    this.networks = saved.networks ? Networks.load(saved.networks) : undefined;
    this.forest = saved.forest && this.networks ? new Forest(this.networks.schema, saved.forest) : undefined;
    this.counts = [new KneserNey(saved.counts?.[0]), new KneserNey(saved.counts?.[1])];
    this.experts = [
      ...countingExperts(this.counts),
      ...trainedExpert('network', this.networks),
      ...trainedExpert('trees', this.forest),
    ];
    this.given = this.experts.map(() => new Float64Array(MAX_SYMBOLS));
    this.mixture = new Mixture(this.experts.length, MAX_MIXTURES, saved.mixture);
    this.calibration = new Calibration(saved.calibration);
    this.drift = new DriftDetector(saved.drift);
    this.pauses = new Pauses(MAX_PAUSE_CONTEXTS, saved.pauses);
    this.pauseErrors = new PauseErrors(saved.pauseErrors);
  }

  /** @param size one more than the highest symbol in use */
  predict(track: Track, size: number): Outlook {
    this.asked = { track, length: track.length, size };
    for (const [e, expert] of this.experts.entries()) expert.predict(track, this.given[e]!, size);
    this.context = fold(0, track.back(1));
    this.mixture.mix(this.context, this.given, this.mixed, size);
    return { probabilities: this.mixed, size };
  }

  /** The experts behind the last prediction. */
  voices(): Voice[] {
    const weights = this.mixture.weightsOf(this.context);
    return this.experts.map(({ name }, e) => ({ name, weight: weights[e]!, probabilities: this.given[e]! }));
  }

  /** What a probability is worth by experience, and what it is worth at least. */
  get calibrated(): Pick<Calibration, 'calibrated' | 'lower'> {
    return this.calibration;
  }

  /** Milliseconds from the last event to the next; undefined where nothing is known. @param quantile 0 to 1 */
  pause(track: Track, quantile = 0.5): number | undefined {
    const estimates = this.pauseEstimates(track, quantile);
    return estimates.length < 2 ? estimates[0] : this.pauseErrors.choose(track.back(1), estimates);
  }

  /** What a network looks at in a payload. */
  attributesOf(leaves: Leaves | undefined): readonly number[] {
    return this.networks?.attributesOf(leaves) ?? [];
  }

  /**
   * Learns what followed on a track.
   *
   * @param symbol `END` for nothing more @param atMs when it came
   * @param judge false where a network has seen this in its training: how well it does there says nothing
   * @returns what it was foreseen with, 0 to 1
   */
  learn(track: Track, symbol: number, atMs: number, size: number, judge = true): number {
    const probability = judge ? this.judge(track, symbol, size) : 1;
    const keep = this.adaptFor > 0 ? KEEP_AFTER_DRIFT : KEEP;
    if (this.adaptFor > 0) this.adaptFor -= 1;
    for (const expert of this.experts) expert.learn(track, symbol, keep);
    if (symbol !== END && track.length > 0) this.learnPause(track, atMs - track.lastAtMs, judge);
    return probability;
  }

  /** How often what was seen has changed so much that the experts were weighed anew. */
  get drifts(): number {
    return this.drift.alarms;
  }

  save(): SavedSequence {
    return {
      networks: this.networks?.save() ?? null,
      forest: this.forest?.save() ?? null,
      counts: this.counts.map((counts) => counts.save()),
      mixture: this.mixture.save(),
      calibration: this.calibration.save(),
      drift: this.drift.save(),
      pauses: this.pauses.save(),
      pauseErrors: this.pauseErrors.save(),
    };
  }

  private judge(track: Track, symbol: number, size: number): number {
    // Whoever asked just before need not wait for the same answer again.
    const { asked } = this;
    const isFresh = asked?.track === track && asked.length === track.length && asked.size === size;
    const probabilities = isFresh ? this.mixed : this.predict(track, size).probabilities;
    this.asked = undefined;
    const best = argMax(probabilities, size);
    const probability = probabilities[symbol]!;
    this.calibration.learn(probabilities[best]!, best === symbol);
    if (this.drift.observe(-Math.log(Math.max(probability, SMALLEST)))) {
      this.mixture.reset();
      this.adaptFor = ADAPT_FOR;
    }
    this.mixture.learn(this.context, this.given, symbol);
    return probability;
  }

  private learnPause(track: Track, pauseMs: number, judge: boolean): void {
    if (!Number.isFinite(pauseMs)) return;
    const estimates = judge && this.networks !== undefined ? this.pauseEstimates(track, 0.5) : [];
    if (estimates.length > 1) this.pauseErrors.learn(track.back(1), estimates, pauseMs);
    this.pauses.learn(this.pauseChain(track), pauseMs);
  }

  /** From the latest pauses alike, from networks and from trees: whichever are to be had, and what lies between them. */
  private pauseEstimates(track: Track, quantile: number): number[] {
    const found = [
      this.pauses.quantile(this.pauseChain(track), quantile),
      this.networks?.pause(track, quantile),
      this.forest?.pause(track, quantile),
    ].filter((estimate) => estimate !== undefined);
    if (found.length < 2) return found;
    const root = found.reduce((sum, estimate) => sum + Math.sqrt(estimate), 0) / found.length;
    return [...found, root ** 2];
  }
}

function countingExperts([byPath, byTime]: readonly KneserNey[]): Expert[] {
  return [
    { name: 'path', chain: pathChain(), counts: byPath! },
    { name: 'time', chain: timeChain(), counts: byTime! },
  ].map(({ name, chain, counts }) => ({
    name,
    predict: (track, out, size) => {
      counts.predict(chain(track), out, size);
    },
    learn: (track, symbol, keep) => {
      counts.learn(chain(track), symbol, keep);
    },
  }));
}

/** One that is left as it was trained, where there is one. */
function trainedExpert(name: string, model: Pick<Forest, 'predict'> | undefined): Expert[] {
  if (model === undefined) return [];
  const predict: Expert['predict'] = (track, out, size) => {
    model.predict(track, out, size);
  };
  return [{ name, predict, learn: () => undefined }];
}

export interface SavedSequence {
  readonly networks: SavedNetworks | null;
  readonly forest: SavedForest | null;
  readonly counts: readonly SavedKneserNey[];
  readonly mixture: SavedMixture;
  readonly calibration: SavedCalibration;
  readonly drift: DriftState;
  readonly pauses: SavedPauses;
  readonly pauseErrors: SavedPauseErrors;
}
