import type { TermStart } from '../../core/checkpoint.js';
import type { Term } from '../../core/route.js';
import type { Timestamp } from '../../core/timestamp.js';
import type { Clock } from '../../ports/environment.js';
import type { Streams } from '../../ports/streams.js';

/** How far one replica is closed. */
export interface StreamClosed {
  /** Everything at or below it stands on this replica. */
  readonly closed: Timestamp;
  /**
   * Whether `closed` reaches up to home's bar as it was raised for this question. False on a replica that is behind,
   * joining or failed, and where nothing was raised: then no page is `caughtUp`.
   */
  readonly isCurrent: boolean;
}

/** What reading needs of one site. */
export interface ReadSite {
  /** This site's streams. */
  readonly streams: Streams;
  readonly clock: Clock;
  /** How far the clocks of coordinators and streams may be apart, milliseconds. */
  readonly marginMs: number;
  /** The name of this site's replica of a stream. @throws LockstepError UnknownStream */
  physicalName(stream: string): string;
  /**
   * How far this site's replicas are closed. With `atLeastNow`, home first raises the bar to the present and applies
   * what is pending, which costs writes; without, what is known already will do.
   */
  closed(streams: readonly string[], atLeastNow: boolean): Promise<ReadonlyMap<string, StreamClosed>>;
  /** Every term so far, as the route lists them. */
  terms(): readonly (TermStart & Pick<Term, 'home' | 'unclean' | 'knownUpTo'>)[];
  /** A record here is of a newer term than `terms` has. @throws PortUnavailable */
  learnTerms(): Promise<void>;
  retentionMs(stream: string): number;
  /** This replica holds every event that was committed at or after this time. */
  completeFromMs(stream: string): number;
}

export interface ReadLimits {
  /** Bytes of records in one page, of which there is one item at least. @default 4 MiB */
  readonly maxPageBytes: number;
  /**
   * Transactions that a reader holds until they, and what they wait for, are whole and closed. With more it works piece by
   * piece, and reads some records twice. @default 100,000
   */
  readonly maxHeld: number;
  /** The same in bytes of records. @default 128 MiB */
  readonly maxHeldBytes: number;
  /** Readers kept alive between pages. @default 64 */
  readonly maxSessions: number;
  /** Bytes of records that they may hold together. @default 128 MiB */
  readonly maxSessionBytes: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_READ_LIMITS: ReadLimits = {
  maxPageBytes: 4 * MIB,
  maxHeld: 100_000,
  maxHeldBytes: 128 * MIB,
  maxSessions: 64,
  maxSessionBytes: 128 * MIB,
};
