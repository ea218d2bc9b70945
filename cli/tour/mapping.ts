import type { EventIn } from '../../src/core/api.js';
import type { LogCase } from './event-log.js';

/**
 * The four streams of the tour, by what an event is in its case. Any log has these, whatever its activities are called,
 * and nearly every case touches several.
 */
const TOUR_STREAMS = ['openings', 'steps', 'rework', 'closings'] as const;

/** Their names at a deployment. @param prefix keeps them apart from streams that others have there */
export const tourStreams = (prefix: string): readonly string[] => TOUR_STREAMS.map((name) => prefix + name);

/** An event of the tour: its place in its case stands in its number, its `id` and its data alike. */
export interface TourEvent extends EventIn {
  readonly id: string;
  readonly time: string;
  readonly data: { readonly index: number; readonly row: Readonly<Record<string, string>> };
}

/**
 * The events of a case, in its order, as one transaction writes them: the first opens it, the last closes it; between
 * them an activity that the case has seen before is rework, any other a step.
 */
export function eventsOf(logCase: LogCase, prefix = ''): TourEvent[] {
  const seen = new Set<string>();
  const last = logCase.events.length - 1;
  return logCase.events.map(({ activity, time, row }, index) => {
    const stream = prefix + streamOf(index, last, seen.has(activity));
    seen.add(activity);
    return { stream, key: logCase.id, type: activity, id: String(index), time, data: { index, row } };
  });
}

function streamOf(index: number, last: number, again: boolean): (typeof TOUR_STREAMS)[number] {
  if (index === 0) return 'openings';
  if (index === last) return 'closings';
  return again ? 'rework' : 'steps';
}

/** A transaction's id: of this run of the tour and this case, the same however often it is tried. */
export function transactionIdOf(run: string, caseIndex: number): string {
  return `${run}-${caseIndex}`;
}

/** The case that an id of this run belongs to; undefined for the id of anyone else. */
export function caseIndexOf(run: string, transactionId: string): number | undefined {
  if (!transactionId.startsWith(`${run}-`)) return undefined;
  const rest = transactionId.slice(run.length + 1);
  return /^\d{1,9}$/.test(rest) ? Number(rest) : undefined;
}
