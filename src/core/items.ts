import { decodeCounts, decodeRefs, encodeCounts, encodeRefs } from './counts.js';
import { type Entry, type DecidedEntry, type OpenEntry, sumOf } from './entry.js';
import type { Announcement, Candidate } from './candidate.js';
import { type DecidedEvent, type EventContent, type PreparedEvent, bodyOf, isHeld, partName } from './event.js';
import { hash } from 'node:crypto';
import { remembered } from './remembered.js';
import { spread } from './ids.js';
import type { Item, Key, Row } from './table.js';
import { type Timestamp, clockAt, timestamp } from './timestamp.js';
import type { VersionVector } from './version-vector.js';

/**
 * Where everything stands in a site's tables, and what it looks like there.
 *
 *   guard#{copy}           -                  what conditional writes check
 *   tx#{id}                entry              the log entry
 *   tx#{id}                chunk#{sum}#{n}    events that do not fit the entry
 *   tx#{id}                event#{number}#{request}  a staged event: racing writes may be given the same number
 *   tx#{id}                part#{number}#{request}#{n}  a share of a staged event that does not fit its item
 *   tx#{id}                client#{id}        which number a client's own id was given
 *   tx#{id}                held#{number}#{request}  a staged event of which this site had the content already
 *   tx#{id}                candidate#{digest} an event that this site foresees; on no stream, and no client's yet
 *   tx#{id}                foreseen#{site}    at home: what that site has announced that it foresees
 *   mark#{bucket}          {id}               the transaction is open, or decided and not yet everywhere
 *   version#{stream}/{key} -                  the last version of the key
 *   backlog#{stream}       {timestamp}/{id}   committed, not yet on this site's replica
 *   replica                {stream}           there is a replica here, or one is about to be filled from the log
 *   closed                 {stream}           how far this site's replica is closed
 *   candidates             {id}               which candidates were staged here, until what became of them is counted
 *   predictions            -                  what became of all candidates here so far
 *   load#{stream}          {minute}/{process} what one process offered a stream that is scaled, within a minute
 *   diverged               -                  up to which unclean term this site's own history is resolved
 *   untold                 {what}             what a return has overruled, recorded, copied, until a proof has told it
 *   unmirrored             {stream}           a transaction wanted mirrors of it that could not be made then
 */

export const bucketOf = (id: string, buckets: number): number => spread(id, buckets);

export const guardKey = (copy: number): Key => ({ pk: `guard#${copy}`, sk: '-' });
export const entryKey = (id: string): Key => ({ pk: transactionPk(id), sk: 'entry' });
export const transactionPk = (id: string): string => `tx#${id}`;
const chunkKey = (id: string, sum: string, index: number): Key => ({
  pk: transactionPk(id),
  sk: `chunk#${sum}#${pad(index)}`,
});
const stagedKey = (id: string, number: number, request: string): Key => ({
  pk: transactionPk(id),
  sk: `event#${pad(number)}#${request}`,
});
/** Apart from whole ones: told late, it must not take the place of one. */
const heldKey = (id: string, number: number, request: string): Key => ({
  pk: transactionPk(id),
  sk: `held#${pad(number)}#${request}`,
});
const partKey = (id: string, number: number, request: string, index: number): Key => ({
  pk: transactionPk(id),
  sk: `part#${pad(number)}#${request}#${pad(index)}`,
});
export const clientKey = (id: string, clientId: string): Key => ({ pk: transactionPk(id), sk: `client#${clientId}` });
export const candidateKey = (id: string, digest: string): Key => ({ pk: transactionPk(id), sk: `candidate#${digest}` });
export const foreseenKey = (id: string, site: string): Key => ({ pk: transactionPk(id), sk: `foreseen#${site}` });
/** Transactions of which candidates were staged here, until what became of them is counted. */
export const TALLIED = 'candidates';
export const talliedKey = (id: string): Key => ({ pk: TALLIED, sk: id });
export const TALLY_KEY: Key = { pk: 'predictions', sk: '-' };
/** What the predictor at work here says of itself, where another process is asked for it. */
export const MODEL_KEY: Key = { pk: 'predictions', sk: 'model' };
export const markPk = (bucket: number): string => `mark#${bucket}`;
export const markKey = (id: string, buckets: number): Key => ({ pk: markPk(bucketOf(id, buckets)), sk: id });
export const versionKey = (stream: string, key: string): Key => ({ pk: `version#${partName(stream, key)}`, sk: '-' });
export const backlogPk = (stream: string): string => `backlog#${stream}`;
export const backlogKey = (stream: string, at: Timestamp, id: string): Key => ({
  pk: backlogPk(stream),
  sk: `${at}/${id}`,
});
export const replicaKey = (stream: string): Key => ({ pk: 'replica', sk: stream });
export const UNMIRRORED = 'unmirrored';
export const unmirroredKey = (stream: string): Key => ({ pk: UNMIRRORED, sk: stream });
export const loadPk = (stream: string): string => `load#${stream}`;
/** @param minute since 1970: eight digits until the year 2160 */
export const loadKey = (stream: string, minute: number, process: string): Key => ({
  pk: loadPk(stream),
  sk: `${String(minute).padStart(8, '0')}/${process}`,
});
export const closedKey = (stream: string): Key => ({ pk: 'closed', sk: stream });

