import type { Clock } from '../../ports/environment.js';
import { Alarms } from './alarms.js';

/** Who waits for what, by name: a stream's readers for its next record. */
export class Arrivals {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #alarms: Alarms;

  constructor(clock: Clock, stopping?: AbortSignal) {
    this.#alarms = new Alarms(clock, stopping);
  }

  /** Resolves at the next `announce` of this name, at the latest after `timeoutMs`. */
  wait(name: string, timeoutMs: number): Promise<void> {
    if (!(timeoutMs > 0)) return Promise.resolve();
    return new Promise<void>((resolve) => {
      let waiting = this.#waiting.get(name);
      if (waiting === undefined) this.#waiting.set(name, (waiting = new Set()));
      const all = waiting;
      const wake = (): void => {
        cancel();
        all.delete(wake);
        if (all.size === 0 && this.#waiting.get(name) === all) this.#waiting.delete(name);
        resolve();
      };
      const cancel = this.#alarms.set(timeoutMs, wake);
      all.add(wake);
    });
  }

  announce(name: string): void {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return;
    for (const wake of [...waiting]) wake();
  }
}
