import type {
  AbortAnswer,
  AuditRequest,
  BatchResult,
  BeginAnswer,
  BeginRequest,
  CommitAnswer,
  CommitRequest,
  Conflict,
  EventIn,
  EventPage,
  HealthAnswer,
  Incident,
  ListConflicts,
  ListTransactions,
  Paging,
  PredictionsAnswer,
  ReadEvents,
  ReadTransactions,
  ResolveRequest,
  RouteAnswer,
  ScalingAnswer,
  Service,
  StreamAnswer,
  StreamPolicy,
  TransactionLogEntry,
  TransactionPage,
  WholeTransactionPage,
  WriteAnswer,
} from '../core/api.js';
import { LockstepError, SiteUnavailable, isLockstepError } from '../core/errors.js';
import type { Route } from '../core/route.js';
import type { ScalingPolicy } from '../core/scaling/rules.js';
import { PortThrottled, PortUnavailable } from '../ports/failures.js';
import type { ForwardedRequest } from '../ports/mirror-agent.js';
import { abort } from './abort.js';
import { getAudit, startAudit } from './audit.js';
import { begin } from './begin.js';
import { commit } from './commit.js';
import { commitBatch, commitOnce } from './commit-once.js';
import type { CommitQueue } from './commit-queue.js';
import { confirmHome } from './confirm.js';
import { describeSites } from './endpoints.js';
import { healthOf, healthOfAll } from './health.js';
import { getConflict, listConflicts } from './conflicts.js';
import { listIncidents } from './incidents.js';
import { moveHome } from './move-home.js';
import { predictionsOf, predictionsOfAll } from './predictions.js';
import type { Readers } from './readers.js';
import { getReconciliation } from './reconciliations.js';
import { startReconciliation } from './reconciliation.js';
import { resolveConflict } from './resolve-conflict.js';
import { scalingOf } from './scaling.js';
import { HomeFails, NotHomeAnyMore } from '../ports/signals.js';
import { type Foreseer, type Site, siteTarget } from './site.js';
import { describeStream, listStreams, putStream } from './streams.js';
import { requestSwitchover } from './switchover.js';
import { getTransaction, listTransactions } from './transactions.js';
import { unlessMoved } from './unless-moved.js';
import { homeHasFailed, othersSeeHome } from './watch.js';
import { write } from './write.js';

const ATTEMPTS = 6;
const PAUSE_MS = 10;

/**
 * The service as one site offers it. What home has to answer is passed on to home with the same identifiers; when home
 * does not answer, this very request takes over.
 */
export class SiteService implements Service {
  readonly #site: Site;
  readonly #queue: CommitQueue;
  readonly #readers: Readers;
  readonly #backfill: Foreseer | undefined;
  readonly #term: number | undefined;

  /** @param term of a request that another site passed on: answered by this site, as home of this term, or not at all */
  constructor(site: Site, queue: CommitQueue, readers: Readers, backfill?: Foreseer, term?: number) {
    this.#site = site;
    this.#queue = queue;
    this.#readers = readers;
    this.#backfill = backfill;
    this.#term = term;
  }

  // ---------------------------------------------------------------------------------------------------- transactions

