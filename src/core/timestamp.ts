/**
 * Commit timestamps: the pair (term, hybrid logical clock), compared in this order.
 *
 * Both are fixed-width decimals in one string, so that plain string comparison is the order, in JavaScript and in a
 * table's condition alike. The hybrid clock counts 1,024 ticks a millisecond; as a number it stays a safe integer until
 * the year 2248.
 */
export type Timestamp = string;

const TERM_DIGITS = 8;
const CLOCK_DIGITS = 16;
export const TICKS_PER_MS = 1024;

/** Before every decision. */
export const NEVER: Timestamp = timestamp(0, 0);

/** @param term 0 to 99,999,999 @param clock ticks of the hybrid clock, a safe integer */
export function timestamp(term: number, clock: number): Timestamp {
  return `${String(term).padStart(TERM_DIGITS, '0')}.${String(clock).padStart(CLOCK_DIGITS, '0')}`;
}

const PATTERN = /^\d{8}\.\d{16}$/;

export function isTimestamp(text: unknown): text is Timestamp {
  return typeof text === 'string' && PATTERN.test(text);
}

export function termOf(at: Timestamp): number {
  return Number(at.slice(0, TERM_DIGITS));
}

export function clockOf(at: Timestamp): number {
  return Number(at.slice(TERM_DIGITS + 1));
}

/** Milliseconds since 1970 of the clock part. */
export function msOf(at: Timestamp): number {
  return Math.floor(clockOf(at) / TICKS_PER_MS);
}

export function clockAt(ms: number): number {
  return Math.floor(ms * TICKS_PER_MS);
}

/**
 * The next tick of a hybrid clock: physical time where it moves on, one more where it does not.
 *
 * @param last the last tick that this clock gave or saw @param nowMs physical time
 */
export function tick(last: number, nowMs: number): number {
  return Math.max(last + 1, clockAt(nowMs));
}

/** The largest of some timestamps, `NEVER` of none. */
export function latest(...stamps: Timestamp[]): Timestamp {
  return stamps.reduce((a, b) => (b > a ? b : a), NEVER);
}

let lastMs = 0;
let lastIso = new Date(0).toISOString();

/** RFC 3339 in UTC with milliseconds. The last answer is kept: the commits of one moment ask for the same. */
export function toIso(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}
