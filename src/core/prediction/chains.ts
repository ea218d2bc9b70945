import { DAY_MS, HOUR_MS, hourOf, MINUTE_MS, weekdayOf } from './calendar.js';
import { finish, fold } from './numbers.js';
import type { Track } from './track.js';

/** Between two events: at once, on the same hour, half day, day, days, week, weeks. */
const GAPS_MS = [1000, MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS, 3 * DAY_MS, 7 * DAY_MS, 30 * DAY_MS];
const HOURS_PER_BUCKET = 3;
const LONGEST_PATH = 5;
const MAX_POSITION = 12;

/** From what a track looks like to hashes of contexts, the shortest first. The array is reused: read it before the next call. */
export type Chain = (track: Track) => Uint32Array;

/** The last symbols: one, two, … */
export function pathChain(): Chain {
  const hashes = new Uint32Array(LONGEST_PATH);
  return (track) => {
    let hash = 0x70617468;
    for (let k = 1; k <= LONGEST_PATH; k += 1) {
      hash = fold(hash, track.back(k) + 2);
      hashes[k - 1] = finish(hash);
    }
    return hashes;
  };
}

/** The last symbols and when the last one came: after how long, how far into the transaction, at what time of the week. */
export function timeChain(): Chain {
  const hashes = new Uint32Array(4);
  return (track) => {
    const last = fold(0x74696d65, track.back(1) + 2);
    const before = fold(last, track.back(2) + 2);
    const gap = fold(before, gapBucket(track.lastGapMs));
    const position = fold(gap, Math.min(track.length, MAX_POSITION));
    hashes[0] = finish(last);
    hashes[1] = finish(before);
    hashes[2] = finish(gap);
    hashes[3] = finish(fold(position, hourBucket(track.lastAtMs)));
    return hashes;
  };
}

/** What the time until the next event hangs on, from little to much. */
export function pauseChain(): Chain {
  const hashes = new Uint32Array(4);
  return (track) => {
    const last = fold(0x77616974, track.back(1) + 2);
    const week = fold(fold(last, weekdayOf(track.lastAtMs)), hourBucket(track.lastAtMs));
    const before = fold(week, track.back(2) + 2);
    hashes[0] = finish(0x77616974);
    hashes[1] = finish(last);
    hashes[2] = finish(week);
    hashes[3] = finish(before);
    return hashes;
  };
}

function gapBucket(ms: number): number {
  let bucket = 0;
  while (bucket < GAPS_MS.length && ms >= GAPS_MS[bucket]!) bucket += 1;
  return bucket;
}

/** 0 to 7. */
function hourBucket(atMs: number): number {
  return Math.floor(hourOf(atMs) / HOURS_PER_BUCKET);
}
