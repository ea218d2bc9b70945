import { hash } from 'node:crypto';
import { LockstepError } from './errors.js';
import { type DecidedEvent, partName } from './event.js';
import type { Replication, TransactionStatus } from './api.js';
import type { Clause } from './table.js';
import type { Timestamp } from './timestamp.js';

/**
 * The log entry of a transaction and its life cycle.
 *
 * `open` stands at each site that holds a staged event of it and says what begin said, so that any site that becomes
 * home knows the transaction. `committed` and `aborted` are decisions: final, and the same everywhere.
 */
export interface OpenEntry {
  readonly id: string;
  readonly status: 'open';
  readonly streams: readonly string[];
  readonly replication: Replication;
  readonly startedAtMs: number;
  readonly expiresAtMs: number;
}

export interface DecidedEntry {
  readonly id: string;
  readonly status: 'committed' | 'aborted';
  /** The commit timestamp; for an abort, the timestamp of its decision. */
  readonly at: Timestamp;
  readonly streams: readonly string[];
  readonly startedAtMs: number;
  readonly expiresAtMs: number;
  /** By number. Empty for an abort. */
  readonly events: readonly DecidedEvent[];
  /** Why it was aborted; `expired` when its time ran out. */
  readonly reason?: string;
  /** Set when it was decided anew after an unclean takeover: the timestamp of the decision that it takes over. */
  readonly takenFrom?: Timestamp;
  /** Set when that one had taken over another in its turn: the timestamp of the first decision of all. */
  readonly firstDecided?: Timestamp;
  /** Set when it resolves a conflict: the two decisions that had met. */
  readonly resolves?: readonly DecisionRef[];
}

export type Entry = OpenEntry | DecidedEntry;

/** Why an abort that nobody asked for was decided. */
export const EXPIRED = 'expired';

/** From each status, where it may go. What is decided stays decided. */
const TRANSITIONS: Readonly<Record<TransactionStatus | 'new', readonly TransactionStatus[]>> = {
  new: ['open', 'committed', 'aborted'],
  open: ['open', 'committed', 'aborted'],
  committed: [],
  aborted: [],
};

/** The conditions under which an entry may be written with this status: those from which the life cycle leads there. */
export function mayBecome(to: TransactionStatus): readonly Clause[] {
  const from = (Object.keys(TRANSITIONS) as (TransactionStatus | 'new')[]).filter((it) => TRANSITIONS[it].includes(to));
  return from.map((status): Clause =>
    status === 'new' ? 'absent' : [{ attribute: 'status', is: '=', value: status }],
  );
}

export function isDecided(entry: Entry): entry is DecidedEntry {
  return entry.status !== 'open';
}

/** One part: the events of a transaction for one (stream, key), which is one record. */
export interface Part {
  readonly stream: string;
  readonly key: string;
  readonly events: readonly DecidedEvent[];
}

/** The parts of a transaction, in the order of their first events. */
export function partsOf(events: readonly DecidedEvent[]): readonly Part[] {
  if (events.length === 1) {
    const [only] = events as [DecidedEvent];
    return [{ stream: only.stream, key: only.key, events }];
  }
  const parts = new Map<string, { stream: string; key: string; events: DecidedEvent[] }>();
  for (const event of events) {
    const name = partName(event.stream, event.key);
    const part = parts.get(name);
    if (part) part.events.push(event);
    else parts.set(name, { stream: event.stream, key: event.key, events: [event] });
  }
  return [...parts.values()];
}

/** The refusal that a request for an open transaction gets when it is decided already. */
export function refusalFor(entry: DecidedEntry): LockstepError {
  if (entry.status === 'committed') {
    return new LockstepError('TransactionCommitted', `transaction ${entry.id} is committed; begin another one`);
  }
  return entry.reason === EXPIRED
    ? new LockstepError('TransactionExpired', `transaction ${entry.id} expired and was aborted; begin another one`)
    : new LockstepError(
        'TransactionAborted',
        `transaction ${entry.id} was aborted${entry.reason ? `: ${entry.reason}` : ''}`,
      );
}

/** A decision, by what its place in the log and in a backlog is made of. */
export type DecisionRef = Pick<DecidedEntry, 'id' | 'at'>;

/** What a decision is, in one line of 32 hexadecimal digits: equal sums are equal decisions. */
export function sumOf({ status, at, events }: DecidedEntry): string {
  const digests = events.map((event) => event.digest).join(',');
  const versions = events.map((event) => event.version ?? 0).join(',');
  return hash('sha256', `${status}|${at}|${digests}|${versions}`, 'hex').slice(0, 32);
}
