import { Calibration, type SavedCalibration } from './calibration.js';
import { type Chain, pathChain, pauseChain, timeChain } from './chains.js';
import { DriftDetector, type DriftState } from './drift.js';
import { KneserNey, type SavedKneserNey } from './kneser-ney.js';
import { Mixture, type SavedMixture } from './mixture.js';
import { argMax, fold } from './numbers.js';
import { Pauses, type SavedPauses } from './pauses.js';
import { END, MAX_SYMBOLS } from './symbols.js';
import type { Track } from './track.js';

/** What an older count weighs after a newer one in the same context: about the last 1,000 count. */
const KEEP = 0.999;
/** The same after a change, for so many observations: the last 10 count. */
const KEEP_AFTER_DRIFT = 0.9;
const ADAPT_FOR = 500;
const MAX_PAUSE_CONTEXTS = 4096;
const MAX_MIXTURES = 4096;
const SMALLEST = 1e-9;

/** What comes next, as probabilities by symbol. The array is reused: read it before the next call. */
export interface Outlook {
  readonly probabilities: Float64Array;
  /** Only so many of them count. */
  readonly size: number;
}

/**
 * Foresees the kind of the next event of a transaction, or its end, and the time until then: experts that learn as they
 * go, mixed by how well each has foreseen of late.
 */
export class SequenceModel {
  private readonly experts: readonly { readonly chain: Chain; readonly counts: KneserNey }[];
  private readonly mixture: Mixture;
  private readonly calibration: Calibration;
  private readonly drift: DriftDetector;
  private readonly pauses: Pauses;
  private readonly pauseChain = pauseChain();
  private readonly given: readonly Float64Array[];
  private readonly mixed = new Float64Array(MAX_SYMBOLS);
  /** Of the last prediction. */
  private context = 0;
  private adaptFor = 0;

  constructor(saved?: SavedSequence) {
    this.experts = [pathChain(), timeChain()].map((chain, e) => ({ chain, counts: new KneserNey(saved?.counts[e]) }));
    this.given = this.experts.map(() => new Float64Array(MAX_SYMBOLS));
    this.mixture = new Mixture(this.experts.length, MAX_MIXTURES, saved?.mixture);
    this.calibration = new Calibration(saved?.calibration);
    this.drift = new DriftDetector(saved?.drift);
    this.pauses = new Pauses(MAX_PAUSE_CONTEXTS, saved?.pauses);
  }

  /** @param size one more than the highest symbol in use */
  predict(track: Track, size: number): Outlook {
    // An expert is worth what it was worth on tracks of which it had seen as much.
    let context = fold(0, track.back(1));
    for (const [e, { chain, counts }] of this.experts.entries()) {
      context = fold(context, counts.predict(chain(track), this.given[e]!, size));
    }
    this.context = context;
    this.mixture.mix(context, this.given, this.mixed, size);
    return { probabilities: this.mixed, size };
  }

  /** What a probability is worth by experience, and what it is worth at least. */
  get calibrated(): Pick<Calibration, 'calibrated' | 'lower'> {
    return this.calibration;
  }

  /** Milliseconds from the last event to the next; undefined where nothing is known. @param quantile 0 to 1 */
  pause(track: Track, quantile = 0.5): number | undefined {
    return this.pauses.quantile(this.pauseChain(track), quantile);
  }

  /**
   * Learns what followed on a track.
   *
   * @param symbol `END` for nothing more @param atMs when it came @returns what it was foreseen with, 0 to 1
   */
  learn(track: Track, symbol: number, atMs: number, size: number): number {
    const { probabilities } = this.predict(track, size);
    const best = argMax(probabilities, size);
    const probability = probabilities[symbol]!;
    this.calibration.learn(probabilities[best]!, best === symbol);
    if (this.drift.observe(-Math.log(Math.max(probability, SMALLEST)))) {
      this.mixture.reset();
      this.adaptFor = ADAPT_FOR;
    }
    this.mixture.learn(this.context, this.given, symbol);
    const keep = this.adaptFor > 0 ? KEEP_AFTER_DRIFT : KEEP;
    if (this.adaptFor > 0) this.adaptFor -= 1;
    for (const { chain, counts } of this.experts) counts.learn(chain(track), symbol, keep);
    if (symbol !== END && track.length > 0) this.pauses.learn(this.pauseChain(track), atMs - track.lastAtMs);
    return probability;
  }

  /** How often what was seen has changed so much that the experts were weighed anew. */
  get drifts(): number {
    return this.drift.alarms;
  }

  save(): SavedSequence {
    return {
      counts: this.experts.map(({ counts }) => counts.save()),
      mixture: this.mixture.save(),
      calibration: this.calibration.save(),
      drift: this.drift.save(),
      pauses: this.pauses.save(),
    };
  }
}

export interface SavedSequence {
  readonly counts: readonly SavedKneserNey[];
  readonly mixture: SavedMixture;
  readonly calibration: SavedCalibration;
  readonly drift: DriftState;
  readonly pauses: SavedPauses;
}
