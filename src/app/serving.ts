import { LockstepError } from '../core/errors.js';
import type { Route } from '../core/route.js';
import { PortFull, PortThrottled, PortUnavailable } from '../ports/failures.js';
import { ConditionFailed, WriteConflict } from '../ports/tables.js';
import { HomeFails, NotHomeAnyMore } from '../ports/signals.js';
import type { Site } from './site.js';

const PAUSE_MS = 2;

/**
 * Runs a conditional write at home: again where another transaction was in the way, or where the guard demands a newer
 * route, with the same identifiers.
 *
 * @param work throws `ConditionFailed` with write 0 among the failed where the guard refuses
 * @throws NotHomeAnyMore, HomeFails, LockstepError Throttled, Unavailable
 */
export async function atServingHome<T>(site: Site, work: (route: Route) => Promise<T>): Promise<T> {
  let failure: unknown;
  for (let attempt = 0; attempt < site.options.decideAttempts; attempt += 1) {
    if (attempt > 0) await site.clock.sleep(PAUSE_MS * attempt * site.ports.random.next());
    const route = attempt === 0 ? site.routes.known : await site.routes.refresh().catch(() => site.routes.known);
    if (route.home !== site.name || route.phase !== 'serving') throw new NotHomeAnyMore(`${route.home} is home`);
    try {
      return await work(route);
    } catch (error) {
      const passing =
        error instanceof ConditionFailed ||
        error instanceof WriteConflict ||
        error instanceof PortThrottled ||
        error instanceof PortUnavailable;
      if (error instanceof PortFull) {
        throw new LockstepError(
          'Unavailable',
          'the disk is full; nothing was written. Free some room, then try again',
          {},
          { cause: error },
        );
      }
      if (!passing) throw error;
      failure = error;
    }
  }
  if (failure instanceof PortUnavailable) throw new HomeFails('the tables of home fail', { cause: failure });
  if (failure instanceof PortThrottled) {
    throw new LockstepError('Throttled', 'the tables take no more just now; slow down and try again', {
      retryAfterMs: 1000,
    });
  }
  throw new LockstepError('Unavailable', 'tried too often while others wrote the same; ask again with the same id');
}
