/** Retries and the next site: what stands between the client's methods and single attempts. */
import { isLockstepError } from '../core/errors.js';
import type { LockstepError } from '../core/errors.js';
import type { Clock, Random } from '../ports/environment.js';
import { sleepUnlessAborted, systemClock, systemRandom } from './environment.js';
import type { SiteApi, Transport } from './transport.js';

export interface RetryOptions {
  /** No new attempt begins later than this after the first one, milliseconds. @default 30000 */
  readonly retryForMs?: number;
  /** @default 200 */
  readonly maxAttempts?: number;
  /** The first pause is at most this long, each further one at most twice as long, milliseconds. @default 50 */
  readonly backoffMs?: number;
  /** No pause is longer, unless the server asks for it, milliseconds. @default 2000 */
  readonly maxBackoffMs?: number;
  /** @default that of the system */
  readonly clock?: Clock;
  /** For jitter and identifiers. @default that of the system */
  readonly random?: Random;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly retryForMs?: number | undefined;
  readonly maxAttempts?: number | undefined;
}

/**
 * What an identical request may get over. `ReplicaBehind` is retryable as well, but whoever asks for a switchover wants
 * to hear of it now.
 */
const TRANSIENT = ['NotHome', 'Throttled', 'NotEnoughReplicas', 'Undetermined', 'Unavailable'] as const;

/** The longest pause that a server may ask for, milliseconds. */
const MAX_ASKED_MS = 60_000;

export function isTransient(error: unknown): error is LockstepError {
  return isLockstepError(error, ...TRANSIENT);
}

export class Caller {
  readonly clock: Clock;
  readonly random: Random;
  readonly #transport: Transport;
  readonly #retry: Required<Omit<RetryOptions, 'clock' | 'random'>>;
  /** The site that answered last: the next request starts there. */
  #preferred: SiteApi;
  /** Whether the deployment was asked where else it can be reached. */
  #hasAsked: boolean;

  constructor(transport: Transport, options: RetryOptions = {}) {
    const { retryForMs = 30_000, maxAttempts = 200, backoffMs = 50, maxBackoffMs = 2_000 } = options;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.#transport = transport;
    this.#preferred = transport.sites[0];
    this.#hasAsked = transport.learn === undefined;
    this.#retry = { retryForMs, maxAttempts, backoffMs, maxBackoffMs };
  }

  /**
   * Makes a request until it is answered or definitely refused. It has to be the identical request each time, with the
   * same identifiers: an attempt without an answer may have had its effect.
   *
   * A site that does not answer is followed by the next one at once; when all had their turn, after a pause with full
   * jitter.
   */
  async call<T>(request: (site: SiteApi) => Promise<T>, options: CallOptions = {}): Promise<T> {
    const { signal, retryForMs = this.#retry.retryForMs, maxAttempts = this.#retry.maxAttempts } = options;
    const deadline = this.clock.now() + retryForMs;
    let site = this.#preferred;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await request(site);
        this.#preferred = site;
        if (!this.#hasAsked) void this.#askForOthers(site);
        return answer;
      } catch (error) {
        if (!isTransient(error) || attempt >= maxAttempts || signal?.aborted === true) throw error;
        const pauseMs = this.#pause(error, attempt);
        if (this.clock.now() + pauseMs > deadline) throw error;
        if (pauseMs > 0) await sleepUnlessAborted(this.clock, pauseMs, signal);
        site = this.#next(site, error);
      }
    }
  }

  /** While there is a site that answers: it is too late when none does. Nobody waits for it, and it never fails. */
  async #askForOthers(site: SiteApi): Promise<void> {
    this.#hasAsked = true;
    try {
      const { sites } = await site.getRoute();
      this.#transport.learn?.(sites.map(({ endpoint }) => endpoint));
    } catch (error) {
      // Who may not ask for the route, or is answered something else, has the one endpoint.
      this.#hasAsked = !isTransient(error);
    }
  }

  /** A pause with full jitter before the attempt after this one, milliseconds. */
  jitter(attempt: number): number {
    const { backoffMs, maxBackoffMs } = this.#retry;
    return this.random.next() * Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(attempt - 1, 30));
  }

  #pause(error: LockstepError, attempt: number): number {
    const { retryAfterMs } = error.extras;
    const asked = typeof retryAfterMs === 'number' && retryAfterMs > 0 ? Math.min(retryAfterMs, MAX_ASKED_MS) : 0;
    if (error.code === 'Throttled') return asked + this.jitter(attempt);
    const rounds = Math.floor(attempt / this.#transport.sites.length);
    // Home names itself: going there costs no pause, unless sites point to each other.
    const direct = error.code === 'NotHome' ? attempt <= 2 : rounds === 0;
    return direct ? asked : asked + this.jitter(Math.max(rounds, 1));
  }

  #next(site: SiteApi, error: LockstepError): SiteApi {
    if (error.code === 'Throttled') return site;
    const { endpoint } = error.extras;
    if (error.code === 'NotHome' && typeof endpoint === 'string') {
      const home = this.#transport.at(endpoint);
      if (home !== undefined) return home;
    }
    const { sites } = this.#transport;
    return sites[(sites.indexOf(site) + 1) % sites.length] ?? sites[0];
  }
}
