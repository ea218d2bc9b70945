import type { Service } from '../core/api.js';
import type { Announcement, Candidate } from '../core/candidate.js';
import type { DecidedEntry, OpenEntry } from '../core/entry.js';
import type { StagedEvent } from '../core/items.js';
import type { SomeBuckets } from '../core/tally.js';
import type { Timestamp } from '../core/timestamp.js';

/**
 * What one site asks of another: one call, local work there, one answer. Every request that writes names the term of its
 * writer; a site fenced to another term answers `stale`.
 *
 * Any call may fail as a port does: `PortUnavailable` means that nobody knows whether it was done, so every request can
 * be repeated with the same effect.
 */
export interface MirrorAgent {
  /** Answers where the site's tables work. */
  probe(): Promise<ProbeAnswer>;

  /** Whether this site gets answers from that one: so that one caller's trouble evicts nobody. */
  sees(request: { readonly site: string }): Promise<boolean>;

  /** Looks at the streams' definitions and the route now: creates what is to be created here, moves consumers. */
  tend(): Promise<void>;

  /** Keeps uncommitted events, and what begin said, so that the site could go on with the transaction. */
  stage(request: StageRequest): Promise<'staged' | 'stale'>;

  /** Tells home what its follower foresees of open transactions, and holds. */
  announce(request: AnnounceRequest): Promise<'announced' | 'stale'>;

  /** Takes decisions into the log; puts their records too where it is the only follower. */
  replicate(request: ReplicateRequest): Promise<ReplicateAnswer>;

  /** Tells that all logs have these decisions: their records may be put. Answers the streams that lag behind. */
  settle(request: {
    readonly term: number;
    readonly ids: readonly string[];
  }): Promise<{ readonly behind: readonly string[] }>;

  /** Tells that everything at or below the bar is decided and applied: marks go, the site's streams are closed. */
  close(request: { readonly term: number; readonly bar: Timestamp }): Promise<CloseAnswer>;

  /** Asks home to raise its bar to the present; answers it once all at or below it is applied. */
  closeNow(): Promise<Timestamp>;

  /** Shuts the guards and lifts them to this term, and to this round of its takeover. `stale`: they are beyond it. */
  fence(request: { readonly term: number; readonly epoch: number }): Promise<'fenced' | 'stale'>;

  /** Lets the guards demand at least this epoch of every decision; opens them when asked. */
  raise(request: {
    readonly term: number;
    readonly epoch: number;
    readonly open?: boolean;
  }): Promise<'raised' | 'stale'>;

  /** Decided here and not known to be everywhere. */
  pending(request: {
    readonly after?: string;
  }): Promise<{ readonly entries: readonly MarkedEntry[]; readonly next?: string }>;

  /** Takes decisions that another site had pending, while the guards are shut. */
  adopt(request: {
    readonly term: number;
    readonly epoch: number;
    readonly entries: readonly DecidedEntry[];
  }): Promise<'adopted' | 'stale'>;

  /** What the log here says of these ids. */
  lookup(request: { readonly ids: readonly string[] }): Promise<readonly (LogLine | undefined)[]>;

  /** Whole entries, with whether they are pending; at most a few MB an answer, the rest has to be asked for again. */
  fetch(request: { readonly ids: readonly string[] }): Promise<readonly MarkedEntry[]>;

  /** Open transactions with what is staged of them. */
  stagings(request: {
    readonly after?: string;
  }): Promise<{ readonly open: readonly OpenTransaction[]; readonly next?: string }>;

  /** The decided log between two timestamps, a line an entry, in no order that means anything. */
  lines(request: LinesRequest): Promise<LinePage>;

  /** The sums of the decided log between two timestamps. */
  buckets(request: BucketsRequest): Promise<BucketsPage>;

  /** Digests over ranges of the log and of the streams here. */
  digests(request: DigestRequest): Promise<DigestPage>;

  /**
   * Home decides anew what a site knew alone before an unclean takeover, naming the old decision. `refused`: the id is
   * taken by something else here.
   */
  takeOver(request: { readonly entry: DecidedEntry }): Promise<'taken' | 'refused'>;

  /** A client's request, passed on to the site that can answer it. */
  perform(request: ForwardedRequest): Promise<unknown>;
}

/**
 * How long an answer may take. `quick`: being late says something of the site. `bulk`: the work grows with what is asked.
 * `forwarded`: a client's request, which may be a long poll.
 */
export type AgentCallKind = 'quick' | 'bulk' | 'forwarded';

export const AGENT_CALLS: Readonly<Record<keyof MirrorAgent, AgentCallKind>> = {
  probe: 'quick',
  sees: 'quick',
  tend: 'bulk',
  stage: 'quick',
  announce: 'quick',
  replicate: 'quick',
  settle: 'quick',
  close: 'bulk',
  closeNow: 'bulk',
  fence: 'quick',
  raise: 'quick',
  pending: 'bulk',
  adopt: 'bulk',
  lookup: 'quick',
  fetch: 'bulk',
  stagings: 'bulk',
  lines: 'bulk',
  buckets: 'bulk',
  digests: 'bulk',
  takeOver: 'bulk',
  perform: 'forwarded',
};

/** A client's long poll that is passed on waits this long at the most, milliseconds. */
export const LONGEST_POLL_MS = 20_000;

