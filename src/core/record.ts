import type { EventOut, Json } from './api.js';
import { decodeCounts, encodeCounts, encodeRefs } from './counts.js';
import { type DecidedEntry, type Part, partsOf } from './entry.js';
import type { DecidedEvent, Predecessor } from './event.js';
import { remembered } from './remembered.js';
import { type Timestamp, isTimestamp, msOf, termOf, toIso } from './timestamp.js';

/**
 * Records on a stream: one CloudEvents 1.0 JSON object per part, a JSON batch where a part has several events, and
 * heartbeats. Any consumer with a CloudEvents SDK can read them; our extensions carry what exactly-once reading, and
 * rebuilding a mirror from the stream alone, need.
 *
 * The text of a part is the same at every site but for its last member, `closed`. So it is made once per entry and the
 * rest is appended per site.
 */

/*
 * Extensions beside those that `EventOut` shows to readers:
 *   clock          the commit timestamp, (term, hybrid clock), sortable; `term` repeats its first half as a number
 *   eventcount     how many events the transaction has, over all streams
 *   partsbystream  how many parts stand on which stream: `orders=2,payments=1`
 *   after          the predecessor of a versioned event: `timestamp/transaction`
 *   vector         the version vector, where one is kept: `east=3,west=1`
 *   takenfrom      the decision that this one takes over after an unclean takeover
 *   firstdecided   where that one had taken over another in its turn: the first decision of all
 *   resolves       the two decisions of a conflict that this one ends: `T2@timestamp,T1@timestamp`
 *   closed         all transactions at or below it stand on this stream at this site
 */

const HEARTBEAT_TYPE = 'lockstep.heartbeat';

interface PartText {
  readonly stream: string;
  readonly key: string;
  /** The JSON of each event, without its closing brace. */
  readonly heads: readonly string[];
}

/** A record to be put: its stream, its partition key, and its bytes. */
export interface OutRecord {
  readonly stream: string;
  readonly key: string;
  readonly data: Uint8Array;
}

/**
 * The records of a committed entry for one site, a record per part.
 *
 * @param source the deployment, as CloudEvents `source` @param closedOf the closed timestamp of each stream at this site
 */
export function encodeRecords(
  entry: DecidedEntry,
  source: string,
  closedOf: (stream: string) => Timestamp,
): OutRecord[] {
  // The same events are never those of two decisions.
  const texts = remembered(entry.events, source, () => partTexts(entry, source));
  return texts.map(({ stream, key, heads }) => {
    const tail = `,"closed":"${closedOf(stream)}"}`;
    const [only] = heads;
    const text = heads.length === 1 ? `${only}${tail}` : `[${heads.map((head) => head + tail).join(',')}]`;
    return { stream, key, data: Buffer.from(text) };
  });
}

/** The records of a committed entry as texts that say nothing of `closed`: what all sites have alike. */
export function recordTexts(
  entry: DecidedEntry,
  source: string,
): readonly { readonly stream: string; readonly key: string; readonly text: string }[] {
  return partTexts(entry, source).map(({ stream, key, heads }) => ({
    stream,
    key,
    text: heads.length === 1 ? `${heads[0]}}` : `[${heads.map((head) => `${head}}`).join(',')}]`,
  }));
}

function partTexts(entry: DecidedEntry, source: string): readonly PartText[] {
  const parts = partsOf(entry.events);
  const shared = [
    `"transactionid":${JSON.stringify(entry.id)},"parts":${parts.length}`,
    `"eventcount":${entry.events.length},"partsbystream":${JSON.stringify(partsByStream(parts))}`,
    `"committedat":"${toIso(msOf(entry.at))}","clock":"${entry.at}","term":${termOf(entry.at)}`,
    ...(entry.takenFrom === undefined ? [] : [`"takenfrom":"${entry.takenFrom}"`]),
    ...(entry.firstDecided === undefined ? [] : [`"firstdecided":"${entry.firstDecided}"`]),
    ...(entry.resolves === undefined ? [] : [`"resolves":"${encodeRefs(entry.resolves)}"`]),
  ].join(',');
  const origin = `"source":${JSON.stringify(source)}`;
  return parts.map(({ stream, key, events }) => ({
    stream,
    key,
    heads: events.map((event) => eventHead(entry, event, origin, shared)),
  }));
}

function eventHead(entry: DecidedEntry, event: DecidedEvent, origin: string, shared: string): string {
  const body =
    event.data === undefined
      ? `"data_base64":${JSON.stringify(event.dataBase64)}`
      : `"datacontenttype":"application/json","data":${event.data}`;
  let head =
    `{"specversion":"1.0","id":"${entry.id}:${event.number}",${origin},"type":${JSON.stringify(event.type)},` +
    `"subject":${JSON.stringify(event.key)},"time":"${event.time ?? toIso(msOf(entry.at))}",${body},` +
    `"stream":${JSON.stringify(event.stream)},"number":${event.number},${shared}`;
  if (event.version !== undefined) head += `,"version":${event.version}`;
  if (event.after) head += `,"after":"${event.after.at}/${event.after.id}"`;
  if (event.vector) head += `,"vector":${JSON.stringify(encodeCounts(event.vector))}`;
  if (event.id !== undefined) head += `,"clientid":${JSON.stringify(event.id)}`;
  return head;
}

function partsByStream(parts: readonly Part[]): string {
  const counts: Record<string, number> = {};
  for (const { stream } of parts) counts[stream] = (counts[stream] ?? 0) + 1;
  return encodeCounts(counts);
}

/** A heartbeat: says nothing but how far this stream is closed at this site. */
export function encodeHeartbeat(
  source: string,
  stream: string,
  site: string,
  at: Timestamp,
  closed: Timestamp,
): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id: `heartbeat:${site}:${stream}:${at}`,
      source,
      type: HEARTBEAT_TYPE,
      time: toIso(msOf(at)),
      stream,
      site,
      term: termOf(closed),
      closed,
    }),
  );
}

