import { hash } from 'node:crypto';
import type { EventIn } from './api.js';
import { canonicalJson } from './canonical-json.js';
import { LockstepError } from './errors.js';
import type { Timestamp } from './timestamp.js';
import type { VersionVector } from './version-vector.js';

/** The largest event, and the largest part: data, key and envelope as they stand in one Kinesis record. */
export const MAX_RECORD_BYTES = 1024 * 1024;
const MAX_TRANSACTION_EVENTS = 500;
const MAX_TRANSACTION_BYTES = 4 * 1024 * 1024;
/** One `TransactWriteItems` takes 100 items: so many versioned keys leave room for the entry, its mark and a guard. */
export const MAX_VERSIONED_KEYS = 90;
/** Left in a record for what is added to the event: the extensions and the names of the members. */
const ENVELOPE_BYTES = 4096;

/** What an event says: what its digest covers. Exactly one of `data` and `dataBase64`. */
export interface EventContent {
  readonly stream: string;
  readonly key: string;
  readonly type: string;
  /** The data in its RFC 8785 form: text, so that it is written out once and spliced wherever it is needed. */
  readonly data?: string;
  readonly dataBase64?: string;
}

/** An event as it came in, measured and digested. `id` and `time` are the envelope: the digest does not cover them. */
export interface PreparedEvent extends EventContent {
  /** SHA-256, hexadecimal, over the RFC 8785 form of `{stream, key, type, data | dataBase64}`. */
  readonly digest: string;
  readonly id?: string;
  readonly time?: string;
  readonly expectedVersion?: number;
}

/** Whom a versioned event follows: the commit timestamp and the transaction of the version before. */
export interface Predecessor {
  readonly at: Timestamp;
  readonly id: string;
}

/** An event of a decided transaction. */
export interface DecidedEvent extends PreparedEvent {
  /** From 0 within the transaction. */
  readonly number: number;
  /** From 1 per (stream, key), where versions are kept. */
  readonly version?: number;
  /** Absent for version 1, and for events without a version. */
  readonly after?: Predecessor;
  /** Counts, per home site, the decisions on (stream, key): kept for streams whose policy asks for it. */
  readonly vector?: VersionVector;
  /** Sites that held it as an announced candidate when it was written: what became of predictions is counted by it. */
  readonly foreseen?: readonly string[];
  /** When it was written, by the clock of home; absent in a commit of one shot. Milliseconds since 1970. */
  readonly writtenAtMs?: number;
}

/**
 * Canonicalises, measures and digests an event.
 *
 * @throws LockstepError InvalidRequest (data that is no JSON, no Unicode, or nests too deep), EventTooLarge
 */
export function prepareEvent(event: EventIn): PreparedEvent {
  const { data, dataBase64, expectedVersion, id, time, ...what } = event;
  if ((data === undefined) === (dataBase64 === undefined)) {
    throw new LockstepError('InvalidRequest', 'an event has exactly one of data and dataBase64');
  }
  const content: EventContent =
    dataBase64 === undefined ? { ...what, data: canonicalJson(data) } : { ...what, dataBase64 };
  if (contentBytes(content) > MAX_RECORD_BYTES - ENVELOPE_BYTES) {
    throw new LockstepError(
      'EventTooLarge',
      `an event, encoded, has at most ${MAX_RECORD_BYTES} bytes; split it or store it elsewhere`,
    );
  }
  return {
    ...content,
    digest: digestOf(content),
    ...(id === undefined ? {} : { id }),
    ...(time === undefined ? {} : { time }),
    ...(expectedVersion === undefined ? {} : { expectedVersion }),
  };
}

/** Bytes that the content takes in a record, without the envelope. */
export function contentBytes(content: EventContent): number {
  const body = content.data ?? content.dataBase64 ?? '';
  return Buffer.byteLength(body) + Buffer.byteLength(content.key) + Buffer.byteLength(content.type);
}

/** @throws LockstepError InvalidRequest where a name holds half a surrogate pair */
function digestOf({ stream, key, type, data, dataBase64 }: EventContent): string {
  const names = `"key":${canonicalJson(key)},"stream":${canonicalJson(stream)},"type":${canonicalJson(type)}`;
  // RFC 8785 sorts the members: data | dataBase64, key, stream, type.
  const body = data === undefined ? `"dataBase64":${canonicalJson(dataBase64)}` : `"data":${data}`;
  return hash('sha256', `{${body},${names}}`, 'hex');
}

/** The event as its client gave it. */
export function toEventIn(event: PreparedEvent): EventIn {
  const { stream, key, type, data, dataBase64, id, time, expectedVersion } = event;
  return {
    stream,
    key,
    type,
    ...(data === undefined ? {} : { data: JSON.parse(data) as NonNullable<EventIn['data']> }),
    ...(dataBase64 === undefined ? {} : { dataBase64 }),
    ...(id === undefined ? {} : { id }),
    ...(time === undefined ? {} : { time }),
    ...(expectedVersion === undefined ? {} : { expectedVersion }),
  };
}

/**
 * Refuses what no transaction may hold, before anything is written.
 *
 * @throws LockstepError TransactionTooLarge
 */
export function checkTransactionSize(events: readonly PreparedEvent[]): void {
  if (events.length > MAX_TRANSACTION_EVENTS) {
    throw new LockstepError(
      'TransactionTooLarge',
      `a transaction has at most ${MAX_TRANSACTION_EVENTS} events; this one has ${events.length}`,
    );
  }
  let bytes = 0;
  const parts = new Map<string, number>();
  for (const event of events) {
    const size = contentBytes(event);
    bytes += size;
    const part = partName(event.stream, event.key);
    parts.set(part, (parts.get(part) ?? 0) + size + ENVELOPE_BYTES);
  }
  if (bytes > MAX_TRANSACTION_BYTES) {
    throw new LockstepError(
      'TransactionTooLarge',
      `a transaction has at most ${MAX_TRANSACTION_BYTES} bytes; this one has ${bytes}`,
    );
  }
  for (const size of parts.values()) {
    if (size > MAX_RECORD_BYTES) {
      throw new LockstepError(
        'EventTooLarge',
        'the events of one (stream, key) must fit one Kinesis record of 1 MiB; use more keys or transactions',
      );
    }
  }
}

/** Names a part within a transaction: stream names hold no slash, so the first one ends the stream. */
export function partName(stream: string, key: string): string {
  return `${stream}/${key}`;
}

/** An event without its data: whoever gets it holds it staged, under the same digest. */
export function isHeld(event: PreparedEvent): boolean {
  return event.data === undefined && event.dataBase64 === undefined;
}

/** The same without its data. */
export function withoutData<T extends PreparedEvent>(event: T): Omit<T, 'data' | 'dataBase64'> {
  const { data: _data, dataBase64: _bytes, ...rest } = event;
  return rest;
}

/** The data alone, as it stands in an event. */
export function bodyOf({ data, dataBase64 }: EventContent): Pick<EventContent, 'data' | 'dataBase64'> {
  return { ...(data === undefined ? {} : { data }), ...(dataBase64 === undefined ? {} : { dataBase64 }) };
}

/** Whether a client said more of an event than its digest covers. */
export function isEnveloped({ id, time, expectedVersion }: PreparedEvent): boolean {
  return id !== undefined || time !== undefined || expectedVersion !== undefined;
}
