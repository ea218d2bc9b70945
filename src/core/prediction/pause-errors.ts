/** What an older error weighs after a newer one. */
const KEEP = 0.995;
const MAX_CONTEXTS = 1024;
/** The last estimate lies between the others and is believed, unless one of them was better by so much. */
const MARGIN = 0.9;

/** Which of several estimates of a pause has been nearest of late, by the kind of the last event. */
export class PauseErrors {
  private readonly errors: Map<number, readonly number[]>;

  constructor(saved: SavedPauseErrors = []) {
    this.errors = new Map(saved);
  }

  /** Of these estimates the one to believe; without experience the last, which lies between the others. */
  choose(context: number, estimates: readonly number[]): number {
    const errors = this.errors.get(context);
    const last = estimates.length - 1;
    let best = last;
    for (let i = 0; errors !== undefined && i < last; i += 1) {
      if (errors[i]! < (best === last ? MARGIN * errors[last]! : errors[best]!)) best = i;
    }
    return estimates[best]!;
  }

  learn(context: number, estimates: readonly number[], pauseMs: number): void {
    const before = this.errors.get(context);
    if (before === undefined && this.errors.size >= MAX_CONTEXTS) return;
    // Of square roots: one very long pause must not decide for long.
    const root = Math.sqrt(Math.max(0, pauseMs));
    this.errors.set(
      context,
      estimates.map((estimate, i) => (before?.[i] ?? 0) * KEEP + Math.abs(Math.sqrt(estimate) - root)),
    );
  }

  save(): SavedPauseErrors {
    return [...this.errors];
  }
}

export type SavedPauseErrors = readonly (readonly [number, readonly number[]])[];