/** One event as it stands on a stream, decoded. */
export interface RecordEvent {
  /** The event as readers get it. */
  readonly out: EventOut;
  readonly after?: Predecessor;
}

/** A record, decoded. */
export type DecodedRecord =
  | {
      readonly kind: 'part';
      readonly stream: string;
      readonly key: string;
      readonly transactionId: string;
      readonly at: Timestamp;
      readonly takenFrom?: Timestamp;
      readonly firstDecided?: Timestamp;
      /** Parts of the transaction per stream. */
      readonly partsByStream: Readonly<Record<string, number>>;
      readonly eventCount: number;
      /** By number. */
      readonly events: readonly RecordEvent[];
      readonly closed: Timestamp;
    }
  | { readonly kind: 'heartbeat'; readonly stream: string; readonly closed: Timestamp };

/** Thrown by the decoder for what it does not understand. Readers count it and go on. */
export class UnreadableRecord extends Error {
  override readonly name = 'UnreadableRecord';
}

/** @throws UnreadableRecord */
export function decodeRecord(data: Uint8Array): DecodedRecord {
  const value = parse(data);
  if (!Array.isArray(value)) {
    const object = asObject(value);
    return object['type'] === HEARTBEAT_TYPE && object['transactionid'] === undefined
      ? decodeHeartbeat(object)
      : decodePart([object]);
  }
  if (value.length === 0) throw new UnreadableRecord('an empty batch');
  return decodePart(value.map(asObject));
}

type Members = Readonly<Record<string, unknown>>;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(UTF8.decode(data)) as unknown;
  } catch (cause) {
    throw new UnreadableRecord('not JSON', { cause });
  }
}

function asObject(value: unknown): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UnreadableRecord('not a JSON object');
  const members = value as Members;
  if (members['specversion'] !== '1.0') throw new UnreadableRecord('not a CloudEvents 1.0 object');
  return members;
}

function decodeHeartbeat(members: Members): DecodedRecord {
  return { kind: 'heartbeat', stream: text(members, 'stream'), closed: stamp(members, 'closed') };
}

function decodePart(objects: readonly Members[]): DecodedRecord {
  const [first] = objects as [Members];
  const events = objects.map(decodeEvent).sort((a, b) => a.out.number - b.out.number);
  const same = ['transactionid', 'stream', 'subject', 'clock', 'closed', 'partsbystream'];
  if (objects.some((object) => same.some((name) => object[name] !== first[name]))) {
    throw new UnreadableRecord('a batch of more than one part');
  }
  const takenFrom = first['takenfrom'] === undefined ? {} : { takenFrom: stamp(first, 'takenfrom') };
  const firstDecided = first['firstdecided'] === undefined ? {} : { firstDecided: stamp(first, 'firstdecided') };
  return {
    kind: 'part',
    stream: text(first, 'stream'),
    key: text(first, 'subject'),
    transactionId: text(first, 'transactionid'),
    at: stamp(first, 'clock'),
    ...takenFrom,
    ...firstDecided,
    partsByStream: countsIn(first, 'partsbystream'),
    eventCount: whole(first, 'eventcount'),
    events,
    closed: stamp(first, 'closed'),
  };
}

function decodeEvent(members: Members): RecordEvent {
  const data = members['data'] as Json | undefined;
  const base64 = members['data_base64'];
  if ((data === undefined) === (typeof base64 !== 'string'))
    throw new UnreadableRecord('neither data nor data_base64, or both');
  const out: EventOut = {
    specversion: '1.0',
    id: text(members, 'id'),
    source: text(members, 'source'),
    type: text(members, 'type'),
    subject: text(members, 'subject'),
    time: text(members, 'time'),
    ...(data === undefined ? { data_base64: base64 as string } : { datacontenttype: 'application/json', data }),
    stream: text(members, 'stream'),
    transactionid: text(members, 'transactionid'),
    number: whole(members, 'number'),
    parts: whole(members, 'parts'),
    ...(members['version'] === undefined ? {} : { version: whole(members, 'version') }),
    committedat: text(members, 'committedat'),
    clock: stamp(members, 'clock'),
    ...(members['clientid'] === undefined ? {} : { clientid: text(members, 'clientid') }),
    ...(members['vector'] === undefined ? {} : { vector: encodeCounts(countsIn(members, 'vector')) }),
  };
  const after = members['after'] === undefined ? {} : { after: decodePredecessor(text(members, 'after')) };
  return { out, ...after };
}

function decodePredecessor(value: string): Predecessor {
  const slash = value.indexOf('/');
  const at = value.slice(0, slash);
  if (!isTimestamp(at) || slash === value.length - 1) throw new UnreadableRecord('after: not timestamp/transaction');
  return { at, id: value.slice(slash + 1) };
}

function countsIn(members: Members, name: string): Record<string, number> {
  try {
    return decodeCounts(text(members, name));
  } catch (cause) {
    if (cause instanceof UnreadableRecord) throw cause;
    throw new UnreadableRecord(`${name}: not name=count`, { cause });
  }
}

function text(members: Members, name: string): string {
  const value = members[name];
  if (typeof value !== 'string' || value === '') throw new UnreadableRecord(`${name}: not a text`);
  return value;
}

function whole(members: Members, name: string): number {
  const value = members[name];
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new UnreadableRecord(`${name}: not a whole number`);
  return value as number;
}

function stamp(members: Members, name: string): Timestamp {
  const value = members[name];
  if (!isTimestamp(value)) throw new UnreadableRecord(`${name}: not a commit timestamp`);
  return value;
}
