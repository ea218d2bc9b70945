/**
 * What clients send and get: the shapes of the REST contract, shared by the service, the HTTP layer and the client.
 * Times are RFC 3339 in UTC with milliseconds.
 */

import type { Finding, Step } from './scaling/decide.js';
import type { ScalingPolicy, Signal } from './scaling/rules.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** An event as a client gives it. Exactly one of `data` and `dataBase64`. */
export interface EventIn {
  readonly stream: string;
  /** 1 to 256 characters; the partition key, and the unit of order and versions. */
  readonly key: string;
  /** 1 to 256 characters; the CloudEvents type. */
  readonly type: string;
  readonly data?: Json;
  readonly dataBase64?: string;
  /** Identifies this write within its transaction, 1 to 256 characters: a retry with it is the same write. */
  readonly id?: string;
  /** When it happened, for the envelope. */
  readonly time?: string;
  /** How many versioned events of (stream, key) the client has seen committed. */
  readonly expectedVersion?: number;
}

/** An event as readers get it: a CloudEvents 1.0 object with our extensions. */
export interface EventOut {
  readonly specversion: '1.0';
  /** `{transactionid}:{number}` */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** The key. */
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype?: string;
  readonly data?: Json;
  readonly data_base64?: string;
  readonly stream: string;
  readonly transactionid: string;
  /** From 0 within the transaction. */
  readonly number: number;
  /** How many (stream, key) parts the transaction has. */
  readonly parts: number;
  /** From 1 per (stream, key), where versions are kept. */
  readonly version?: number;
  readonly committedat: string;
  /** The commit timestamp, sortable: what `committedat` rounds to milliseconds. */
  readonly clock: string;
  /** The `id` that the client gave. */
  readonly clientid?: string;
  /** Decisions on this (stream, key) per home site, `east=3,west=1`: on streams whose conflict policy keeps them. */
  readonly vector?: string;
}

export type Replication = 'eager' | 'at-commit';
export type TransactionStatus = 'open' | 'committed' | 'aborted';

export interface BeginRequest {
  readonly id?: string;
  /** The streams that it will write, 1 to 100; a write to another one is refused. */
  readonly streams: readonly string[];
  /** Until it expires, milliseconds. @default 60000, 1,000 to 900,000 */
  readonly deadlineMs?: number;
  readonly replication?: Replication;
  /** The least number of mirrors that these streams are to have. */
  readonly mirrors?: number;
}

export type MirrorStatus =
  'pooled' | 'creating' | 'joining' | 'in-sync' | 'behind' | 'failed' | 'reconciling' | 'retired';

export interface MirrorStreamMetadata {
  readonly stream: string;
  readonly site: string;
  readonly physicalName: string;
  readonly shards: readonly string[];
  readonly replicationFactor: number;
  readonly status: MirrorStatus;
  /** From when on it holds every committed event. */
  readonly completeFrom: string;
}

export interface BeginAnswer {
  readonly id: string;
  readonly status: 'open';
  readonly expiresAt: string;
  readonly home: string;
  readonly streams: readonly {
    readonly name: string;
    readonly active: string;
    readonly mirrors: readonly MirrorStreamMetadata[];
  }[];
  /** False when it had begun before: the HTTP layer answers 201 or 200. Not part of the body. */
  readonly created: boolean;
}

export interface WriteAnswer {
  readonly events: readonly {
    readonly number: number;
    readonly stream: string;
    readonly digest: string;
    /** Sites where a prediction already held it. */
    readonly foreseen: readonly string[];
  }[];
}

export interface TransactionLogEntry {
  readonly id: string;
  readonly status: TransactionStatus;
  readonly reason?: string;
  readonly streams: readonly string[];
  readonly shards: readonly { readonly site: string; readonly stream: string; readonly shardId: string }[];
  readonly events: readonly (EventIn & {
    readonly number: number;
    readonly digest: string;
    readonly version?: number;
  })[];
  readonly startedAt: string;
  readonly decidedAt?: string;
  readonly committedAt?: string;
  readonly expiresAt: string;
}

