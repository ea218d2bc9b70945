import type { Clock, Random } from '../../ports/environment.js';

/** How often and after which pauses a call is tried again. */
export interface RetryLimits {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  /** The longest first pause, milliseconds; it doubles with each further one. */
  readonly baseMs: number;
  /** The longest pause of all, milliseconds. */
  readonly capMs: number;
}

/** Within a second or so: whoever waits for the answer has a time-out of its own. */
const DEFAULT_RETRY: RetryLimits = { attempts: 4, baseMs: 25, capMs: 500 };

/**
 * Pauses between attempts, with full jitter: anything from nothing to a limit that doubles. Callers that failed together
 * do not come back together.
 */
export class Backoff {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: RetryLimits;

  constructor(clock: Clock, random: Random, limits: RetryLimits = DEFAULT_RETRY) {
    this.#clock = clock;
    this.#random = random;
    this.#limits = limits;
  }

  get attempts(): number {
    return this.#limits.attempts;
  }

  /** @param attempt the number of attempts that have failed, from 1 */
  pause(attempt: number): Promise<void> {
    const { baseMs, capMs } = this.#limits;
    return this.#clock.sleep(this.#random.next() * Math.min(capMs, baseMs * 2 ** (attempt - 1)));
  }

  /**
   * Tries until it succeeds, the attempts are used up, or an error is not worth another one.
   *
   * @param again whether to try again after this error
   */
  async run<T>(call: () => Promise<T>, again: (error: unknown) => boolean): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        if (attempt >= this.#limits.attempts || !again(error)) throw error;
      }
      await this.pause(attempt);
    }
  }
}

/** Runs work over a list, so many at a time, and answers in the order of the list. */
export async function eachLimited<T, R>(
  list: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < list.length) {
      const index = next;
      next += 1;
      results[index] = await work(list[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, list.length) }, lane));
  return results;
}

export function chunksOf<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  const chunks: T[][] = [];
  for (let from = 0; from < list.length; from += size) chunks.push(list.slice(from, from + size));
  return chunks;
}
