import type { Clock } from '../ports/environment.js';

const SLICE_MS = 100;

/** What runs without being asked: loops with a pause between two rounds, and work whose end nobody waits for. */
export class Loops {
  readonly #clock: Clock;
  readonly #running = new Set<Promise<unknown>>();
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Remembers work until it ends; its failure is its own matter. */
  track(work: Promise<unknown>): void {
    const tracked = work.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(tracked);
    void tracked.then(() => this.#running.delete(tracked));
  }

  /** Runs rounds of work until `stop`, each after the one before has ended and a pause. */
  run(periodMs: number, round: () => Promise<unknown>, failed: (error: unknown) => void): void {
    const loop = async () => {
      while (!this.#stopped) {
        await round().catch(failed);
        await this.#pause(periodMs);
      }
    };
    this.track(loop());
  }

  /** In slices: a timer that nobody waits for any more would keep the process alive. */
  async #pause(periodMs: number): Promise<void> {
    for (let leftMs = periodMs; leftMs > 0 && !this.#stopped; leftMs -= SLICE_MS) {
      await this.#clock.sleep(Math.min(SLICE_MS, leftMs));
    }
  }

  /** Ends the loops and waits for everything that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    while (this.#running.size > 0) await Promise.all([...this.#running]);
  }
}
