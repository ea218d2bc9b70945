export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Since midnight, UTC, milliseconds. */
export function sinceMidnightMs(atMs: number): number {
  return ((atMs % DAY_MS) + DAY_MS) % DAY_MS;
}

/** 0 to 23, UTC. */
export function hourOf(atMs: number): number {
  return Math.floor(sinceMidnightMs(atMs) / HOUR_MS);
}

/** 0 to 6; 1970 began on a Thursday, here 0. */
export function weekdayOf(atMs: number): number {
  return ((Math.floor(atMs / DAY_MS) % 7) + 7) % 7;
}
