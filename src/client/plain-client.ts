/** Every request of the contract as a method of its own, with retries. */
import type {
  AbortAnswer,
  Audit,
  AuditRequest,
  BeginAnswer,
  BeginRequest,
  CommitAnswer,
  Conflict,
  EventIn,
  EventPage,
  Fault,
  HealthAnswer,
  Incident,
  ListConflicts,
  ListTransactions,
  Paging,
  PredictionsAnswer,
  ReadEvents,
  ReadTransactions,
  Reconciliation,
  ResolveRequest,
  RouteAnswer,
  ScalingAnswer,
  StreamAnswer,
  StreamPolicy,
  TransactionLogEntry,
  TransactionPage,
  WholeTransactionPage,
  WriteAnswer,
} from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { newId } from '../core/ids.js';
import type { ScalingPolicy } from '../core/scaling/rules.js';
import { Caller } from './caller.js';
import type { RetryOptions } from './caller.js';
import type { LocalApi, SiteApi, Transport } from './transport.js';

export class PlainClient {
  protected readonly caller: Caller;
  readonly #local: LocalApi | undefined;

  protected constructor(transport: Transport, retry: RetryOptions) {
    this.caller = new Caller(transport, retry);
    this.#local = transport.local;
  }

  /** A new transaction id. */
  newId(): string {
    return newId(this.caller.clock.now(), this.caller.random.bytes(16));
  }

  /** Begins a transaction by hand; `run` does it all. @throws UnknownStream, NotEnoughReplicas, IdempotencyMismatch */
  begin(request: BeginRequest): Promise<BeginAnswer> {
    const named = { ...request, id: request.id ?? this.newId() };
    return this.#call((site) => site.begin(named));
  }

  /**
   * Writes into a transaction that was begun by hand. Give the events ids: without, a retry would write them twice.
   *
   * @throws UnknownTransaction, UnknownStream, EventTooLarge, TransactionTooLarge, IdempotencyMismatch,
   *   TransactionAborted, TransactionExpired, TransactionCommitted
   */
  write(id: string, request: { readonly events: readonly EventIn[] }): Promise<WriteAnswer> {
    return this.#call((site) => site.write(id, request));
  }

  /**
   * Commits a transaction that was begun by hand.
   *
   * @param request.digests as answered to the writes, in the order of their numbers
   * @throws EventsMissing (write the events of `missing` again, then commit again), UnknownTransaction, VersionConflict,
   *   IdempotencyMismatch, TransactionAborted, TransactionExpired
   */
  commitTransaction(id: string, request: { readonly digests: readonly string[] }): Promise<CommitAnswer> {
    return this.#call((site) => site.commit(id, request));
  }

  /** @throws UnknownTransaction, TransactionCommitted */
  abort(id: string, request: { readonly reason?: string } = {}): Promise<AbortAnswer> {
    return this.#call((site) => site.abort(id, request));
  }

  /** A transaction with its events: also those that are not committed yet. @throws UnknownTransaction */
  getTransaction(id: string): Promise<TransactionLogEntry> {
    return this.#call((site) => site.getTransaction(id));
  }

  listTransactions(request: ListTransactions = {}): Promise<TransactionPage> {
    return this.#call((site) => site.listTransactions(request));
  }

  getRoute(): Promise<RouteAnswer> {
    return this.#call((site) => site.getRoute());
  }

  listStreams(): Promise<{ readonly streams: readonly StreamAnswer[] }> {
    return this.#call((site) => site.listStreams());
  }

  /** @throws UnknownStream */
  getStream(name: string): Promise<StreamAnswer> {
    return this.#call((site) => site.getStream(name));
  }

  /** Creates a stream or changes its policy. */
  putStream(name: string, policy: StreamPolicy = {}): Promise<StreamAnswer> {
    return this.#call((site) => site.putStream(name, policy));
  }

  /** What a stream's scaling rules find now, and what was decided. @throws UnknownStream */
  getScaling(name: string): Promise<ScalingAnswer> {
    return this.#call((site) => site.getScaling(name));
  }

