import type { Clock, Random } from '../../ports/environment.js';
import { PortThrottled, PortUnavailable } from '../../ports/failures.js';
import { Alarms } from './alarms.js';
import type { Fault, FaultBoard } from './fault-board.js';
import { delayOf, isDown, strikes } from './faults.js';

export interface SimulatedNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly board: FaultBoard;
  /** Between any two sites, milliseconds. @default 0 */
  readonly roundTripMs?: number;
  /** After this a caller gives up on an answer, milliseconds; by an eighth earlier under load. @default 2000 */
  readonly timeoutMs?: number;
  /** Once it is aborted, nobody waits for an answer that does not come. */
  readonly stopping?: AbortSignal;
}

/** What lies between the sites of one process: distance, and the faults of their APIs. */
export class SimulatedNetwork {
  /** May be changed at any time. */
  roundTripMs: number;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #board: FaultBoard;
  readonly #alarms: Alarms;

  constructor({ clock, random, board, roundTripMs = 0, timeoutMs = 2000, stopping }: SimulatedNetworkOptions) {
    this.roundTripMs = roundTripMs;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#random = random;
    this.#board = board;
    this.#alarms = new Alarms(clock, stopping);
  }

  /**
   * Calls another site, for its answer within `timeoutMs` or the network's own time. Within a site, and without distance and faults, this is `effect` itself: no delay, no timer.
   *
   * @throws PortUnavailable no answer in time, or none to be expected: the effect may have happened, or happen yet
   * @throws PortThrottled the effect did not happen
   */
  call<T>(from: string, to: string, effect: () => Promise<T>, timeoutMs = this.#timeoutMs): Promise<T> {
    if (from === to || (this.roundTripMs === 0 && this.#board.quiet)) return effect();
    return new Promise<T>((resolve, reject) => {
      const giveUp = this.#alarms.set(timeoutMs, () => {
        reject(new PortUnavailable(`${to} did not answer ${from} within ${timeoutMs} ms`));
      });
      this.#exchange(from, to, effect).finally(giveUp).then(resolve, reject);
    });
  }

  async #exchange<T>(from: string, to: string, effect: () => Promise<T>): Promise<T> {
    const faults = this.#faultsBetween(from, to);
    this.#refuseDown(faults, from, to);
    const halfMs = this.roundTripMs / 2;
    await this.#travel(from, to, halfMs + delayOf(faults));
    this.#refuseDown(this.#faultsBetween(from, to), from, to);
    if (faults.some((fault) => fault.kind === 'throttle' && strikes(fault, this.#random))) {
      await this.#travel(to, from, halfMs);
      throw new PortThrottled(`${to} throttles calls`);
    }
    const fails = faults.some((fault) => fault.kind === 'flaky' && strikes(fault, this.#random));
    const before = fails && this.#random.next() < 0.5;
    if (before) throw new PortUnavailable(`${to} failed before it did anything`);
    const [outcome] = await Promise.allSettled([effect()]);
    await this.#travel(to, from, halfMs);
    this.#refuseDown(this.#faultsBetween(from, to), from, to);
    if (fails) throw new PortUnavailable(`${to} did it, but the answer was lost`);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  /** Those that a call meets: of the API that is called, and of the caller's site as a whole. */
  #faultsBetween(from: string, to: string): readonly Fault[] {
    if (this.#board.quiet) return [];
    return [...this.#board.affecting(to, 'api'), ...this.#board.affectingAll(from)];
  }

  #refuseDown(faults: readonly Fault[], from: string, to: string): void {
    if (isDown(faults)) throw new PortUnavailable(`${from} cannot call ${to}: down`);
  }

  /** A message on its way; where a partition drops it, it never arrives, and nobody is told. */
  async #travel(from: string, to: string, ms: number): Promise<void> {
    if (this.#board.severed(from, to)) await new Promise<never>(() => undefined);
    if (ms > 0) await this.#clock.sleep(ms);
  }
}
