/** Longer ago than this nothing of a transaction is looked at. */
const MAX_STEPS = 512;
const NONE: readonly number[] = [];

/** A transaction as the sequence models see it: kinds, times, and what was chosen of the payloads. */
export class Track {
  readonly symbols: number[] = [];
  readonly times: number[] = [];
  /** Of each event, rows of the attributes that a network looks at. */
  readonly attributes: (readonly number[])[] = [];
  readonly startedAtMs: number;
  /** A network's state, and after how many events: kept here, so that each event is taken in once. */
  state: Float64Array | undefined;
  stateLength = 0;
  /** So many events went before the first of `symbols`. */
  private dropped = 0;

  constructor(startedAtMs: number) {
    this.startedAtMs = Number.isFinite(startedAtMs) ? startedAtMs : 0;
  }

  /** Events so far. */
  get length(): number {
    return this.dropped + this.symbols.length;
  }

  /** @param atMs no number is taken for the same time as the event before */
  append(symbol: number, atMs: number, attributes: readonly number[] = NONE): void {
    const time = Number.isFinite(atMs) ? atMs : this.lastAtMs;
    if (this.symbols.length === MAX_STEPS) {
      this.symbols.shift();
      this.times.shift();
      this.attributes.shift();
      this.dropped += 1;
    }
    this.symbols.push(symbol);
    this.times.push(time);
    this.attributes.push(attributes);
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
    return this.gapMs(this.symbols.length - 1);
  }

  /** Before the event at this place of `times`. */
  gapMs(index: number): number {
    const before = this.times[index - 1] ?? this.startedAtMs;
    return Math.max(0, (this.times[index] ?? before) - before);
  }

  /** How many events went before the one at this place of `symbols`. */
  positionOf(index: number): number {
    return this.dropped + index;
  }

  /** A copy that may go another way. */
  fork(): Track {
    const copy = new Track(this.startedAtMs);
    copy.symbols.push(...this.symbols);
    copy.times.push(...this.times);
    copy.attributes.push(...this.attributes);
    copy.state = this.state?.slice();
    copy.stateLength = this.stateLength;
    copy.dropped = this.dropped;
    return copy;
  }
}
