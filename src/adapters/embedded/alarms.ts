import type { Clock } from '../../ports/environment.js';

/** Slept in slices, so that nothing sleeps on for long when all alarms of a bucket were cancelled. */
const SLICE_MS = 250;
/** Alarms of one length that are set within this part of it share a bucket. */
const SPREAD = 1 / 8;

interface Bucket {
  readonly openedAtMs: number;
  readonly actions: Set<() => void>;
}

/**
 * Time-outs by the thousand, most of which never go off: those of the same length share a sleep, so that setting one
 * and cancelling it costs next to nothing. For that they may go off early, by an eighth of their length at most.
 */
export class Alarms {
  readonly #clock: Clock;
  readonly #stopping: AbortSignal | undefined;
  /** The bucket that still takes alarms, by length. */
  readonly #open = new Map<number, Bucket>();

  /** @param stopping when it is aborted, what is set goes off with the next slice: nobody is to wait any more */
  constructor(clock: Clock, stopping?: AbortSignal) {
    this.#clock = clock;
    this.#stopping = stopping;
  }

  /** Calls `action` in `ms` milliseconds, unless the function that it returns is called before. */
  set(ms: number, action: () => void): () => void {
    const { actions } = this.#bucket(ms);
    actions.add(action);
    return () => actions.delete(action);
  }

  #bucket(ms: number): Bucket {
    const now = this.#clock.now();
    const open = this.#open.get(ms);
    if (open !== undefined && now >= open.openedAtMs && now - open.openedAtMs <= ms * SPREAD) return open;
    const bucket = { openedAtMs: now, actions: new Set<() => void>() };
    this.#open.set(ms, bucket);
    void this.#goOff(bucket, ms);
    return bucket;
  }

  async #goOff(bucket: Bucket, ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= SLICE_MS) {
      await this.#clock.sleep(Math.min(leftMs, SLICE_MS));
      if (bucket.actions.size === 0 || this.#stopping?.aborted) break;
    }
    if (this.#open.get(ms) === bucket) this.#open.delete(ms);
    for (const action of bucket.actions) action();
  }
}
