import { firstRoute } from '../core/route.js';
import { STANDING } from '../ports/environment.js';
import type { MirrorAgent } from '../ports/mirror-agent.js';
import { createAgent } from './agent.js';
import { endInterruptedAudits } from './audit.js';
import { recallBacklogs } from './applier.js';
import { Closer, recallClosed } from './close.js';
import { CommitQueue } from './commit-queue.js';
import { tellEndpoint } from './endpoints.js';
import { moveHere } from './consumers.js';
import { failBack } from './failback.js';
import { initialiseGuards } from './guards.js';
import { inTurn } from './in-turn.js';
import { tend } from './provision.js';
import { Readers } from './readers.js';
import { resumeReconciliation } from './reconciliation.js';
import { SiteService } from './service.js';
import { scaleStreams, tendLoad } from './scaling.js';
import { type Foreseer, Site, type SitePorts } from './site.js';
import { addMissingMirrors, ensureActive } from './streams.js';
import { performerOf } from './steps.js';
import { expireLog, sweepFollower, sweepHome } from './sweep.js';
import { watch } from './watch.js';

/**
 * One site, put together: its service, its mirror agent, and the work that it does without being asked. What calls the
 * latter differs: loops when embedded, schedules on AWS, the scheduler in the simulation.
 */
export class SiteNode {
  readonly site: Site;
  readonly service: SiteService;
  readonly agent: MirrorAgent;
  /** Foresees what clients will write. */
  readonly backfill: Foreseer | undefined;
  readonly #closer: Closer;

  constructor(ports: SitePorts) {
    this.site = new Site(ports, performerOf);
    this.#closer = new Closer(this.site);
    const queue = new CommitQueue(this.site);
    this.backfill = ports.backfill?.(this.site);
    this.service = new SiteService(this.site, queue, new Readers(this.site), this.backfill);
    this.agent = createAgent(this.site, this.#closer, (request) => this.service.perform(request));
  }

  /** The first route and guards of a deployment, where there are none; what this site remembers, where there is. */
  async start(): Promise<void> {
    const { sites } = this.site.ports.deployment;
    const names = sites.map(({ name }) => name);
    const [home = this.site.name] = names;
    await this.site.routes.initialise(firstRoute(home, names, this.site.clock.now()));
    await initialiseGuards(this.site, this.site.name === home);
    await this.recall();
    await Promise.all([recallClosed(this.site), tellEndpoint(this.site)]);
  }

  /**
   * Looks again at what other processes of this site, and other sites, may have changed. Nothing rests on knowing it, but
   * what is long outdated costs detours.
   */
  async recall(): Promise<void> {
    await this.refresh();
    await recallBacklogs(this.site);
  }

  /**
   * The same for a process that lives from call to call. A backlog that it does not know of it meets when it puts, or is
   * asked; one that it knows of would keep what it puts waiting for ever.
   */
  async refresh(): Promise<void> {
    await Promise.all([this.site.routes.refresh(), this.site.registry.refresh()]);
    await recallBacklogs(this.site, (stream) => this.site.behind.has(stream));
  }

  /** Looks at the other sites, and comes back when it is out of sync. */
  watch(): Promise<void> {
    return watch(this.site);
  }

  /** Notes what an alarm may stand on: how many sites are not in sync, and how many streams lag here. */
  tellStanding(): void {
    const { ports, routes, behind } = this.site;
    const out = ports.deployment.sites.length - routes.known.inSync.length;
    this.site.note(STANDING, { out, behind: behind.size });
  }

  /** Brings this site's replicas to their definitions, drains their backlogs, and lets consumers read what is active. */
  async tend(): Promise<void> {
    await inTurn(
      () => tend(this.site),
      () => moveHere(this.site),
    );
  }

  /** Goes on with a reconciliation that ended with its process, ends its audits. Only where no other serves this site. */
  async resume(): Promise<void> {
    await endInterruptedAudits(this.site);
    await resumeReconciliation(this.site);
  }

  /** Raises the bar, where this site is home. */
  async close(): Promise<void> {
    if (this.isServingHome) await this.#closer.closeNow();
  }

  /** Finishes what nobody came back for; away from home, forgets what home does not know. */
  async sweep(): Promise<void> {
    if (!this.isServingHome) return sweepFollower(this.site);
    await inTurn(
      () => ensureActive(this.site),
      () => addMissingMirrors(this.site),
      () => sweepHome(this.site),
      () => failBack(this.site),
    );
  }

  /** Writes down what was offered to streams; at home, lets their shards follow it. */
  async scale(): Promise<void> {
    await tendLoad(this.site);
    if (this.isServingHome) await scaleStreams(this.site);
  }

  /** Forgets what is older than the log is kept. */
  expire(): Promise<void> {
    return expireLog(this.site);
  }

  /** Learns from what was committed, and counts what became of candidates. */
  async foresee(): Promise<void> {
    await this.backfill?.round();
  }

  get isServingHome(): boolean {
    const { home, phase } = this.site.routes.known;
    return home === this.site.name && phase === 'serving';
  }
}
