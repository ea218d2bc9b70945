import { DAY_MS, hourOf, MINUTE_MS, sinceMidnightMs, weekdayOf } from './calendar.js';
import type { Leaf, Leaves } from './leaves.js';
import { OTHER } from './symbols.js';
import type { Track } from './track.js';

/** What a network looks at. Written down with its weights: they mean nothing without it. */
export interface FeatureSchema {
  /** Symbols below this have a class of their own, others are `OTHER`. */
  readonly classes: number;
  /** Fields of payloads, with the values that are told apart. */
  readonly attributes: readonly { readonly path: string; readonly values: readonly Leaf[] }[];
}

const WEEKDAYS = 7;
const HOURS = 24;
const POSITIONS = 16;
/** Names of the inputs that are numbers: logarithms of minutes, parts of ten and twenty days, part of the day. */
export const DENSE = ['log-pause', 'log-age', 'pause', 'age', 'time-of-day'] as const;

/** Rows of the sparse input. */
export function sparseRows({ classes, attributes }: FeatureSchema): number {
  return attributes.reduce((sum, { values }) => sum + values.length, classes + WEEKDAYS + HOURS + POSITIONS);
}

/** Which rows of the sparse input are 1 for the event at this place of a track. */
export function sparseOf({ classes }: FeatureSchema, track: Track, index: number): number[] {
  const symbol = track.symbols[index]!;
  const atMs = track.times[index]!;
  const rows = [
    symbol < classes ? symbol : OTHER,
    classes + weekdayOf(atMs),
    classes + WEEKDAYS + hourOf(atMs),
    classes + WEEKDAYS + HOURS + Math.min(track.positionOf(index), POSITIONS - 1),
  ];
  for (const row of track.attributes[index]!) rows.push(classes + WEEKDAYS + HOURS + POSITIONS + row);
  return rows;
}

/** @param out one place for each of `DENSE` */
export function denseOf(track: Track, index: number, out: Float64Array): void {
  const atMs = track.times[index]!;
  const pause = track.gapMs(index);
  const age = Math.max(0, atMs - track.startedAtMs);
  out[0] = Math.log1p(pause / MINUTE_MS) / 5;
  out[1] = Math.log1p(age / MINUTE_MS) / 5;
  out[2] = Math.min(pause / DAY_MS / 10, 10);
  out[3] = Math.min(age / DAY_MS / 20, 10);
  out[4] = sinceMidnightMs(atMs) / DAY_MS;
}

/** Finds the attributes' rows in payloads. */
export function attributeReader({ attributes }: FeatureSchema): (leaves: Leaves | undefined) => number[] {
  const rows = new Map<string, Map<Leaf, number>>();
  let next = 0;
  for (const { path, values } of attributes) rows.set(path, new Map(values.map((value) => [value, next++])));
  return (leaves) => {
    const found: number[] = [];
    if (leaves === undefined || rows.size === 0) return found;
    for (const [index, path] of leaves.shape.paths.entries()) {
      const row = rows.get(path)?.get(leaves.values[index]!);
      if (row !== undefined) found.push(row);
    }
    return found;
  };
}

/** The units in which networks estimate pauses: days matter more than their logarithms, and less than themselves. */
export function toPauseUnits(ms: number): number {
  return Math.sqrt(Math.max(0, ms) / DAY_MS) / 2;
}

export function fromPauseUnits(units: number): number {
  return (Math.max(0, units) * 2) ** 2 * DAY_MS;
}
