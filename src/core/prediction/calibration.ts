import { lowerBound } from './numbers.js';

const BINS = 20;
/** What a prediction still weighs after so many newer ones of its bin is e⁻¹. */
const MEMORY = 2000;
/** Each bin begins as if it had been right as often as it said, so many times. */
const PRIOR = 4;
/** The monotone map is made anew after so many outcomes. */
const REFRESH = 32;

/**
 * How often predictions of each confidence came true, and from that what a confidence is worth: isotonic regression
 * (pool adjacent violators) over bins, with a lower bound. Follows what it sees, slowly.
 */
export class Calibration {
  private readonly hits: Float64Array;
  private readonly trials: Float64Array;
  private readonly said: Float64Array;
  private readonly worth = new Float64Array(BINS);
  private readonly bound = new Float64Array(BINS);
  private since = 0;

  constructor(saved?: SavedCalibration) {
    this.hits = Float64Array.from(saved?.hits ?? new Float64Array(BINS));
    this.trials = Float64Array.from(saved?.trials ?? new Float64Array(BINS));
    this.said = Float64Array.from(saved?.said ?? new Float64Array(BINS));
    this.refresh();
  }

  learn(confidence: number, cameTrue: boolean): void {
    const bin = binOf(confidence);
    const keep = 1 - 1 / MEMORY;
    this.hits[bin] = this.hits[bin]! * keep + (cameTrue ? 1 : 0);
    this.trials[bin] = this.trials[bin]! * keep + 1;
    this.said[bin] = this.said[bin]! * keep + confidence;
    this.since += 1;
    if (this.since >= REFRESH) this.refresh();
  }

  /** The share of predictions of this confidence that come true. */
  calibrated(confidence: number): number {
    return this.between(this.worth, confidence);
  }

  /** What that share is at least, with 95 % confidence. */
  lower(confidence: number): number {
    return this.between(this.bound, confidence);
  }

  save(): SavedCalibration {
    // What is loaded makes its map at once: so that both go on alike, this one does too.
    this.refresh();
    return { hits: [...this.hits], trials: [...this.trials], said: [...this.said] };
  }

  /** Pools neighbouring bins until none is worth more than the next. */
  private refresh(): void {
    this.since = 0;
    const blocks: { hits: number; trials: number; bins: number }[] = [];
    for (let bin = 0; bin < BINS; bin += 1) {
      const trials = this.trials[bin]!;
      const said = trials > 0 ? this.said[bin]! / trials : (bin + 0.5) / BINS;
      let block = { hits: this.hits[bin]! + PRIOR * said, trials: trials + PRIOR, bins: 1 };
      for (
        let last = blocks.at(-1);
        last && last.hits / last.trials > block.hits / block.trials;
        last = blocks.at(-1)
      ) {
        blocks.pop();
        block = { hits: last.hits + block.hits, trials: last.trials + block.trials, bins: last.bins + block.bins };
      }
      blocks.push(block);
    }
    let bin = 0;
    for (const { hits, trials, bins } of blocks) {
      this.worth.fill(hits / trials, bin, bin + bins);
      this.bound.fill(lowerBound(hits, trials), bin, bin + bins);
      bin += bins;
    }
  }

  /** Straight lines between the middles of bins, so that a little more confidence never makes a jump. */
  private between(values: Float64Array, confidence: number): number {
    const at = Math.min(Math.max(confidence * BINS - 0.5, 0), BINS - 1);
    const low = Math.floor(at);
    const high = Math.min(low + 1, BINS - 1);
    return values[low]! + (values[high]! - values[low]!) * (at - low);
  }
}

export interface SavedCalibration {
  readonly hits: readonly number[];
  readonly trials: readonly number[];
  readonly said: readonly number[];
}

function binOf(confidence: number): number {
  return Math.min(Math.max(Math.floor(confidence * BINS), 0), BINS - 1);
}
