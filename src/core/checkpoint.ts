import { hash } from 'node:crypto';
import { LockstepError } from './errors.js';
import { NEVER, type Timestamp, clockOf, msOf, termOf } from './timestamp.js';

/**
 * Where a reader group stands: the same on every replica, because it names transactions and commit timestamps only,
 * never shards or sequence numbers. As text it is opaque, checked, and at most 4,096 characters.
 */

/** The most transactions above the closed timestamp that a checkpoint names. */
export const MAX_EMITTED = 128;
/** Unclean takeovers that a checkpoint remembers; each needs an operator who forces it, so there are few. */
export const MAX_ANCHORS = 4;
/** Identities in all anchors together: what is left of 4,096 characters. */
export const MAX_ANCHOR_IDENTITIES = 160;

const IDENTITY_BYTES = 12;
/** In anchors, shorter ones do: each is compared with few others. */
const SHORT_BYTES = 8;

/** Stands for a transaction id in a checkpoint: the first 12 bytes of its SHA-256, hexadecimal. */
export type Identity = string;

export function identityOf(transactionId: string): Identity {
  return hash('sha256', transactionId, 'hex').slice(0, 2 * IDENTITY_BYTES);
}

/** How anchors write an identity. */
export function shortOf(identity: Identity): string {
  return identity.slice(0, 2 * SHORT_BYTES);
}

/** A transaction that a page cut: so many of its events, by number, have been emitted. */
export interface Cut {
  readonly identity: Identity;
  readonly count: number;
}

/** What has been emitted. */
export interface Standing {
  /** All transactions at or below it. */
  readonly closed: Timestamp;
  /** These above it. */
  readonly emitted: ReadonlySet<Identity>;
  /** And a piece of this one. */
  readonly partial?: Cut;
}

/**
 * Where the reader stood when a term began uncleanly. What only the lost home knew may be decided once more in a later
 * term, naming the old decision: by this the reader tells whether it had met that one. Identities are short ones.
 */
export interface Anchor extends Standing {
  readonly term: number;
}

export interface Checkpoint extends Standing {
  /** No transaction in `emitted` or `partial` is above it: a reader that gets so far has met all that it ever will. */
  readonly top: Timestamp;
  /** By term. */
  readonly anchors: readonly Anchor[];
}

/** Nothing read yet. */
export const START: Checkpoint = { closed: NEVER, emitted: new Set(), top: NEVER, anchors: [] };

/** A term as the route lists it, as far as readers care. */
export interface TermStart {
  readonly term: number;
  readonly startedAtMs: number;
}

/**
 * The time from which on a replica may hold records above the checkpoint: its closed timestamp or, where that is
 * earlier, the start of a newer term, whose clock may have been behind.
 *
 * @returns milliseconds since 1970, without any margin for clocks; undefined: from the oldest on
 */
export function owedFromMs({ closed }: Checkpoint, terms: readonly TermStart[]): number | undefined {
  if (closed === NEVER) return undefined;
  const newer = terms.filter(({ term }) => term > termOf(closed)).map(({ startedAtMs }) => startedAtMs);
  return Math.min(msOf(closed), ...newer);
}

/**
 * Where in time to start reading a replica for this checkpoint.
 *
 * @param marginMs how far apart the clocks of coordinators and streams may be
 */
export function startMs(checkpoint: Checkpoint, terms: readonly TermStart[], marginMs: number): number | 'oldest' {
  const fromMs = owedFromMs(checkpoint, terms);
  return fromMs === undefined ? 'oldest' : Math.max(0, fromMs - marginMs);
}

/*
 * The text is base64url of:
 *   version 1 | checksum 8 | streams 8 | closed 11 | top 11 | partial 2 or 14 | emitted 1 + 12 each | anchors 1 + each:
 *     term 4 | closed 11 | partial 2 or 10 | emitted 1 + 8 each
 * With all of it at its most that is 1,590 + 4 × 26 + 160 × 8 = 2,974 of the 3,072 bytes that 4,096 characters hold.
 */
const VERSION = 1;
const CHECKSUM_BYTES = 8;
const STREAMS_BYTES = 8;
const MAX_CHARACTERS = 4096;

/**
 * @param streams the streams that are read, in any order
 * @throws Error where the checkpoint names more than a text may: a mistake in the program
 */
export function encodeCheckpoint(checkpoint: Checkpoint, streams: readonly string[]): string {
  const { emitted, anchors } = checkpoint;
  if (!fits(checkpoint)) {
    throw new Error(`a checkpoint of ${emitted.size} transactions and ${anchors.length} anchors does not fit`);
  }
  const body = Buffer.concat([
    streamsHash(streams),
    stampBytes(checkpoint.closed),
    stampBytes(checkpoint.top),
    cutBytes(checkpoint.partial),
    setBytes(emitted),
    Buffer.of(anchors.length),
    ...anchors.flatMap((anchor) => [
      wholeBytes(BigInt(anchor.term), 4),
      stampBytes(anchor.closed),
      cutBytes(anchor.partial),
      setBytes(anchor.emitted),
    ]),
  ]);
  return Buffer.concat([Buffer.of(VERSION), checksum(body), body]).toString('base64url');
}

