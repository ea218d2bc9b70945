import type { ControlStore } from '../../ports/control-store.js';
import type { Clock, Random } from '../../ports/environment.js';
import { PortThrottled, PortUnavailable } from '../../ports/failures.js';
import type { Tables } from '../../ports/tables.js';
import type { Fault, FaultBoard } from './fault-board.js';

const DEFAULT_DELAY_MS = 1000;

/** What the wrappers need beside the faults. */
export interface FaultWorld {
  readonly board: FaultBoard;
  readonly clock: Clock;
  readonly random: Random;
}

/** Whether a fault with a probability strikes this time. */
export function strikes(fault: Fault, random: Random): boolean {
  return random.next() < (fault.rate ?? 1);
}

export function delayOf(faults: readonly Fault[]): number {
  let delayMs = 0;
  for (const fault of faults) if (fault.kind === 'slow') delayMs += fault.delayMs ?? DEFAULT_DELAY_MS;
  return delayMs;
}

export function isDown(faults: readonly Fault[]): boolean {
  return faults.some((fault) => fault.kind === 'down');
}

/**
 * Runs a call under some faults: `down` and `throttle` refuse it at once, `slow` delays it, `flaky` loses either the
 * call or, after the effect, its answer.
 *
 * @param what for the messages, e.g. `the tables of eu`
 */
export async function underFaults<T>(
  faults: readonly Fault[],
  { clock, random }: Pick<FaultWorld, 'clock' | 'random'>,
  what: string,
  effect: () => Promise<T>,
): Promise<T> {
  if (faults.length === 0) return effect();
  if (isDown(faults)) throw new PortUnavailable(`${what}: down`);
  if (faults.some((fault) => fault.kind === 'throttle' && strikes(fault, random))) {
    throw new PortThrottled(`${what}: throttled`);
  }
  const delayMs = delayOf(faults);
  if (delayMs > 0) await clock.sleep(delayMs);
  const fails = faults.some((fault) => fault.kind === 'flaky' && strikes(fault, random));
  const before = fails && random.next() < 0.5;
  if (before) throw new PortUnavailable(`${what}: failed before it did anything`);
  const result = await effect();
  if (fails) throw new PortUnavailable(`${what}: done, but the answer was lost`);
  return result;
}

/** A site's tables behind the fault board. */
export function faultyTables(site: string, tables: Tables, world: FaultWorld): Tables {
  const through = <T>(effect: () => Promise<T>): Promise<T> => {
    const faults = world.board.affecting(site, 'tables');
    return faults.length === 0 ? effect() : underFaults(faults, world, `the tables of ${site}`, effect);
  };
  return {
    maxItems: tables.maxItems,
    maxItemBytes: tables.maxItemBytes,
    maxTransactBytes: tables.maxTransactBytes,
    transact: (writes) => through(() => tables.transact(writes)),
    writeEach: (writes) => through(() => tables.writeEach(writes)),
    get: (keys) => through(() => tables.get(keys)),
    query: (range) => through(() => tables.query(range)),
    scan: (range) => through(() => tables.scan(range)),
    queryIndex: (range) => through(() => tables.queryIndex(range)),
  };
}

/**
 * The control store as one site reaches it, behind the fault board.
 *
 * @param timeoutMs how long a call waits for an answer that a partition has dropped
 */
export function faultyControl(
  site: string,
  control: ControlStore,
  world: FaultWorld,
  { timeoutMs = 2000 }: { readonly timeoutMs?: number } = {},
): ControlStore {
  const through = async <T>(effect: () => Promise<T>): Promise<T> => {
    if (world.board.quiet) return effect();
    if (world.board.severedFromControl(site)) {
      await world.clock.sleep(timeoutMs);
      throw new PortUnavailable(`the control store did not answer ${site} within ${timeoutMs} ms`);
    }
    return underFaults(world.board.affecting(site, 'control'), world, `the control store at ${site}`, effect);
  };
  return {
    get: (name) => through(() => control.get(name)),
    compareAndSet: (name, version, value) => through(() => control.compareAndSet(name, version, value)),
    list: (prefix, options) => through(() => control.list(prefix, options)),
  };
}
