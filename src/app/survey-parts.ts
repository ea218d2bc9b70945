import { entryLines, type rangeFinder } from '../core/compare.js';
import type { DecidedEntry } from '../core/entry.js';
import { glanceSum } from '../core/glance.js';
import { type DecodedRecord, UnreadableRecord, decodeRecord, recordTexts } from '../core/record.js';
import { NEVER, type Timestamp, latest, msOf } from '../core/timestamp.js';
import type { Range } from '../ports/mirror-agent.js';
import type { Position, StreamRecord } from '../ports/streams.js';
import type { LogRange, LogRow } from './log-walk.js';
import type { Site } from './site.js';

/** What a log and the streams beside it are compared by: the parts that are expected, and the records that stand there. */

/** A part as the log has it: which record of it is expected. */
export interface Expected {
  readonly entry: DecidedEntry;
  readonly stream: string;
  readonly id: string;
  readonly key: string;
  readonly at: Timestamp;
  readonly line: string;
  readonly range: number;
  readonly text: string;
}

export type Spans = ReadonlyMap<string, Required<LogRange>>;

export const nameOf = (stream: string, id: string): string => `${stream}/${id}`;
export const sumOf = ({ key, text }: Pick<Expected, 'key' | 'text'>): string => glanceSum(key, text);
export const isWithin = ({ from, to }: Required<LogRange>, at: Timestamp): boolean => from < at && at <= to;

/** By stream, from where to where it is compared. */
export function spansOf(ranges: readonly Range[]): Spans {
  const spans = new Map<string, Required<LogRange>>();
  for (const { stream, from, to } of ranges) {
    const span = spans.get(stream) ?? { from, to };
    spans.set(stream, { from: from < span.from ? from : span.from, to: latest(to, span.to) });
  }
  return spans;
}

/** All of it. */
export function spanOf(spans: Spans): Required<LogRange> {
  const all = [...spans.values()];
  const from = all.reduce((low, span) => (span.from < low ? span.from : low), all[0]?.from ?? NEVER);
  return { from, to: latest(...all.map((span) => span.to)) };
}

/** Whether an entry has parts on these streams. @param isMeant whether a name is looked at */
export function concerns({ id, status, item }: LogRow, spans: Spans, isMeant: (name: string) => boolean): boolean {
  if (status !== 'committed') return false;
  const streams = String(item['streams']).split(',');
  return streams.some((stream) => spans.has(stream) && isMeant(nameOf(stream, id)));
}

/** The parts of an entry that are in these ranges. */
export function* partsOf(site: Site, entry: DecidedEntry, find: ReturnType<typeof rangeFinder>): Generator<Expected> {
  const records = recordTexts(entry, site.ports.deployment.name);
  for (const [index, part] of entryLines(entry).entries()) {
    const range = find(part);
    const record = records[index];
    if (range < 0 || !record) continue;
    const { stream, key, text } = record;
    yield { entry, stream, id: entry.id, key, at: entry.at, line: part.line, range, text };
  }
}

/** What a record says, or why it says nothing. */
export function decoded(record: StreamRecord): DecodedRecord | string {
  try {
    return decodeRecord(record.data);
  } catch (error) {
    if (error instanceof UnreadableRecord) return error.message;
    throw error;
  }
}

/** Where to begin reading a stream for what is above a timestamp. */
export function positionAt(site: Site, from: Timestamp): Position {
  return from === NEVER ? 'oldest' : { atMs: startMs(site, from) };
}

/** Records above a timestamp arrived at or after this time, whichever term they are of. */
function startMs(site: Site, from: Timestamp): number {
  const newer = site.routes.known.terms.filter(({ term }) => term > Number(from.slice(0, 8)));
  return Math.min(msOf(from), ...newer.map((term) => term.startedAtMs)) - site.options.readMarginMs;
}