  /** What other scaling rules would find and do now. Changes nothing. @throws UnknownStream, InvalidRequest */
  planScaling(name: string, request: { readonly scaling?: ScalingPolicy } = {}): Promise<ScalingAnswer> {
    return this.#call((site) => site.planScaling(name, request));
  }

  /** One page of a stream; `events` and `pages` read on and on. @throws UnknownStream, InvalidCheckpoint, Gap */
  readEvents(request: ReadEvents): Promise<EventPage> {
    return this.#call((site) => site.readEvents(request));
  }

  /** One page of whole transactions. @throws UnknownStream, InvalidCheckpoint, Gap */
  readTransactions(request: ReadTransactions): Promise<WholeTransactionPage> {
    return this.#call((site) => site.readTransactions(request));
  }

  /** Makes another replica of a stream the active one. @throws UnknownStream, ReplicaBehind */
  switchover(stream: string, request: { readonly to?: string; readonly force?: boolean } = {}): Promise<Incident> {
    return this.#call((site) => site.switchover(stream, request));
  }

  /** A planned move of home; with `force` an unclean takeover. */
  moveHome(request: { readonly to: string; readonly force?: boolean }): Promise<Incident> {
    return this.#call((site) => site.moveHome(request));
  }

  /** Starts a reconciliation; `getReconciliation` tells how far it is. */
  reconcile(request: {
    readonly site: string;
    readonly streams?: readonly string[];
  }): Promise<{ readonly id: string }> {
    return this.#call((site) => site.reconcile(request));
  }

  /** @throws NotFound */
  getReconciliation(id: string): Promise<Reconciliation> {
    return this.#call((site) => site.getReconciliation(id));
  }

  /** Starts an audit of a site; `getAudit` tells what it finds. @throws UnknownStream */
  audit(request: AuditRequest): Promise<{ readonly id: string }> {
    return this.#call((site) => site.audit(request));
  }

  /** @throws NotFound */
  getAudit(id: string): Promise<Audit> {
    return this.#call((site) => site.getAudit(id));
  }

  listIncidents(request: Paging = {}): Promise<{ readonly incidents: readonly Incident[]; readonly cursor?: string }> {
    return this.#call((site) => site.listIncidents(request));
  }

  listConflicts(
    request: ListConflicts = {},
  ): Promise<{ readonly conflicts: readonly Conflict[]; readonly cursor?: string }> {
    return this.#call((site) => site.listConflicts(request));
  }

  /** @throws NotFound */
  getConflict(id: string): Promise<Conflict> {
    return this.#call((site) => site.getConflict(id));
  }

  /**
   * Resolves an open conflict: what stands stays, what waits is decided anew, or events take the place of both. May be
   * repeated with the same choice.
   *
   * @throws NotFound, ConflictResolved, VersionConflict, IdempotencyMismatch
   */
  resolveConflict(id: string, request: ResolveRequest): Promise<Conflict> {
    return this.#call((site) => site.resolveConflict(id, request));
  }

  getPredictions(): Promise<PredictionsAnswer> {
    return this.#call((site) => site.getPredictions());
  }

  /** Also of a deployment that is down: its `status` says so. */
  getHealth(): Promise<HealthAnswer> {
    return this.#call((site) => site.getHealth());
  }

  /** The fault board of a local server. @throws NotFound where it has none */
  async getFaults(): Promise<readonly Fault[]> {
    return this.#call(() => this.#switches().getFaults());
  }

  /** Sets the whole fault board of a local server; an empty list: all well. @throws NotFound where it has none */
  async setFaults(faults: readonly Fault[]): Promise<readonly Fault[]> {
    return this.#call(() => this.#switches().setFaults(faults));
  }

  /** Sets the distance between the sites of a local server, milliseconds there and back. @throws NotFound */
  async setNetwork(network: { readonly roundTripMs: number }): Promise<void> {
    return this.#call(() => this.#switches().setNetwork(network));
  }

  #switches(): LocalApi {
    if (this.#local === undefined) throw new LockstepError('NotFound', 'Only a local server has switches for faults');
    return this.#local;
  }

  #call<T>(request: (site: SiteApi) => Promise<T>): Promise<T> {
    return this.caller.call(request);
  }
}
