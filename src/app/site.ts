import type { DecisionRef } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { type Health, HEALTHY, admits, observe } from '../core/health.js';
import type { Options } from '../core/options.js';
import { stillClosed } from '../core/route.js';
import { NEVER, type Timestamp, clockOf, msOf, termOf, tick, timestamp } from '../core/timestamp.js';
import { newId } from '../core/ids.js';
import type { Write } from '../core/table.js';
import type { ConflictFunctions } from '../ports/conflict-functions.js';
import type { ControlStore } from '../ports/control-store.js';
import { PortThrottled } from '../ports/failures.js';
import type { Clock, Observer, Random } from '../ports/environment.js';
import type { Peers } from '../ports/mirror-agent.js';
import type { PredictorDescription } from '../ports/predictor.js';
import type { Streams } from '../ports/streams.js';
import type { Tables } from '../ports/tables.js';
import type { Consumers } from '../ports/consumers.js';
import type { Perform, Run, Workflows } from '../ports/workflows.js';
import { LoadMeter } from './load-meter.js';
import { Registry } from './registry.js';
import { Routes } from './routes.js';

/** A site as the deployment describes it. */
export interface SiteDescription {
  readonly name: string;
  readonly region: string;
  /** Where clients reach it. Absent where only the site itself knows, which tells the others. */
  readonly endpoint?: string;
}

export interface Deployment {
  /** Stands in every record as CloudEvents `source`. */
  readonly name: string;
  /** The first one is home at the start. */
  readonly sites: readonly SiteDescription[];
}

/** Who foresees what clients of a site will write: `Backfill`. */
export interface Foreseer {
  /** Which model answers; nothing where it does not. */
  describe(): Promise<PredictorDescription | undefined>;
  /** Looks at these transactions now. */
  look(ids: readonly string[]): Promise<void>;
  /** Learns what was decided, and looks at all that is open. */
  round(): Promise<void>;
}

/** All that one site's use cases need of the world. */
export interface SitePorts {
  readonly name: string;
  readonly deployment: Deployment;
  readonly options: Options;
  readonly tables: Tables;
  readonly streams: Streams;
  readonly control: ControlStore;
  readonly peers: Peers;
  readonly workflows: Workflows;
  readonly consumers: Consumers;
  readonly conflictFunctions: ConflictFunctions;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  /** Takes work whose end the request need not wait for: tracked when embedded, awaited before a Lambda answers. */
  readonly later: (work: Promise<unknown>) => void;
  /**
   * Takes what tells a site which foreseen event was written: off the client's path, as soon as may be. Where the process
   * may end with the request, whoever follows the log does it, and this does nothing.
   */
  readonly confirm: (work: () => Promise<unknown>) => void;
  /** Makes the agent that foresees events; without it nothing is foreseen, and everything works. */
  readonly backfill?: (site: Site) => Foreseer;
  /** Ends long polls when the process is to end. */
  readonly stopping?: AbortSignal;
}

/**
 * One site at work in one process: its ports, and what it remembers between requests. Everything remembered here may be
 * lost at any moment, and several processes may serve one site: it saves calls, it decides nothing.
 */
export class Site {
  readonly name: string;
  readonly ports: SitePorts;
  readonly options: Options;
  readonly tables: Tables;
  readonly streams: Streams;
  readonly control: ControlStore;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly routes: Routes;
  readonly registry: Registry;

  /** Decisions that this process is bringing everywhere, by id. */
  readonly applying = new Map<string, Promise<void>>();
  /** Streams whose replica here has a backlog. */
  readonly behind = new Set<string>();
  /** Streams that lag at other sites, as these said last. */
  readonly behindAt = new Map<string, ReadonlySet<string>>();
  /** Ids whose records this process put here since the last close: their marks go without putting again. */
  readonly putHere = new Set<string>();
  /** Marks that may go, gathered until they go together. */
  readonly clearing: Write[] = [];
  /** Physical streams that this process has filled from the log here, each with what was still pending then. */
  readonly filled = new Map<string, readonly DecisionRef[]>();
  /** Streams that took records here since their last heartbeat. */
  readonly dirty = new Set<string>();
  /** Streams whose backlog a reconciliation, by its id, is filling: till then new records join it and nothing drains it. */
  readonly refilling = new Map<string, string>();
  /** Where clients reach other sites, as these have told. */
  readonly endpoints = new Map<string, string>();
  /** Told of each transaction that another site has staged something of here. */
  touched: (id: string) => void = () => undefined;
  /** What was offered to streams that are scaled, until it is written down. */
  readonly load = new LoadMeter();
  readonly beatAtMs = new Map<string, number>();
  /** Since when a replica that a stream may go back to has been level, by `stream@site`. */
  readonly calmSinceMs = new Map<string, number>();
  readonly #closed = new Map<string, { told: Timestamp; next: Timestamp; tellAtMs: number }>();
  readonly #health = new Map<string, Health>();
  readonly #aheadOf = new Map<string, number>();
  readonly #perform: Perform;
  #tick = 0;