/**
 * @param streams the streams that are to be read: a checkpoint is good for the very same ones only
 * @throws LockstepError InvalidCheckpoint
 */
export function decodeCheckpoint(text: string, streams: readonly string[]): Checkpoint {
  if (text.length > MAX_CHARACTERS) throw invalid('it is too long');
  const bytes = Buffer.from(text, 'base64url');
  // The decoder skips what it does not know and ignores loose bits; only the text that we gave is ours.
  if (bytes.toString('base64url') !== text) throw invalid('it is not base64url');
  const body = bytes.subarray(1 + CHECKSUM_BYTES);
  if (bytes[0] !== VERSION || !bytes.subarray(1, 1 + CHECKSUM_BYTES).equals(checksum(body))) {
    throw invalid('it is damaged, or of another version');
  }
  if (!body.subarray(0, STREAMS_BYTES).equals(streamsHash(streams))) throw invalid('it belongs to other streams');
  const reader = new ByteReader(body, STREAMS_BYTES);
  const closed = reader.stamp();
  const top = reader.stamp();
  const standing = { closed, ...reader.cut(IDENTITY_BYTES), emitted: reader.set(IDENTITY_BYTES) };
  const anchors = Array.from({ length: reader.whole(1) }, () => ({
    term: reader.whole(4),
    closed: reader.stamp(),
    ...reader.cut(SHORT_BYTES),
    emitted: reader.set(SHORT_BYTES),
  }));
  const checkpoint = { ...standing, top, anchors };
  if (!reader.atEnd || !fits(checkpoint)) throw invalid('it is longer than it says');
  return checkpoint;
}

function fits({ emitted, anchors }: Checkpoint): boolean {
  const inAnchors = anchors.reduce((sum, anchor) => sum + anchor.emitted.size, 0);
  return emitted.size <= MAX_EMITTED && anchors.length <= MAX_ANCHORS && inAnchors <= MAX_ANCHOR_IDENTITIES;
}

function invalid(why: string): LockstepError {
  return new LockstepError(
    'InvalidCheckpoint',
    `the checkpoint cannot be used: ${why}; give one back exactly as a page of these streams answered it`,
  );
}

function sha256(data: string | Uint8Array, bytes: number): Buffer {
  return hash('sha256', data, 'buffer').subarray(0, bytes);
}

function checksum(body: Uint8Array): Buffer {
  return sha256(body, CHECKSUM_BYTES);
}

function streamsHash(streams: readonly string[]): Buffer {
  return sha256(JSON.stringify([...new Set(streams)].sort()), STREAMS_BYTES);
}

function wholeBytes(value: bigint, bytes: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex');
}

/** As an exact integer: sixteen digits are more than a number holds. */
function stampBytes(at: Timestamp): Buffer {
  return Buffer.concat([wholeBytes(BigInt(termOf(at)), 4), wholeBytes(BigInt(at.slice(-16)), 7)]);
}

/** A count of 0 stands for none. */
function cutBytes(cut: Cut | undefined): Buffer {
  return cut === undefined
    ? Buffer.alloc(2)
    : Buffer.concat([wholeBytes(BigInt(cut.count), 2), Buffer.from(cut.identity, 'hex')]);
}

/** Sorted, so that one place has one text. */
function setBytes(identities: ReadonlySet<string>): Buffer {
  return Buffer.concat([Buffer.of(identities.size), Buffer.from([...identities].sort().join(''), 'hex')]);
}

class ByteReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  whole(bytes: number): number {
    return Number(BigInt(`0x${this.#hex(bytes)}`));
  }

  stamp(): Timestamp {
    const term = this.whole(4);
    const clock = BigInt(`0x${this.#hex(7)}`);
    return `${String(term).padStart(8, '0')}.${String(clock).padStart(16, '0')}`;
  }

  cut(identityBytes: number): { partial?: Cut } {
    const count = this.whole(2);
    return count === 0 ? {} : { partial: { identity: this.#hex(identityBytes), count } };
  }

  set(identityBytes: number): Set<string> {
    return new Set(Array.from({ length: this.whole(1) }, () => this.#hex(identityBytes)));
  }

  #hex(bytes: number): string {
    const to = this.#at + bytes;
    if (to > this.#bytes.length) throw invalid('it is shorter than it says');
    const hex = this.#bytes.toString('hex', this.#at, to);
    this.#at = to;
    return hex;
  }
}

/** The timestamp just before: what is closed while this one is still to come. None before a clock of 0. */
export function justBefore(at: Timestamp): Timestamp | undefined {
  const clock = clockOf(at);
  return clock === 0 ? undefined : `${at.slice(0, 9)}${String(clock - 1).padStart(16, '0')}`;
}
