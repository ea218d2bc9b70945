import { DAY_MS } from './calendar.js';
import { argMax } from './numbers.js';

const BINS = 10;
const SMALLEST = 1e-9;
/** Places on the curve of the accuracy over time. */
const WINDOWS = 40;

/** How good predictions of kinds and pauses were. */
export interface Figures {
  /** Share of events whose kind was foreseen. */
  readonly accuracy: number;
  /** Share whose kind was among the three most probable. */
  readonly top3: number;
  /** Nats per event. */
  readonly logLoss: number;
  /** Mean absolute error of the time to the next event, days. */
  readonly maeDays: number;
}

export interface ReliabilityBin {
  /** Mean of what was said. */
  readonly confidence: number;
  /** Share that came true. */
  readonly accuracy: number;
  readonly count: number;
}

export interface Judged {
  readonly probabilities: Float64Array;
  readonly size: number;
  /** What the highest probability is worth, 0 to 1. */
  readonly confidence: number;
  readonly truth: number;
}

/** Gathers predictions and what came, and gives the figures. */
export class Scores {
  private readonly confidences: number[] = [];
  /** What the most certain are chosen by: finer than the confidence, which has steps. */
  private readonly ranks: number[] = [];
  private readonly hits: boolean[] = [];
  private topThree = 0;
  private logLoss = 0;
  private pauseErrorMs = 0;
  private pauses = 0;

  judge({ probabilities, size, confidence, truth }: Judged): void {
    const best = argMax(probabilities, size);
    const probability = probabilities[truth] ?? 0;
    let higher = 0;
    for (let s = 0; s < size; s += 1) if (probabilities[s]! > probability) higher += 1;
    this.confidences.push(confidence);
    this.ranks.push(probabilities[best]!);
    this.hits.push(best === truth);
    this.topThree += higher < 3 ? 1 : 0;
    this.logLoss -= Math.log(Math.max(probability, SMALLEST));
  }

  judgePause(foreseenMs: number, pauseMs: number): void {
    this.pauseErrorMs += Math.abs(foreseenMs - pauseMs);
    this.pauses += 1;
  }

  get count(): number {
    return this.hits.length;
  }

  figures(): Figures {
    const count = Math.max(1, this.count);
    return {
      accuracy: this.hits.filter(Boolean).length / count,
      top3: this.topThree / count,
      logLoss: this.logLoss / count,
      maeDays: this.pauseErrorMs / Math.max(1, this.pauses) / DAY_MS,
    };
  }

  /** Of bins of equal width, those that are not empty. */
  reliability(): ReliabilityBin[] {
    const bins = Array.from({ length: BINS }, () => ({ confidence: 0, hits: 0, count: 0 }));
    for (const [index, confidence] of this.confidences.entries()) {
      const bin = bins[Math.min(BINS - 1, Math.floor(confidence * BINS))]!;
      bin.confidence += confidence;
      bin.hits += this.hits[index] === true ? 1 : 0;
      bin.count += 1;
    }
    return bins
      .filter(({ count }) => count > 0)
      .map(({ confidence, hits, count }) => ({ confidence: confidence / count, accuracy: hits / count, count }));
  }

  /** Expected calibration error: how far confidence and truth lie apart, on average. */
  calibrationError(): number {
    const apart = this.reliability().map(({ confidence, accuracy, count }) => count * Math.abs(confidence - accuracy));
    return apart.reduce((sum, each) => sum + each, 0) / Math.max(1, this.count);
  }

  /** The share of right ones among the most certain. @param part how many of all, 0 to 1 */
  precisionOfMostCertain(part: number): number {
    const order = [...this.ranks.keys()].sort((a, b) => this.ranks[b]! - this.ranks[a]!);
    const chosen = order.slice(0, Math.max(1, Math.floor(order.length * part)));
    return chosen.filter((index) => this.hits[index]).length / chosen.length;
  }

  /** The accuracy over time, window by window. */
  curve(): number[] {
    const width = Math.max(20, Math.ceil(this.count / WINDOWS));
    const windows: number[] = [];
    for (let i = 0; i < this.count; i += width) {
      const part = this.hits.slice(i, i + width);
      windows.push(part.filter(Boolean).length / part.length);
    }
    return windows;
  }
}
