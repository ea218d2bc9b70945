import { DAY_MS, sinceMidnightMs, weekdayOf } from './calendar.js';
import type { FeatureSchema } from './features.js';
import type { Track } from './track.js';

/** The last kinds of events, and the first. */
const LAST = 4;
/** Of so many kinds at most it is counted how often each was there: those that were seen first. */
const MAX_COUNTED = 12;
const FIRST_COUNTED = 2;
/** From Thursday, with which 1970 began, to Monday: so a week ends with its weekend. */
const TO_MONDAY = 3;
/** How often the last kind was there, how often in a row, position, pauses, age, and the time by day and week. */
const MEASURES = 9;

/** How a track looks to trees: first what is equal or not, then what is more or less. */
export interface ForestRows {
  /** Values of a row. */
  readonly width: number;
  /** So many of them, the first ones, name something: trees ask whether they are equal to something. */
  readonly names: number;
  /** Writes the row of a track as it is after this event. */
  write(track: Track, index: number, out: Float32Array, at: number): void;
}

export function forestRows({ classes, attributes }: FeatureSchema): ForestRows {
  /** By row of the attributes: whose value it is. */
  const fieldOf = attributes.flatMap(({ values }, field) => values.map(() => field));
  const names = LAST + 1 + attributes.length;
  const counted = Math.max(0, Math.min(classes - FIRST_COUNTED, MAX_COUNTED));
  const write = (track: Track, index: number, out: Float32Array, at: number): void => {
    const { symbols } = track;
    for (let k = 0; k < LAST; k += 1) out[at + k] = symbols[index - k] ?? -1;
    out[at + LAST] = symbols[0] ?? -1;
    out.fill(-1, at + LAST + 1, at + names);
    for (const row of track.attributes[index] ?? []) out[at + LAST + 1 + fieldOf[row]!] = row;
    measure(track, index, out.subarray(at + names, at + names + MEASURES + counted));
  };
  return { width: names + MEASURES + counted, names, write };
}

function measure(track: Track, index: number, out: Float32Array): void {
  const { symbols } = track;
  const last = symbols[index];
  const atMs = track.times[index] ?? track.startedAtMs;
  out.fill(0);
  let before = 0;
  for (let i = 0; i <= index; i += 1) {
    const symbol = symbols[i]!;
    if (symbol === last) before += 1;
    const place = MEASURES + symbol - FIRST_COUNTED;
    if (place >= MEASURES && place < out.length) out[place] = out[place]! + 1;
  }
  let inARow = 0;
  while (inARow <= index && symbols[index - inARow] === last) inARow += 1;
  out[0] = before;
  out[1] = inARow;
  out[2] = track.positionOf(index);
  out[3] = track.gapMs(index);
  out[4] = index > 0 ? track.gapMs(index - 1) : 0;
  out[5] = Math.max(0, atMs - track.startedAtMs);
  const weekday = (weekdayOf(atMs) + TO_MONDAY) % 7;
  out[6] = weekday;
  out[7] = sinceMidnightMs(atMs);
  out[8] = weekday * DAY_MS + sinceMidnightMs(atMs);
}