const pad = (number: number): string => String(number).padStart(5, '0');

// ---------------------------------------------------------------------------------------------------------- guard

/** A copy of what a conditional write checks. `open`: decisions are taken here. */
export interface Guard {
  readonly term: number;
  readonly epoch: number;
  /** No transaction at or below it will be decided any more. */
  readonly bar: Timestamp;
  readonly open: boolean;
}

export const guardItem = (guard: Guard): Item => ({ ...guard });

export function readGuard(item: Item): Guard {
  return {
    term: Number(item['term']),
    epoch: Number(item['epoch']),
    bar: String(item['bar']),
    open: item['open'] === true,
  };
}

// ----------------------------------------------------------------------------------------------------------- mark

/** `open`: begun and not decided. `pending`: decided, not yet known to be everywhere; `epoch` is that of its writer. */
export type Mark =
  | { readonly id: string; readonly state: 'open'; readonly expiresAtMs: number }
  | { readonly id: string; readonly state: 'pending'; readonly epoch: number; readonly at: Timestamp };

export const openMark = (expiresAtMs: number): Item => ({ state: 'open', expiresAtMs });
export const pendingMark = (epoch: number, at: Timestamp): Item => ({ state: 'pending', epoch, at });

export function readMark(id: string, item: Item): Mark {
  return item['state'] === 'open'
    ? { id, state: 'open', expiresAtMs: Number(item['expiresAtMs']) }
    : { id, state: 'pending', epoch: Number(item['epoch']), at: String(item['at']) };
}

// ---------------------------------------------------------------------------------------------------------- entry

/** The events of an entry in text: in the item itself, or in chunks named by their sum where they are too long. */
export interface EncodedEntry {
  readonly item: Item;
  readonly chunks: readonly { readonly key: Key; readonly item: Item }[];
}

/** Sorts open entries by when they began and decided ones by their timestamps, within their status. */
export const indexPk = (status: Entry['status'], bucket: number): string => `${status}#${bucket}`;

function encodeEvents(events: readonly DecidedEvent[]): string {
  return remembered(events, 'text', JSON.stringify);
}

/** @param buckets of the index @param maxBytes what an item may hold; more is chunked */
export function encodeDecided(entry: DecidedEntry, buckets: number, maxBytes: number): EncodedEntry {
  return remembered(entry.events, `item ${buckets} ${maxBytes}`, () => encodeOnce(entry, buckets, maxBytes));
}

function encodeOnce(entry: DecidedEntry, buckets: number, maxBytes: number): EncodedEntry {
  const { id, status, at, streams, startedAtMs, expiresAtMs, reason, takenFrom, firstDecided, resolves } = entry;
  const text = encodeEvents(entry.events);
  const base = {
    status,
    at,
    streams: streams.join(','),
    startedAtMs,
    expiresAtMs,
    decision: sumOf(entry),
    indexPk: indexPk(status, bucketOf(id, buckets)),
    indexSk: `${at}/${id}`,
    ...(reason === undefined ? {} : { reason }),
    ...(takenFrom === undefined ? {} : { takenFrom }),
    ...(firstDecided === undefined ? {} : { firstDecided }),
    ...(resolves === undefined ? {} : { resolves: encodeRefs(resolves) }),
  };
  // A character takes at most three bytes: short texts need no counting.
  const room = maxBytes - 2048;
  if (text.length * 3 <= room || Buffer.byteLength(text) <= room)
    return { item: { ...base, events: text }, chunks: [] };
  const sum = hash('sha256', text, 'hex').slice(0, 16);
  const bytes = Buffer.from(text);
  const chunks = [];
  for (let from = 0; from < bytes.length; from += room) {
    chunks.push({ key: chunkKey(id, sum, chunks.length), item: { bytes: bytes.subarray(from, from + room) } });
  }
  return { item: { ...base, chunks: chunks.length, sum }, chunks };
}