export interface ListTransactions {
  readonly status?: TransactionStatus;
  readonly olderThanMs?: number;
  /** 1 to 1,000. @default 100 */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface TransactionPage {
  readonly transactions: readonly TransactionLogEntry[];
  readonly cursor?: string;
}

export interface CommitAnswer {
  readonly id: string;
  readonly status: 'committed';
  readonly committedAt: string;
  /** How many events. */
  readonly events: number;
  /** How many in-sync sites hold it. */
  readonly replicas: number;
  /** True when that is one. */
  readonly atRisk: boolean;
}

export interface AbortAnswer {
  readonly id: string;
  readonly status: 'aborted';
}

export interface CommitRequest {
  readonly id?: string;
  readonly events: readonly EventIn[];
}

/** One of a batch: its answer, or what was wrong with it. */
export type BatchResult = CommitAnswer | { readonly id: string; readonly problem: Problem };

/** RFC 9457 problem document. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly [extra: string]: unknown;
}

export interface RouteAnswer {
  readonly term: number;
  readonly epoch: number;
  readonly phase: 'serving' | 'taking-over';
  readonly home: string;
  readonly inSync: readonly string[];
  readonly joining: Readonly<Record<string, number>>;
  readonly active: Readonly<Record<string, string>>;
  readonly sites: readonly { readonly name: string; readonly region: string; readonly endpoint: string }[];
}

export type ConflictRule = 'commit' | 'event' | 'ingest';

/** Which of two changes of a (stream, key) stays after an unclean takeover. */
export type ConflictPolicy =
  /** The later one, by the time of its commit, the time that its client gave it, or the time at which it arrived. */
  | { readonly policy: 'last-write-wins'; readonly by?: ConflictRule }
  /** The one that knew the other; of two that did not, the later one, or an operator chooses. Keeps versions. */
  | {
      readonly policy: 'version-vector';
      readonly otherwise?: 'last-write-wins' | 'manual';
      readonly by?: ConflictRule;
    }
  /** An operator chooses: `POST /conflicts/{id}/resolution`. Until then what stands at home stays. */
  | { readonly policy: 'manual' }
  /** A function of the deployment's configuration chooses. One that fails leaves it to an operator. */
  | { readonly policy: 'function'; readonly name: string };

/** What scaling did about a stream, or would have done. */
export interface ScalingDecision {
  readonly at: string;
  readonly quantity: 'shards';
  readonly from: number;
  readonly to: number;
  readonly why: string;
  /** The rule that asked for it; none where only the bounds did. */
  readonly rule?: string;
  /** What it was cut down to, or held back by. */
  readonly limit?: string;
  /** `held`: a limit leaves it as it is. `dry-run`: it would have been done. */
  readonly outcome: 'done' | 'held' | 'dry-run';
}

/** What a stream's scaling rules find now, and would do, and what was decided before. */
export interface ScalingAnswer {
  readonly stream: string;
  readonly mode: 'on' | 'dry-run' | 'off';
  /** The rules that were asked: the stream's own, or those that were given. */
  readonly policy: ScalingPolicy;
  readonly shards: number;
  /** So many home's replica has already: while it is another number, nothing further is decided. */
  readonly openShards: number;
  /** Of the ten changes of shards that Kinesis takes in 24 hours. */
  readonly changesLeft: number;
  /** So many of the last 120 minutes are known. */
  readonly measuredMinutes: number;
  /** The last whole minute. */
  readonly load?: Readonly<Record<Signal, number>>;
  /** The highest load ahead, in full shards: as likely more as less, and exceeded once in twenty. */
  readonly forecast?: { readonly aheadSeconds: number; readonly median: number; readonly high: number };
  readonly rules: readonly Finding[];
  readonly steps: readonly Step[];
  /** Newest first. */
  readonly decisions: readonly ScalingDecision[];
}

/** How a stream is kept. What is left out keeps its value, or its default on creation. */
export interface StreamPolicy {
  /** Shards of each replica, 1 to 100. @default 1 */
  readonly shards?: number;
  readonly mirrors?: {
    /** How many mirrors, 0 to the number of sites less one. @default 1 */
    readonly count?: number;
    /** `on-begin` leaves the mirrors to the first transaction that names the stream. @default "now" */
    readonly create?: 'now' | 'on-begin';
  };
  /** `versioned`: every event of it gets a version, and its order is kept everywhere. @default "arrival" */
  readonly ordering?: 'arrival' | 'versioned';
  /** Which of two changes stays after an unclean takeover. @default "last-write-wins" by commit */
  readonly conflict?: ConflictPolicy;
  /** Whether readers and writers go back to where the stream was active before a failure. @default "stay" */
  readonly failback?: 'stay' | 'automatic' | 'manual';
  /** 24 to 8,760. @default 24 */
  readonly retentionHours?: number;
  /** Rules by which its shards follow the load. Given again it is replaced as a whole. @default none */
  readonly scaling?: ScalingPolicy;
}

export interface StreamAnswer {
  readonly name: string;
  readonly active: string;
  /** Of the active replica: `creating` as long as its records wait in the log. */
  readonly status: MirrorStatus;
  readonly shards: readonly string[];
  readonly mirrors: readonly MirrorStreamMetadata[];
  readonly policy: StreamPolicy;
}

export interface ReadEvents {
  readonly stream: string;
  readonly checkpoint?: string;
  /** 1 to 1,000 events. @default 100 */
  readonly limit?: number;
  /** How long to wait for the first one, 0 to 20,000. @default 0 */
  readonly waitMs?: number;
  readonly site?: string;
}

export interface EventPage {
  readonly events: readonly EventOut[];
  readonly checkpoint: string;
  readonly caughtUp: boolean;
}

export interface ReadTransactions {
  /** 1 to 100. */
  readonly streams: readonly string[];
  readonly checkpoint?: string;
  /** 1 to 1,000 transactions. @default 100 */
  readonly limit?: number;
  readonly waitMs?: number;
}

export interface WholeTransaction {
  readonly id: string;
  readonly committedAt: string;
  readonly events: readonly EventOut[];
}

export interface WholeTransactionPage {
  readonly transactions: readonly WholeTransaction[];
  readonly checkpoint: string;
  readonly caughtUp: boolean;
}

export type IncidentKind =
  'switchover' | 'shrink' | 'takeover' | 'planned-move' | 'unclean-takeover' | 'return' | 'join' | 'failback';

export interface Incident {
  readonly id: string;
  readonly kind: IncidentKind;
  readonly site: string;
  readonly stream?: string;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly timeline: readonly { readonly at: string; readonly what: string }[];
}

/** Two decisions that met on one (stream, key), with both, and what became of them. */
export interface Conflict {
  readonly id: string;
  readonly stream: string;
  readonly key: string;
  /** `open`: it waits for an operator. */
  readonly status: 'open' | 'resolved';
  /** The rule that chose, in words. */
  readonly policy: string;
  readonly recordedAt: string;
  readonly resolvedAt?: string;
  /** The one that stays; of an open one, that which stands at home till it is resolved. */
  readonly winner: ConflictSide;
  /** The one that does not stay; of an open one, that which waits. */
  readonly loser: ConflictSide;
  /** Those of the same transaction that waits: it stays or goes as a whole, so they are resolved together. */
  readonly together: readonly string[];
  /** What an operator chose. */
  readonly resolution?: Resolution;
}

export interface ConflictSide {
  readonly site: string;
  readonly transactionId: string;
  readonly committedAt: string;
  /** The commit timestamp, sortable. */
  readonly clock: string;
  readonly events: readonly (EventIn & { readonly number: number; readonly version?: number })[];
}

/** `events`: neither as it was; these are decided instead. */
export type ResolutionChoice = 'standing' | 'waiting' | 'events';

export interface Resolution {
  readonly take: ResolutionChoice;
  readonly at: string;
  /** The new decision, which names both; none where what stands stays. */
  readonly transactionId?: string;
  readonly committedAt?: string;
}

/** What an operator answers to an open conflict: one of the two, or events that take the place of both. */
export type ResolveRequest = { readonly take: 'standing' | 'waiting' } | { readonly events: readonly EventIn[] };

/** What one side held of a range when it was compared: digests over its log and over its stream. */
export interface RangeDigests {
  readonly log: string;
  readonly stream: string;
}

export interface ProofWindow {
  readonly stream: string;
  /** Commit timestamps, `from` exclusive, `to` inclusive. */
  readonly from: string;
  readonly to: string;
  /** Hashed keys, 128-bit hexadecimal, both inclusive. */
  readonly hashRange: { readonly from: string; readonly to: string };
  readonly before: Readonly<Record<string, RangeDigests>>;
  readonly after: Readonly<Record<string, RangeDigests>>;
}

/** What a reconciliation compared, copied and decided; anyone with read access can check it again. */
export interface Proof {
  readonly sites: readonly string[];
  readonly windows: readonly ProofWindow[];
  readonly copied: number;
  /** Transaction ids that a lost home had decided alone and that were never acknowledged. */
  readonly overruled: readonly string[];
  /** Ids of conflicts. */
  readonly conflicts: readonly string[];
  /** What could not be compared, as it is kept no longer: commit timestamps, `from` exclusive, `to` inclusive. */
  readonly gaps: readonly { readonly stream: string; readonly from: string; readonly to: string }[];
  /** SHA-256 over the RFC 8785 form of all the rest. */
  readonly seal: string;
}

export interface Reconciliation {
  readonly id: string;
  readonly site: string;
  /** Only these are compared; all, where they are not named. */
  readonly streams?: readonly string[];
  readonly status: 'running' | 'done' | 'failed';
  /** 0 to 1. */
  readonly progress: number;
  readonly startedAt: string;
  readonly endedAt?: string;
  /** Parts of transactions that were compared here, so far. */
  readonly compared?: number;
  /** Entries that were copied, so far. */
  readonly copied?: number;
  readonly problem?: string;
  readonly proof?: Proof;
}

export type AuditKind = 'lost' | 'doubled' | 'altered' | 'foreign' | 'unreadable';

/** A record that stands on a stream and should not, or should and does not. */
export interface AuditFinding {
  readonly kind: AuditKind;
  readonly site: string;
  readonly stream: string;
  /** Where it stands; absent for what is lost. */
  readonly shardId?: string;
  readonly sequence?: string;
  /** Of what is doubled: where it stands first. */
  readonly first?: { readonly shardId: string; readonly sequence: string };
  readonly transactionId?: string;
  readonly key?: string;
  /** The commit timestamp. */
  readonly at?: string;
  readonly what: string;
  /** What was done about it, or can be. */
  readonly outcome: string;
}

/** A deep comparison of a site's streams with its log. */
export interface Audit {
  readonly id: string;
  readonly site: string;
  readonly status: 'running' | 'done' | 'failed';
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly problem?: string;
  /** Parts and records read, so far. */
  readonly compared: number;
  readonly counts: Readonly<Record<AuditKind, number>>;
  /** How many were put again. */
  readonly repaired: number;
  /** The first 1,000, or as many of them as fit one record. */
  readonly findings: readonly AuditFinding[];
}

export interface AuditRequest {
  readonly site: string;
  /** Only these. @default all that have a replica there */
  readonly streams?: readonly string[];
  /** Whether what is lost is put again. @default false */
  readonly repair?: boolean;
}

export interface PredictionsAnswer {
  readonly model: {
    /** `predictor`; `silent` where it does not answer, `none` where there is none. */
    readonly name: string;
    readonly version: string;
    readonly trainedAt?: string;
    readonly trainingWindow?: { readonly from: string; readonly to: string };
    readonly metrics: Readonly<Record<string, number>>;
  };
  readonly counts: {
    readonly written: number;
    readonly confirmed: number;
    readonly wrong: number;
    readonly expired: number;
  };
  readonly bytes: { readonly written: number; readonly wasted: number };
  readonly waitSavedMs: number;
}

export type HealthState = 'well' | 'suspect' | 'failed';

export interface HealthAnswer {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly sites: readonly {
    readonly site: string;
    readonly state: HealthState;
    readonly streams: readonly {
      readonly stream: string;
      readonly shards: readonly { readonly shardId: string; readonly state: HealthState }[];
    }[];
  }[];
}

export interface Paging {
  /** 1 to 1,000. @default 100 */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface ListConflicts extends Paging {
  /** Only those. */
  readonly status?: Conflict['status'];
}

/**
 * Everything a client can ask for: one method per request of the REST contract. Inputs have been parsed; each method
 * throws `LockstepError` only.
 */
export interface Service {
  begin(request: BeginRequest): Promise<BeginAnswer>;
  write(id: string, request: { readonly events: readonly EventIn[] }): Promise<WriteAnswer>;
  getTransaction(id: string): Promise<TransactionLogEntry>;
  listTransactions(request: ListTransactions): Promise<TransactionPage>;
  commit(id: string, request: { readonly digests: readonly string[] }): Promise<CommitAnswer>;
  abort(id: string, request: { readonly reason?: string }): Promise<AbortAnswer>;
  commitOnce(request: CommitRequest): Promise<CommitAnswer>;
  commitBatch(request: {
    readonly commits: readonly CommitRequest[];
  }): Promise<{ readonly results: readonly BatchResult[] }>;
  getRoute(): Promise<RouteAnswer>;
  listStreams(): Promise<{ readonly streams: readonly StreamAnswer[] }>;
  getStream(name: string): Promise<StreamAnswer>;
  putStream(name: string, policy: StreamPolicy): Promise<StreamAnswer>;
  getScaling(name: string): Promise<ScalingAnswer>;
  planScaling(name: string, request: { readonly scaling?: ScalingPolicy }): Promise<ScalingAnswer>;
  readEvents(request: ReadEvents): Promise<EventPage>;
  readTransactions(request: ReadTransactions): Promise<WholeTransactionPage>;
  switchover(stream: string, request: { readonly to?: string; readonly force?: boolean }): Promise<Incident>;
  moveHome(request: { readonly to: string; readonly force?: boolean }): Promise<Incident>;
  reconcile(request: { readonly site: string; readonly streams?: readonly string[] }): Promise<{ readonly id: string }>;
  getReconciliation(id: string): Promise<Reconciliation>;
  audit(request: AuditRequest): Promise<{ readonly id: string }>;
  getAudit(id: string): Promise<Audit>;
  listIncidents(request: Paging): Promise<{ readonly incidents: readonly Incident[]; readonly cursor?: string }>;
  listConflicts(request: ListConflicts): Promise<{ readonly conflicts: readonly Conflict[]; readonly cursor?: string }>;
  getConflict(id: string): Promise<Conflict>;
  resolveConflict(id: string, request: ResolveRequest): Promise<Conflict>;
  getPredictions(): Promise<PredictionsAnswer>;
  getHealth(): Promise<HealthAnswer>;
}

export type FaultKind = 'down' | 'slow' | 'flaky' | 'partition' | 'throttle';

/** One switch of the local server's fault board. */
export interface Fault {
  readonly site: string;
  readonly stream?: string;
  readonly shardId?: string;
  readonly part?: 'streams' | 'tables' | 'api' | 'control';
  readonly kind: FaultKind;
  readonly rate?: number;
  readonly delayMs?: number;
  readonly peer?: string;
  readonly oneWay?: boolean;
}

/** What only the local server offers: switches for faults and distance. */
export interface LocalControls {
  getFaults(): readonly Fault[];
  setFaults(faults: readonly Fault[]): readonly Fault[];
  setNetwork(network: { readonly roundTripMs: number }): void;
}
