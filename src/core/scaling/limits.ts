const DAY_MS = 86_400_000;
/** Kinesis changes the shards of a stream so often within any 24 hours. */
export const CHANGES_A_DAY = 10;
/** So many are left over when it is back where it was: for what nobody foresees. */
const SPARE_CHANGES = 2;

/** A change of a stream's shards. */
export interface PastChange {
  readonly atMs: number;
  readonly from: number;
  readonly to: number;
}

export interface Allowed {
  readonly to: number;
  /** What it was cut down to, or held back by. */
  readonly limit?: string;
}

/**
 * The step towards a number of shards that Kinesis takes: at most double, at least half, ten changes in 24 hours.
 *
 * Lowering is what uses the changes up: it goes no further down than the changes that are left can double it up again to
 * where it was within the last 24 hours. Who cannot lower pays; who cannot raise is throttled.
 */
export function allowedStep(from: number, wanted: number, changes: readonly PastChange[], nowMs: number): Allowed {
  if (wanted === from) return { to: wanted };
  const recent = recentChanges(changes, nowMs);
  const left = CHANGES_A_DAY - recent.length;
  if (left <= 0) return { to: from, limit: `Kinesis takes ${CHANGES_A_DAY} changes in 24 hours` };
  if (wanted > from) return wanted > 2 * from ? { to: 2 * from, limit: 'at most doubled at a time' } : { to: wanted };
  const half = Math.ceil(from / 2);
  const highest = Math.max(from, ...recent.map((change) => Math.max(change.from, change.to)));
  const doublings = left - 1 - SPARE_CHANGES;
  const floor = doublings < 0 ? from : Math.ceil(highest / 2 ** doublings);
  if (floor >= from) return { to: from, limit: `${left} changes are left for today, which may be needed to raise it` };
  if (wanted >= Math.max(half, floor)) return { to: wanted };
  return floor > half
    ? { to: floor, limit: `from there the ${left - 1} changes left for today can raise it to ${highest} again` }
    : { to: half, limit: 'at most halved at a time' };
}

/** The next step towards a number of shards: at most double, at least half. */
export const stepTowards = (from: number, wanted: number): number =>
  Math.min(2 * from, Math.max(Math.ceil(from / 2), wanted));

/** Those that still count. */
export const recentChanges = (changes: readonly PastChange[], nowMs: number): readonly PastChange[] =>
  changes.filter(({ atMs }) => nowMs - atMs < DAY_MS);