export interface ProbeAnswer {
  readonly nowMs: number;
  /** The term to which the site is fenced. */
  readonly term: number;
  /** Streams whose replica here is not level: records wait in its backlog, or it is still being created. */
  readonly behind: readonly string[];
}

export interface StageRequest {
  readonly term: number;
  readonly entry: OpenEntry;
  /** How many numbers home has given. */
  readonly next: number;
  /** Whole; or without their data, where the site holds that as a candidate. */
  readonly events: readonly StagedEvent[];
}

export interface AnnounceRequest {
  readonly term: number;
  readonly of: readonly (Announcement & TransactionRef)[];
}

/** An open transaction: an id that ended, and was begun anew when the log had forgotten it, is another one. */
export type TransactionRef = Pick<OpenEntry, 'id' | 'startedAtMs'>;

/** An event that the follower holds as staged goes without its data. */
export interface ReplicateRequest {
  readonly term: number;
  readonly epoch: number;
  readonly entries: readonly DecidedEntry[];
  /** True where no other log has to wait: the records are put in the same call. */
  readonly put: boolean;
  /** The site is not complete yet: versions may leave gaps that its copying fills. */
  readonly joining: boolean;
}

export type ReplicateOutcome =
  | { readonly kind: 'logged' }
  /** Held by digest, but not held here: send these numbers whole. */
  | { readonly kind: 'missing'; readonly numbers: readonly number[] }
  /** The versions do not follow on: a predecessor has to come first. */
  | { readonly kind: 'early' }
  | { readonly kind: 'stale' }
  | { readonly kind: 'conflict' };

export interface ReplicateAnswer {
  readonly outcomes: readonly ReplicateOutcome[];
  /** Streams here whose records wait in the backlog. */
  readonly behind: readonly string[];
  readonly nowMs: number;
}

export interface CloseAnswer {
  readonly stale: boolean;
  /** Streams here whose records wait in the backlog. */
  readonly behind: readonly string[];
  readonly nowMs: number;
}

export interface MarkedEntry {
  readonly entry: DecidedEntry;
  /** The epoch of its mark; absent when it is not pending. */
  readonly markEpoch?: number;
}

/** What the log says of one transaction. */
export interface LogLine {
  readonly id: string;
  readonly status: 'open' | 'committed' | 'aborted';
  readonly at?: Timestamp;
  /** Of what was decided, 32 hexadecimal digits: equal lines are equal entries. */
  readonly sum?: string;
}

/** A call that does a bounded piece of something long: the next one goes on where it stopped. */
export interface Resumed {
  /** What the answer before gave as `next`; absent at the beginning. */
  readonly after?: string;
}

export interface LinesRequest extends Resumed {
  /** Exclusive. */
  readonly from: Timestamp;
  /** Inclusive. */
  readonly to: Timestamp;
  /** Only entries whose ids are in these. */
  readonly only: SomeBuckets;
}

export interface LinePage {
  readonly lines: readonly LogLine[];
  /** Absent when all were told. */
  readonly next?: string;
}

export interface OpenTransaction {
  readonly entry: OpenEntry;
  readonly next: number;
  readonly events: readonly StagedEvent[];
  /** What the site foresaw as a follower: a home before it may have counted on it. */
  readonly candidates: readonly Candidate[];
}

/** A range of keys on a stream within a time window: `from` exclusive, `to` inclusive; hashes in hexadecimal. */
export interface Range {
  readonly stream: string;
  readonly from: Timestamp;
  readonly to: Timestamp;
  readonly hashFrom: string;
  readonly hashTo: string;
}

/** The decided log in a time range, in 2^bits buckets by the ids of its entries. */
export interface BucketsRequest extends Resumed {
  /** Exclusive. */
  readonly from: Timestamp;
  /** Inclusive. */
  readonly to: Timestamp;
  readonly bits: number;
}

export interface BucketsPage {
  /** The encoded `Buckets` of this piece: those of all pieces are added up. */
  readonly buckets: string;
  /** Absent when these were the last ones. */
  readonly next?: string;
}

export interface DigestRequest extends Resumed {
  /** None of which overlap. */
  readonly ranges: readonly Range[];
  /** The sums are told in 2^bits buckets by stream and transaction. */
  readonly bits: number;
  /** Only of transactions in these. */
  readonly only?: SomeBuckets;
  /** The lines themselves, in place of sums. */
  readonly lines?: boolean;
}

/** A piece of the log or of the streams; those of all pieces are added up. */
export interface DigestPage {
  /** Of the log, by range: encoded tallies, those only that are not empty. */
  readonly log: readonly (readonly [range: number, tally: string])[];
  /** Encoded `Buckets`: what is expected on the streams is added, what stands there is taken away. */
  readonly sums: string;
  /** SHA-256 of lines, hexadecimal, where they were asked for. */
  readonly lines: readonly { readonly range: number; readonly line: string; readonly of: 'log' | 'stream' }[];
  /** By range, whether there is a replica here. */
  readonly ready: readonly boolean[];
  /** Rows and records that were looked at. */
  readonly read: number;
  readonly next?: string;
}

export type Operation = keyof Service;

export interface ForwardedRequest {
  readonly operation: Operation;
  readonly args: readonly unknown[];
  /** Of what only home answers: the term in which the other site took this one for home. */
  readonly term?: number;
}

/** Reaches the mirror agents of the other sites. A call to one's own site stays local. */
export interface Peers {
  agent(site: string): MirrorAgent;
}
