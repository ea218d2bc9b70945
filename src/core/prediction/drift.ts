/** By so much the loss may lie above its mean without counting, nats. */
const TOLERANCE = 0.1;
/** So much above it, summed up, is a change, nats. */
const THRESHOLD = 30;
/** Before so many losses the mean is none. */
const WARM_UP = 200;
const FIRST: DriftState = { seen: 0, mean: 0, sum: 0, least: 0, alarms: 0 };

export interface DriftState {
  /** Since the last alarm. */
  readonly seen: number;
  readonly mean: number;
  readonly sum: number;
  readonly least: number;
  /** Ever. */
  readonly alarms: number;
}

/**
 * Page–Hinkley's test on the log-loss of a predictor: tells when what it sees has changed for the worse.
 */
export class DriftDetector {
  private state: DriftState;

  constructor(saved: DriftState = FIRST) {
    this.state = saved;
  }

  /** @param loss nats @returns whether this one gave the alarm; it then begins anew */
  observe(loss: number): boolean {
    const { seen, mean, sum, least, alarms } = this.state;
    const nextMean = mean + (loss - mean) / (seen + 1);
    const nextSum = seen < WARM_UP ? 0 : sum + loss - nextMean - TOLERANCE;
    const nextLeast = Math.min(least, nextSum);
    const alarm = nextSum - nextLeast > THRESHOLD;
    this.state = alarm
      ? { ...FIRST, alarms: alarms + 1 }
      : { seen: seen + 1, mean: nextMean, sum: nextSum, least: nextLeast, alarms };
    return alarm;
  }

  get alarms(): number {
    return this.state.alarms;
  }

  save(): DriftState {
    return this.state;
  }
}
