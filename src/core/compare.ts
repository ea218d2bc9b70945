import { type DecidedEntry, partsOf } from './entry.js';
import { encodeCounts } from './counts.js';
import { type DecidedEvent, type EventContent, type PreparedEvent, prepareEvent } from './event.js';
import { contains, hashOf } from './hash-range.js';
import type { EventIn, EventOut } from './api.js';
import { newTally, tally, tallyText } from './tally.js';
import type { Timestamp } from './timestamp.js';

/**
 * Comparing what two sides hold: digests of ranges first, and only where they differ, item by item.
 *
 * The item is a part: a transaction's events for one (stream, key). Its line says everything that must be equal at all
 * sites, so equal digests over sorted lines are equal contents. The same line is made from a log entry, from a record on
 * a stream, and from what the REST API answers: anyone with read access can check a proof again.
 */

/** Where a part stands: enough to pick the ranges it belongs to. */
export interface PartLine {
  readonly stream: string;
  /** MD5 of the key, hexadecimal. */
  readonly hashed: string;
  readonly at: Timestamp;
  readonly line: string;
}

export interface LineEvent {
  readonly number: number;
  readonly digest: string;
  readonly version?: number;
  readonly vector?: string;
}

/** @param events in the order of their numbers */
function partLine(
  part: { readonly stream: string; readonly key: string; readonly at: Timestamp; readonly id: string },
  events: readonly LineEvent[],
): PartLine {
  const said = events.map(wordOf).join(',');
  const hashed = hashOf(part.key);
  return { stream: part.stream, hashed, at: part.at, line: `${part.at}|${part.id}|${hashed}|${said}` };
}

/** As it stands in a record. */
const said = ({ vector, ...event }: DecidedEvent): LineEvent =>
  vector === undefined ? event : { ...event, vector: encodeCounts(vector) };

const wordOf = ({ number, digest, version, vector }: LineEvent): string =>
  `${number}:${version ?? '-'}:${digest}${vector === undefined ? '' : `:${vector}`}`;

export function entryLines(entry: DecidedEntry): readonly PartLine[] {
  return partsOf(entry.events).map(({ stream, key, events }) =>
    partLine({ stream, key, at: entry.at, id: entry.id }, events.map(said)),
  );
}

/** The line of a part as readers get it: its digests are made anew, so that an altered record is not believed. */
export function outLine(events: readonly EventOut[]): PartLine {
  const [first] = events as [EventOut];
  return partLine(
    { stream: first.stream, key: first.subject, at: first.clock, id: first.transactionid },
    [...events]
      .sort((a, b) => a.number - b.number)
      .map((event) => ({
        number: event.number,
        digest: contentOf(event).digest,
        ...(event.version === undefined ? {} : { version: event.version }),
        ...(event.vector === undefined ? {} : { vector: event.vector }),
      })),
  );
}

/** An event as readers get it, digested as it was when it was written. */
function contentOf(event: EventOut): PreparedEvent & EventContent {
  const { stream, subject, type, data, data_base64: dataBase64 } = event;
  const body: Pick<EventIn, 'data' | 'dataBase64'> = dataBase64 === undefined ? { data: data ?? null } : { dataBase64 };
  return prepareEvent({ stream, key: subject, type, ...body });
}

/** A range of a stream: `from` exclusive, `to` inclusive; hashes both inclusive. */
export interface CompareRange {
  readonly stream: string;
  readonly from: Timestamp;
  readonly to: Timestamp;
  readonly hashFrom: string;
  readonly hashTo: string;
}

export function inRange(range: CompareRange, part: PartLine): boolean {
  return (
    part.stream === range.stream &&
    range.from < part.at &&
    part.at <= range.to &&
    contains({ from: range.hashFrom, to: range.hashTo }, part.hashed)
  );
}

/** Finds the range of a part. @param ranges none of which overlap */
export function rangeFinder(ranges: readonly CompareRange[]): (part: PartLine) => number {
  const byStream = new Map<string, number[]>();
  ranges.forEach(({ stream }, index) => byStream.set(stream, [...(byStream.get(stream) ?? []), index]));
  return (part) => byStream.get(part.stream)?.find((index) => inRange(ranges[index] as CompareRange, part)) ?? -1;
}

/** The digest of what stands in a range: each line once, since a record that stands twice is one part. */
export function rangeDigest(lines: Iterable<string>): string {
  const all = newTally();
  for (const line of new Set(lines)) tally(all, line);
  return tallyText(all);
}
