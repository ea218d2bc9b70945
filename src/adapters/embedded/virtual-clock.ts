import type { Clock, Random } from '../../ports/environment.js';

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

/** How long `run` waits for real I/O, in real milliseconds, when nobody sleeps. */
const STUCK_AFTER_MS = 10_000;
/** Idle turns of the event loop after which `run` stops spinning and waits for I/O. */
const SPINS = 64;
/** Turns in which everything of one moment must have happened: who takes turns for ever must not stop the time. */
const MAX_TURNS = 1000;

/**
 * Time that passes only when told, or when there is nothing else to do: tests with hours in them take no time, and run
 * the same way each time.
 *
 * Starts at 2026-01-01 unless told otherwise.
 */
export class VirtualClock implements Clock {
  #elapsedMs = 0;
  #offsetMs: number;
  /** By the time they wake, then by when they fell asleep. */
  readonly #sleepers: Sleeper[] = [];
  #turns = 0;

  /** @param startMs milliseconds since 1970 */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#offsetMs = startMs;
  }

  now(): number {
    return this.#offsetMs + this.#elapsedMs;
  }

  sleep(ms: number): Promise<void> {
    return new Promise<void>((wake) => {
      const wakeAtMs = this.#elapsedMs + Math.max(0, ms);
      let at = this.#sleepers.length;
      while (at > 0 && (this.#sleepers[at - 1]?.wakeAtMs ?? 0) > wakeAtMs) at -= 1;
      this.#sleepers.splice(at, 0, { wakeAtMs, wake });
    });
  }

  nextTurn(): Promise<void> {
    this.#turns += 1;
    return new Promise<void>((resolve) => {
      setImmediate(() => {
        this.#turns -= 1;
        resolve();
      });
    });
  }

  /** How many sleep. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** The wall clock is set to another time: sleepers do not notice. */
  jump(ms: number): void {
    this.#offsetMs += ms;
  }

  /** Lets time pass, waking everybody on the way, each when everything before has settled. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsedMs + ms;
    await this.#settle();
    for (let next = this.#sleepers[0]; next !== undefined && next.wakeAtMs <= until; next = this.#sleepers[0]) {
      this.#wakeFirst();
      await this.#settle();
    }
    this.#elapsedMs = until;
  }

  /**
   * Waits for a promise and lets time pass whenever nothing else can happen.
   *
   * @throws Error where it waits for what never comes
   */
  async run<T>(promise: Promise<T>): Promise<T> {
    const progress = { settled: false };
    const settle = (): void => {
      progress.settled = true;
    };
    promise.then(settle, settle);
    for (let idle = 0; ;) {
      await this.#settle();
      if (progress.settled) return promise;
      if (this.#wakeFirst()) idle = 0;
      else await this.#waitForIo((idle += 1));
    }
  }

  /** Nobody sleeps: only real I/O can bring it on. */
  async #waitForIo(idle: number): Promise<void> {
    if (idle > SPINS + STUCK_AFTER_MS) throw new Error('nothing is left to happen, and it is still pending');
    if (idle > SPINS) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** False where nobody sleeps. */
  #wakeFirst(): boolean {
    const sleeper = this.#sleepers.shift();
    if (sleeper === undefined) return false;
    this.#elapsedMs = Math.max(this.#elapsedMs, sleeper.wakeAtMs);
    sleeper.wake();
    return true;
  }

  /** Until everything that could run without time passing has run. */
  async #settle(): Promise<void> {
    for (let turns = 0; turns === 0 || (this.#turns > 0 && turns < MAX_TURNS); turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/**
 * Repeatable randomness: the sfc32 generator. Not fit for identifiers of a real deployment.
 *
 * @param seed any number; the same seed gives the same numbers
 */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = Math.trunc(seed / 2 ** 32) | 0;
  let d = seed | 0;
  const word = (): number => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i += 1) word();
  return {
    next: () => ((word() >>> 5) * 0x400_0000 + (word() >>> 6)) / 2 ** 53,
    bytes: (count: number) => Uint8Array.from({ length: count }, () => word() & 255),
  };
}