  begin(request: BeginRequest): Promise<BeginAnswer> {
    const named = { ...request, id: request.id ?? this.#site.newId() };
    return this.#atHome('begin', [named], () => begin(this.#site, named));
  }

  write(
    id: string,
    request: { readonly events: readonly EventIn[] },
    requestId = this.#site.newId(),
  ): Promise<WriteAnswer> {
    return this.#atHome('write', [id, request, requestId], () => write(this.#site, id, request, requestId));
  }

  getTransaction(id: string): Promise<TransactionLogEntry> {
    return this.#atHome('getTransaction', [id], () => getTransaction(this.#site, id));
  }

  listTransactions(request: ListTransactions): Promise<TransactionPage> {
    return this.#atHome('listTransactions', [request], () => listTransactions(this.#site, request));
  }

  commit(id: string, request: { readonly digests: readonly string[] }): Promise<CommitAnswer> {
    return this.#atHome('commit', [id, request], (term) => commit(this.#site, this.#queue, id, request, term));
  }

  abort(id: string, request: { readonly reason?: string }): Promise<AbortAnswer> {
    return this.#atHome('abort', [id, request], () => abort(this.#site, id, request));
  }

  commitOnce(request: CommitRequest): Promise<CommitAnswer> {
    const named = request.id === undefined ? { ...request, id: this.#site.newId() } : request;
    return this.#atHome('commitOnce', [named], (term) => commitOnce(this.#site, this.#queue, named, term));
  }

  commitBatch(request: {
    readonly commits: readonly CommitRequest[];
  }): Promise<{ readonly results: readonly BatchResult[] }> {
    const commits = request.commits.map((one) => (one.id === undefined ? { ...one, id: this.#site.newId() } : one));
    return this.#atHome('commitBatch', [{ commits }], (term) =>
      commitBatch(this.#site, this.#queue, { commits }, term),
    );
  }

  // ------------------------------------------------------------------------------------------------ streams and route

  async getRoute(): Promise<RouteAnswer> {
    const { term, epoch, phase, home, inSync, joining, active } = await this.#site.routes
      .refresh()
      .catch(() => this.#site.routes.known);
    return { term, epoch, phase, home, inSync, joining, active, sites: await describeSites(this.#site) };
  }

  listStreams(): Promise<{ readonly streams: readonly StreamAnswer[] }> {
    return this.#atHome('listStreams', [], () => listStreams(this.#site));
  }

  getStream(name: string): Promise<StreamAnswer> {
    return this.#atHome('getStream', [name], () => describeStream(this.#site, name));
  }

  putStream(name: string, policy: StreamPolicy): Promise<StreamAnswer> {
    return this.#atHome('putStream', [name, policy], () => putStream(this.#site, name, policy));
  }

  getScaling(name: string): Promise<ScalingAnswer> {
    return this.#atHome('getScaling', [name], () => scalingOf(this.#site, name));
  }

  planScaling(name: string, request: { readonly scaling?: ScalingPolicy }): Promise<ScalingAnswer> {
    return this.#atHome('planScaling', [name, request], () => scalingOf(this.#site, name, request.scaling));
  }

  switchover(stream: string, request: { readonly to?: string; readonly force?: boolean }): Promise<Incident> {
    return this.#atHome('switchover', [stream, request], () => requestSwitchover(this.#site, stream, request));
  }

  moveHome(request: { readonly to: string; readonly force?: boolean }): Promise<Incident> {
    return this.#at(request.to, 'moveHome', [request], () => moveHome(this.#site, request));
  }

  // ------------------------------------------------------------------------------------------------------- readers

  readEvents(request: ReadEvents, hops = 0): Promise<EventPage> {
    return this.#local(() => this.#readers.readEvents(request, hops));
  }

  readTransactions(request: ReadTransactions, hops = 0): Promise<WholeTransactionPage> {
    return this.#local(() => this.#readers.readTransactions(request, hops));
  }

  // ------------------------------------------------------------------------------------------------------ aftermath

  reconcile(request: {
    readonly site: string;
    readonly streams?: readonly string[];
  }): Promise<{ readonly id: string }> {
    return this.#at(request.site, 'reconcile', [request], () => startReconciliation(this.#site, request.streams));
  }

  getReconciliation(id: string) {
    return this.#local(() => getReconciliation(this.#site, id));
  }

  audit(request: AuditRequest): Promise<{ readonly id: string }> {
    return this.#at(request.site, 'audit', [request], () => startAudit(this.#site, request));
  }

  getAudit(id: string) {
    return this.#local(() => getAudit(this.#site, id));
  }

  listIncidents(request: Paging) {
    return this.#local(() => listIncidents(this.#site, request));
  }

  listConflicts(request: ListConflicts) {
    return this.#local(() => listConflicts(this.#site, request));
  }

  getConflict(id: string) {
    return this.#local(() => getConflict(this.#site, id));
  }

  resolveConflict(id: string, request: ResolveRequest): Promise<Conflict> {
    return this.#atHome('resolveConflict', [id, request], () => resolveConflict(this.#site, id, request));
  }

  getPredictions(own = false): Promise<PredictionsAnswer> {
    return this.#local(() => (own ? predictionsOf : predictionsOfAll)(this.#site, this.#backfill));
  }

  getHealth(own = false): Promise<HealthAnswer> {
    return own ? healthOf(this.#site) : healthOfAll(this.#site);
  }

  // --------------------------------------------------------------------------------------------------- passing on

  /**
   * A request that another site passed on: answered here, or not at all. That site tries again where home is by then, and
   * what it hears there must stay true when this copy of its request comes late.
   */
  async perform({ operation, args, term }: ForwardedRequest): Promise<unknown> {
    const service = term === undefined ? this : this.#asHomeOf(term);
    const methods = service as unknown as Record<string, (...given: readonly unknown[]) => Promise<unknown>>;
    const answer = methods[operation]?.(...args);
    if (!answer) throw new LockstepError('InvalidRequest', `there is no operation ${operation}`);
    return answer;
  }

  #asHomeOf(term: number): SiteService {
    return new SiteService(this.#site, this.#queue, this.#readers, this.#backfill, term);
  }

  async #atHome<T>(
    operation: ForwardedRequest['operation'],
    args: readonly unknown[],
    local: (term: number) => Promise<T>,
  ): Promise<T> {
    let last: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (attempt > 0) await this.#site.clock.sleep(PAUSE_MS * attempt);
      try {
        const { home, term } = await this.#routeHere();
        if (home === this.#site.name) return await this.#atThisHome(term, local);
        return (await unlessMoved(
          this.#site,
          home,
          (route) => route.home === home,
          () => this.#site.peers.agent(home).perform({ operation, args, term }),
        )) as T;
      } catch (error) {
        last = error;
        if (this.#term !== undefined && error instanceof NotHomeAnyMore) throw error;
        await this.#afterFailure(error);
      }
    }
    throw asLockstep(last);
  }

  /** @throws NotHomeAnyMore where a request was passed on to the home of another term */
  async #routeHere(): Promise<Route> {
    const known = await this.#site.routes.current();
    if (this.#term === undefined || isHomeIn(known, this.#site.name, this.#term)) return known;
    const route = await this.#site.routes.refresh();
    if (!isHomeIn(route, this.#site.name, this.#term)) throw new NotHomeAnyMore(`${route.home} is home`);
    return route;
  }

  /** That there is no such transaction is only true where home still is. */
  async #atThisHome<T>(term: number, local: (term: number) => Promise<T>): Promise<T> {
    try {
      return await local(term);
    } catch (error) {
      if (isLockstepError(error, 'UnknownTransaction')) await confirmHome(this.#site, term);
      throw error;
    }
  }

  /** Decides whether it makes sense to try again: only after the route has moved on. @throws LockstepError */
  async #afterFailure(error: unknown): Promise<void> {
    if (error instanceof SiteUnavailable && (await this.#leavesHome())) return;
    if (error instanceof LockstepError) throw error;
    if (error instanceof HomeFails)
      throw new SiteUnavailable(`the tables of ${this.#site.name} fail; another site may take over`, { cause: error });
    if (!(error instanceof NotHomeAnyMore) && !(error instanceof PortUnavailable)) throw asLockstep(error);
    const { home } = this.#site.routes.known;
    if (error instanceof NotHomeAnyMore || home === this.#site.name) return this.#lookAgain();
    this.#site.observe(siteTarget(home), 'failed');
    if (!(await this.#homeIsElsewhere())) throw await this.#notHome(home);
  }

  /** A takeover that was left half-way is finished by the request that meets it. */
  async #lookAgain(): Promise<void> {
    const route = await this.#site.routes.refresh().catch(() => undefined);
    if (route?.phase === 'taking-over') await homeHasFailed(this.#site).catch(() => undefined);
  }

  /** Home answered that it cannot: its tables fail. */
  #leavesHome(): Promise<boolean> {
    const { home } = this.#site.routes.known;
    if (home === this.#site.name) return Promise.resolve(false);
    this.#site.observe(siteTarget(home), 'failed');
    return this.#homeIsElsewhere();
  }

  async #homeIsElsewhere(): Promise<boolean> {
    try {
      const before = this.#site.routes.known.home;
      return (await homeHasFailed(this.#site)) || (await this.#site.routes.refresh()).home !== before;
    } catch (error) {
      throw new SiteUnavailable('home does not answer, and this site cannot take over', { cause: error });
    }
  }

  async #notHome(home: string): Promise<LockstepError> {
    const route = this.#site.routes.known;
    if (!route.inSync.includes(this.#site.name) && !(await othersSeeHome(this.#site, route))) {
      return new SiteUnavailable(`${this.#site.name} is not in sync, and home ${home} does not answer it`);
    }
    const endpoint = (await describeSites(this.#site)).find(({ name }) => name === home)?.endpoint ?? '';
    return new LockstepError(
      'NotHome',
      `${home} is home but does not answer ${this.#site.name}; ask it at ${endpoint}`,
      { endpoint },
    );
  }

  async #at<T>(
    where: string,
    operation: ForwardedRequest['operation'],
    args: readonly unknown[],
    local: () => Promise<T>,
  ): Promise<T> {
    if (where !== this.#site.name && !this.#site.others.includes(where)) {
      throw new LockstepError('InvalidRequest', `there is no site ${where}`);
    }
    return this.#local(async () => {
      if (where === this.#site.name) return local();
      return (await this.#site.peers.agent(where).perform({ operation, args })) as T;
    });
  }

  async #local<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asLockstep(error);
    }
  }
}

const isHomeIn = (route: Route, site: string, term: number): boolean => route.home === site && route.term === term;

function asLockstep(error: unknown): Error {
  if (error instanceof LockstepError) return error;
  if (error instanceof PortUnavailable || error instanceof HomeFails || error instanceof NotHomeAnyMore) {
    return new SiteUnavailable('not answered just now; ask again with the same id', { cause: error });
  }
  if (error instanceof PortThrottled) {
    return new LockstepError(
      'Throttled',
      'too much at once; ask again with the same id in a moment',
      {},
      { cause: error },
    );
  }
  return error instanceof Error ? error : new Error(String(error));
}