export function encodeOpen(entry: OpenEntry, buckets: number, next: number): Item {
  const { id, streams, replication, startedAtMs, expiresAtMs } = entry;
  return {
    status: 'open',
    streams: streams.join(','),
    replication,
    startedAtMs,
    expiresAtMs,
    next,
    indexPk: indexPk('open', bucketOf(id, buckets)),
    indexSk: `${timestamp(0, clockAt(startedAtMs))}/${id}`,
  };
}

/** The keys of the chunks that an entry's item names; none where the events stand in the item. */
export function chunkKeys(id: string, item: Item): readonly Key[] {
  const chunks = Number(item['chunks'] ?? 0);
  return Array.from({ length: chunks }, (_, index) => chunkKey(id, String(item['sum']), index));
}

/** @param chunks the items at `chunkKeys`, in their order */
export function decodeEntry(id: string, item: Item, chunks: readonly (Item | undefined)[] = []): Entry {
  const common = {
    id,
    streams: String(item['streams']).split(',').filter(Boolean),
    startedAtMs: Number(item['startedAtMs']),
    expiresAtMs: Number(item['expiresAtMs']),
  };
  if (item['status'] === 'open') {
    return { ...common, status: 'open', replication: item['replication'] === 'at-commit' ? 'at-commit' : 'eager' };
  }
  const text = item['events'] === undefined ? joinChunks(id, chunks) : String(item['events']);
  return {
    ...common,
    status: item['status'] === 'committed' ? 'committed' : 'aborted',
    at: String(item['at']),
    events: JSON.parse(text) as DecidedEvent[],
    ...(item['reason'] === undefined ? {} : { reason: String(item['reason']) }),
    ...(item['takenFrom'] === undefined ? {} : { takenFrom: String(item['takenFrom']) }),
    ...(item['firstDecided'] === undefined ? {} : { firstDecided: String(item['firstDecided']) }),
    ...(item['resolves'] === undefined ? {} : { resolves: decodeRefs(String(item['resolves'])) }),
  };
}

function joinChunks(id: string, chunks: readonly (Item | undefined)[]): string {
  const bytes = chunks.map((chunk) => chunk?.['bytes']);
  if (bytes.length === 0 || !bytes.every((part) => part instanceof Uint8Array))
    throw new Error(`transaction ${id} lacks a chunk of its events`);
  return Buffer.concat(bytes).toString();
}

// --------------------------------------------------------------------------------------------------------- staged

/** An uncommitted event as it stands at a site. */
export interface StagedEvent extends PreparedEvent {
  readonly number: number;
  /** The term in which it was staged. */
  readonly term: number;
  /** The request that wrote it, and its place there: with it, a request of unknown outcome is repeated without harm. */
  readonly request: string;
  /** Sites that held it as an announced candidate when it was written. */
  readonly foreseen?: readonly string[];
  /** By the clock of home, milliseconds since 1970. */
  readonly writtenAtMs?: number;
}

/** What may follow a staged event in its items: keys, names, the digest. */
const STAGED_ROOM = 4096;
/** In all their sort keys, what begins the names of a transaction's stagings. */
export const STAGING_PREFIXES = ['client#', 'event#', 'part#', 'held#', 'candidate#', 'foreseen#'] as const;

/** The items of a staged event, its own last: where that stands, the parts do. */
export function encodeStaged(
  id: string,
  event: StagedEvent,
  maxBytes: number,
): readonly { readonly key: Key; readonly item: Item }[] {
  const { number, request, digest } = event;
  const text = JSON.stringify(event);
  if (isHeld(event)) return [{ key: heldKey(id, number, request), item: { digest, event: text } }];
  const key = stagedKey(id, number, request);
  const room = maxBytes - STAGED_ROOM;
  if (text.length * 3 <= room || Buffer.byteLength(text) <= room) return [{ key, item: { digest, event: text } }];
  const bytes = Buffer.from(text);
  const parts = [];
  for (let from = 0; from < bytes.length; from += room) {
    parts.push({ key: partKey(id, number, request, parts.length), item: { bytes: bytes.subarray(from, from + room) } });
  }
  return [...parts, { key, item: { digest, number, request, parts: parts.length } }];
}

