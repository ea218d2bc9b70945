/** Longer ago than this nothing of a transaction is looked at. */
const MAX_STEPS = 512;

/** A transaction as the sequence models see it: kinds and times. */
export class Track {
  readonly symbols: number[] = [];
  readonly times: number[] = [];
  readonly startedAtMs: number;
  /** So many events went before the first of `symbols`. */
  private dropped = 0;

  constructor(startedAtMs: number) {
    this.startedAtMs = startedAtMs;
  }

  /** Events so far. */
  get length(): number {
    return this.dropped + this.symbols.length;
  }

  /** @param atMs no number is taken for the same time as the event before */
  append(symbol: number, atMs: number): void {
    const time = Number.isFinite(atMs) ? atMs : this.lastAtMs;
    if (this.symbols.length === MAX_STEPS) {
      this.symbols.shift();
      this.times.shift();
      this.dropped += 1;
    }
    this.symbols.push(symbol);
    this.times.push(time);
  }

  /** The symbol so many events ago, 1 for the last; -1 before the first. */
  back(steps: number): number {
    return this.symbols[this.symbols.length - steps] ?? -1;
  }

  get lastAtMs(): number {
    return this.times.at(-1) ?? this.startedAtMs;
  }

  /** Between the last event and the one before it, or the beginning; 0 where clocks ran backwards. */
  get lastGapMs(): number {
    return Math.max(0, this.lastAtMs - (this.times.at(-2) ?? this.startedAtMs));
  }

  /** A copy that may go another way. */
  fork(): Track {
    const copy = new Track(this.startedAtMs);
    copy.symbols.push(...this.symbols);
    copy.times.push(...this.times);
    copy.dropped = this.dropped;
    return copy;
  }
}
