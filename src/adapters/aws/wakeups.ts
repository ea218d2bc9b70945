import type { Clock } from '../../ports/environment.js';

/** Those who wait for something by name, each for a time at the most. */
export class Wakeups {
  readonly #clock: Clock;
  readonly #stopping: AbortSignal | undefined;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock, stopping?: AbortSignal) {
    this.#clock = clock;
    this.#stopping = stopping;
    stopping?.addEventListener('abort', () => {
      for (const name of [...this.#waiting.keys()]) this.wake(name);
    });
  }

  async wait(name: string, timeoutMs: number): Promise<void> {
    if (this.#stopping?.aborted) return;
    const waiting = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, waiting);
    let stop = (): void => undefined;
    const woken = new Promise<void>((resolve) => {
      stop = resolve;
      waiting.add(resolve);
    });
    await Promise.race([woken, this.#clock.sleep(timeoutMs)]);
    waiting.delete(stop);
    if (waiting.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
  }

  wake(name: string): void {
    const waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    for (const resolve of waiting ?? []) resolve();
  }
}