/**
 * The staged events among the rows of a transaction, by number; one of which a part is missing was never answered. One
 * that stands here without its content was foreseen: a candidate here has it.
 */
export function stagedAmong(id: string, rows: readonly Row[]): readonly StagedEvent[] {
  const whole = wholeAmong(id, rows);
  const held = rows.filter(({ key }) => key.sk.startsWith('held#'));
  if (held.length === 0) return latestOf(whole);
  const known = new Set(whole.map(({ number, request }) => heldKey(id, number, request).sk));
  const contents = new Map(candidatesAmong(rows).map((candidate) => [candidate.digest, candidate]));
  const filled = held.flatMap(({ key, item }) => {
    const content = known.has(key.sk) ? undefined : contents.get(String(item['digest']));
    return content ? [{ ...(JSON.parse(String(item['event'])) as StagedEvent), ...bodyOf(content) }] : [];
  });
  return latestOf([...whole, ...filled].sort((a, b) => a.number - b.number));
}

/** A write that lost a race for its number stands here under a later one as well, which counts. */
function latestOf(events: readonly StagedEvent[]): readonly StagedEvent[] {
  const latest = new Map(events.map((event) => [event.request, event]));
  return events.filter((event) => latest.get(event.request) === event);
}

function wholeAmong(id: string, rows: readonly Row[]): readonly StagedEvent[] {
  const parts = new Map(rows.filter(({ key }) => key.sk.startsWith('part#')).map(({ key, item }) => [key.sk, item]));
  return rows.flatMap(({ key, item }) => {
    if (!key.sk.startsWith('event#')) return [];
    if (item['event'] !== undefined) return [JSON.parse(String(item['event'])) as StagedEvent];
    const bytes = Array.from({ length: Number(item['parts']) }, (_, index) => {
      const part = parts.get(partKey(id, Number(item['number']), String(item['request']), index).sk)?.['bytes'];
      return part instanceof Uint8Array ? part : undefined;
    });
    const whole = bytes.flatMap((part) => part ?? []);
    return whole.length === bytes.length ? [JSON.parse(Buffer.concat(whole).toString()) as StagedEvent] : [];
  });
}

// ----------------------------------------------------------------------------------------------------- candidates

export function encodeCandidate(id: string, candidate: Candidate): { readonly key: Key; readonly item: Item } {
  const { digest, isEnveloped, below, ...content } = candidate;
  return { key: candidateKey(id, digest), item: { digest, isEnveloped, below, event: JSON.stringify(content) } };
}

export function candidatesAmong(rows: readonly Row[]): readonly Candidate[] {
  return rows
    .filter(({ key }) => key.sk.startsWith('candidate#'))
    .map(({ item }) => ({
      ...(JSON.parse(String(item['event'])) as EventContent),
      digest: String(item['digest']),
      isEnveloped: item['isEnveloped'] === true,
      below: Number(item['below']),
    }));
}

export const announcementItem = ({ epoch, below, bare, enveloped }: Announcement): Item => ({
  epoch,
  below,
  bare: bare.join(','),
  enveloped: enveloped.join(','),
});

export function announcementsAmong(rows: readonly Row[]): readonly Announcement[] {
  const list = (text: unknown): readonly string[] => String(text).split(',').filter(Boolean);
  return rows
    .filter(({ key }) => key.sk.startsWith('foreseen#'))
    .map(({ key, item }) => ({
      site: key.sk.slice('foreseen#'.length),
      epoch: Number(item['epoch']),
      below: Number(item['below']),
      bare: list(item['bare']),
      enveloped: list(item['enveloped']),
    }));
}

// -------------------------------------------------------------------------------------------------------- version

/** The last version of a (stream, key), who wrote it, and what it knew where that is kept. */
export interface VersionItem {
  readonly version: number;
  readonly at: Timestamp;
  readonly id: string;
  readonly vector?: VersionVector;
}

export const versionItem = ({ version, at, id, vector }: VersionItem): Item => ({
  version,
  at,
  id,
  ...(vector === undefined ? {} : { vector: encodeCounts(vector) }),
});

export function readVersion(item: Item): VersionItem {
  const { version, at, id, vector } = item;
  const what = { version: Number(version), at: String(at), id: String(id) };
  return vector === undefined ? what : { ...what, vector: decodeCounts(String(vector)) };
}
