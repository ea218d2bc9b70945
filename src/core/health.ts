/**
 * Health of one thing that can fail (a site, a shard of a replica): a score fed by every call, and a breaker on it. Pure:
 * the time of each observation is passed in.
 *
 * Throttling is load, not failure, and never opens a breaker.
 */
export interface HealthSettings {
  /** So many failures in a row open the breaker. */
  readonly failuresToOpen: number;
  /** Share of failed calls in the window that opens it, once there are enough of them. */
  readonly errorRateToOpen: number;
  readonly healthWindowMs: number;
  /** How long an open breaker waits before it lets a probe through. */
  readonly halfOpenAfterMs: number;
}

export interface Health {
  readonly state: 'closed' | 'open';
  readonly failuresInARow: number;
  /** Calls and failures of the current and the previous half window: a rate without a list of calls. */
  readonly windowStartMs: number;
  readonly calls: number;
  readonly failures: number;
  readonly callsBefore: number;
  readonly failuresBefore: number;
  readonly openedAtMs: number;
  /** When the last call, or probe, ended well. */
  readonly wellAtMs: number;
}

/** Fewer calls than this say nothing about a rate. */
const CALLS_FOR_A_RATE = 20;

export const HEALTHY: Health = {
  state: 'closed',
  failuresInARow: 0,
  windowStartMs: 0,
  calls: 0,
  failures: 0,
  callsBefore: 0,
  failuresBefore: 0,
  openedAtMs: 0,
  wellAtMs: 0,
};

export function observe(health: Health, ended: 'well' | 'failed', nowMs: number, settings: HealthSettings): Health {
  const rolled = roll(health, nowMs, settings.healthWindowMs / 2);
  const counted = { ...rolled, calls: rolled.calls + 1 };
  // One good answer closes the breaker: what opened it is counted anew.
  if (ended === 'well') {
    return health.state === 'open'
      ? { ...HEALTHY, windowStartMs: nowMs, calls: 1, wellAtMs: nowMs }
      : { ...counted, failuresInARow: 0, wellAtMs: nowMs };
  }
  const failed = { ...counted, failures: counted.failures + 1, failuresInARow: counted.failuresInARow + 1 };
  if (health.state === 'open') return { ...failed, openedAtMs: nowMs };
  return mustOpen(failed, settings) ? { ...failed, state: 'open', openedAtMs: nowMs } : failed;
}

function mustOpen(health: Health, settings: HealthSettings): boolean {
  if (health.failuresInARow >= settings.failuresToOpen) return true;
  const calls = health.calls + health.callsBefore;
  return calls >= CALLS_FOR_A_RATE && errorRate(health) >= settings.errorRateToOpen;
}

/** Share of failed calls in the window, 0 to 1. */
export function errorRate(health: Health): number {
  const calls = health.calls + health.callsBefore;
  return calls === 0 ? 0 : (health.failures + health.failuresBefore) / calls;
}

/** Whether a call may go out: the breaker is closed, or it is time for a probe. */
export function admits(health: Health, nowMs: number, settings: HealthSettings): boolean {
  return health.state === 'closed' || nowMs - health.openedAtMs >= settings.halfOpenAfterMs;
}

function roll(health: Health, nowMs: number, halfMs: number): Health {
  const passed = nowMs - health.windowStartMs;
  if (passed >= 0 && passed < halfMs) return health;
  const recent = passed >= 0 && passed < 2 * halfMs;
  return {
    ...health,
    windowStartMs: nowMs,
    calls: 0,
    failures: 0,
    callsBefore: recent ? health.calls : 0,
    failuresBefore: recent ? health.failures : 0,
  };
}