  /** @param performerOf who performs the steps of this site's workflows */
  constructor(ports: SitePorts, performerOf: (site: Site) => Perform) {
    this.#perform = performerOf(this);
    this.name = ports.name;
    this.ports = ports;
    this.options = ports.options;
    this.tables = ports.tables;
    this.streams = ports.streams;
    this.control = ports.control;
    this.peers = ports.peers;
    this.clock = ports.clock;
    this.routes = new Routes(ports.control);
    this.registry = new Registry(ports.control, ports.name);
  }

  get others(): readonly string[] {
    return this.ports.deployment.sites.map((site) => site.name).filter((name) => name !== this.name);
  }

  /** Copies of the guard, and buckets of marks. */
  get copies(): number {
    return this.options.guardCopies;
  }

  newId(): string {
    return newId(this.clock.now(), this.ports.random.bytes(16));
  }

  /** Runs a workflow of this site, see `Workflows.run`. */
  run(run: Run): Promise<void> {
    return this.ports.workflows.run(run, this.#perform);
  }

  note(what: string, facts: Readonly<Record<string, unknown>> = {}): void {
    this.ports.observer.note(what, { site: this.name, ...facts });
  }

  /** How far the replica here is closed, as far as it may be told on the stream itself. */
  closedAt(stream: string): Timestamp {
    const closed = this.#closed.get(stream);
    if (!closed) return NEVER;
    if (closed.next > closed.told && this.clock.now() >= closed.tellAtMs) closed.told = closed.next;
    return stillClosed(this.routes.known.terms, closed.told);
  }

  /** A closed timestamp is told as long after the last put as the order of arrival is coarse. */
  close(stream: string, at: Timestamp): void {
    const { arrivalMarginMs } = this.options;
    const before = this.#closed.get(stream) ?? { told: NEVER, next: NEVER, tellAtMs: 0 };
    if (at <= before.next) return;
    const told = arrivalMarginMs === 0 ? at : this.closedAt(stream);
    // One on its way is not put off by the next: it would never be told.
    const waiting = before.next > told;
    this.#closed.set(stream, waiting ? before : { told, next: at, tellAtMs: this.clock.now() + arrivalMarginMs });
  }

  // ---------------------------------------------------------------------------------------------------------- clock

  /**
   * The next commit timestamp: later than any that this process gave, and than `after`.
   *
   * @throws LockstepError Unavailable when this clock runs more than half the reader's margin ahead: a reader that starts
   *   its margin early must still meet everything above its checkpoint
   */
  nextTimestamp(term: number, after: Timestamp = NEVER): Timestamp {
    const nowMs = this.clock.now();
    const floor = termOf(after) === term ? clockOf(after) : 0;
    const next = tick(Math.max(this.#tick, floor), nowMs);
    const aheadMs = Math.max(msOf(timestamp(term, next)) - nowMs, ...this.#aheadOf.values());
    if (aheadMs > this.options.readMarginMs / 2) {
      throw new LockstepError(
        'Unavailable',
        `the clock of site ${this.name} is ${aheadMs} ms ahead; nothing was decided`,
      );
    }
    this.#tick = next;
    return timestamp(term, next);
  }

  /** Learns from an answer how far this clock runs ahead of another site's. */
  compareClocks(other: string, theirNowMs: number): void {
    this.#aheadOf.set(other, this.clock.now() - theirNowMs);
  }

  // --------------------------------------------------------------------------------------------------------- health

  health(target: string): Health {
    return this.#health.get(target) ?? HEALTHY;
  }

  observe(target: string, ended: 'well' | 'failed'): Health {
    const before = this.health(target);
    const after = observe(before, ended, this.clock.now(), this.options);
    this.#health.set(target, after);
    if (before.state !== after.state)
      this.note(after.state === 'open' ? 'breaker opens' : 'breaker closes', { target });
    return after;
  }

  /** A call that threw. Throttling is load, not failure: it says that somebody is there. */
  observeError(target: string, error: unknown): Health {
    return error instanceof PortThrottled ? this.health(target) : this.observe(target, 'failed');
  }

  isFailed(target: string): boolean {
    return this.health(target).state === 'open';
  }

  /** Whether to try at all: not while a breaker is open, but for a probe now and then. */
  admits(target: string): boolean {
    return admits(this.health(target), this.clock.now(), this.options);
  }

  get healthTargets(): readonly string[] {
    return [...this.#health.keys()];
  }
}

/** Names under which health is kept. */
export const siteTarget = (site: string): string => `site ${site}`;
export const shardTarget = (stream: string, shardId: string): string => `shard ${stream}/${shardId}`;
export const streamTarget = (stream: string): string => `stream ${stream}`;
