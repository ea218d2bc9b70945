import { join } from 'node:path';
import { EmbeddedControlStore } from '../adapters/embedded/control-store.js';
import { type ConflictFunction, conflictFunctions } from '../adapters/embedded/conflict-functions.js';
import { DataDirectory } from '../adapters/embedded/data-directory.js';
import { FaultBoard } from '../adapters/embedded/fault-board.js';
import { type FaultWorld, faultyControl, faultyTables } from '../adapters/embedded/faults.js';
import { faultyStreams } from '../adapters/embedded/faulty-streams.js';
import { LmdbStore } from '../adapters/embedded/lmdb-store.js';
import { MemoryStore } from '../adapters/embedded/memory-store.js';
import { SimulatedNetwork } from '../adapters/embedded/network.js';
import type { OrderedStore } from '../adapters/embedded/ordered-store.js';
import { EmbeddedStreams } from '../adapters/embedded/streams.js';
import { systemClock, systemRandom } from '../adapters/embedded/system.js';
import { EmbeddedTables } from '../adapters/embedded/tables.js';
import { httpEndpoint } from '../adapters/http/predictor-endpoint.js';
import { Backfill } from '../app/backfill.js';
import { createFront } from '../app/front.js';
import { SiteNode } from '../app/node.js';
import { ownPredictor } from '../app/own-predictor.js';
import { predictorsInTurn } from '../app/predictors-in-turn.js';
import { remotePredictor } from '../app/remote-predictor.js';
import type { Deployment, Site } from '../app/site.js';
import type { LocalControls, Service } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { logicalNameOf, newId } from '../core/ids.js';
import { type Options, type OptionsInput, optionsSchema } from '../core/options.js';
import { NO_CONSUMERS } from '../ports/consumers.js';
import type { ControlStore } from '../ports/control-store.js';
import { type Clock, type Observer, type Random, SILENT } from '../ports/environment.js';
import {
  AGENT_CALLS,
  type AgentCallKind,
  LONGEST_POLL_MS,
  type MirrorAgent,
  type Peers,
} from '../ports/mirror-agent.js';
import type { Predictor } from '../ports/predictor.js';
import type { Streams } from '../ports/streams.js';
import type { Tables } from '../ports/tables.js';

import { localWorkflows } from '../workflows/local.js';
import { Loops } from './loops.js';

export interface EmbeddedOptions {
  /** Where everything is kept, durably; without it in memory only. One process at a time owns it. */
  readonly dataDirectory?: string;
  /** Names of the sites, the first is home at the start. @default ["east", "west"] */
  readonly sites?: readonly string[];
  /** Distance between any two sites, milliseconds. @default 0 */
  readonly roundTripMs?: number;
  /** How long a new stream takes until it is active, milliseconds. @default 0 */
  readonly creationMs?: number;
  /** Stands in every record as its source. @default "lockstep" */
  readonly name?: string;
  /** Where each site is reached, for `GET /route`. @default "" */
  readonly endpointOf?: (site: string) => string;
  /** See `src/core/options.ts`: each has its unit, bounds and default there. */
  readonly options?: OptionsInput;
  /**
   * Functions by which streams may have their conflicts resolved, by name: a function, or the path of a module that
   * exports one as `default`. A module runs in a thread of its own, which is ended when it takes too long; a function is
   * not waited for any longer, but one that never returns stops this process.
   */
  readonly conflictFunctions?: Readonly<Record<string, ConflictFunction | string>>;
  readonly observer?: Observer;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Whether the work that nobody asks for runs by itself. @default true */
  readonly background?: boolean;
  /** Puts something between a site's use cases and its ports: what a test stops, loses or counts. */
  readonly wrap?: PortWraps;
  /** Who foresees events at a site; nobody where it answers nothing. @default one of its own, where there are several */
  readonly predictorOf?: (site: string) => Predictor | undefined;
  /**
   * Where a predictor of one's own answers (`POST {url}/invocations`, docs/PREDICTION.md), and learns: it is asked first,
   * and each site's own where that has nothing to say.
   */
  readonly predictorEndpoint?: string;
  /** Where tables, streams and the control store are kept; for tests. @default by `dataDirectory` */
  readonly storeOf?: (name: string) => OrderedStore;
}

/** Each gets a port as a site would use it, faults included, and answers the one that the site uses instead. */
export interface PortWraps {
  readonly tables?: (site: string, tables: Tables) => Tables;
  readonly streams?: (site: string, streams: Streams) => Streams;
  readonly control?: (site: string, control: ControlStore) => ControlStore;
  /** Calls from a site to another one's mirror agent. */
  readonly peers?: (site: string, peers: Peers) => Peers;
}

export interface EmbeddedLockstep {
  /** All sites behind one entrance. */
  readonly service: Service;
  /** Entering at one site. */
  readonly siteServices: Readonly<Record<string, Service>>;
  readonly controls: LocalControls;
  /** The sites themselves, for tests and the simulation. */
  readonly nodes: ReadonlyMap<string, SiteNode>;
  /** Ends the background work, waits for what is under way, closes the stores. */
  close(): Promise<void>;
}

/** On a disk each write waits for a sync, and keeps the next one waiting. */
const CLEAR_PAUSE_MS = 4;

/** A silent loss is to be noticed within two seconds: three calls in a row that get no answer, and one pause. */
const LOCAL_OPTIONS: OptionsInput = { callTimeoutMs: 400, probePeriodMs: 300, failbackAfterMs: 10_000 };

/**
 * Runs a whole deployment, all sites, in this process.
 *
 * @throws DataDirectoryInUse where another process owns the data directory
 */
export async function openEmbedded(given: EmbeddedOptions = {}): Promise<EmbeddedLockstep> {
  const directory = given.dataDirectory === undefined ? undefined : new DataDirectory(given.dataDirectory);
  try {
    const engine = new Engine(given, directory);
    await engine.start();
    return engine;
  } catch (error) {
    directory?.release();
    throw error;
  }
}

/** What the sites of one process share. */
interface Shared {
  readonly given: EmbeddedOptions;
  readonly deployment: Deployment;
  readonly world: FaultWorld;
  readonly control: ControlStore;
  readonly network: SimulatedNetwork;
  /** By site; complete only when all are open. */
  readonly agents: ReadonlyMap<string, MirrorAgent>;
}

class Engine implements EmbeddedLockstep {
  readonly service: Service;
  readonly siteServices: Readonly<Record<string, Service>>;
  readonly controls: LocalControls;
  readonly nodes: ReadonlyMap<string, SiteNode>;
  readonly #directory: DataDirectory | undefined;
  readonly #stores: OrderedStore[] = [];
  readonly #streams: EmbeddedStreams[] = [];
  readonly #loops: Loops;
  readonly #background: boolean;
  readonly #stopping = new AbortController();
  readonly #options: Options;

  constructor(given: EmbeddedOptions, directory: DataDirectory | undefined) {
    this.#directory = directory;
    this.#background = given.background ?? true;
    this.#options = optionsSchema.parse({
      ...LOCAL_OPTIONS,
      ...(given.dataDirectory === undefined ? {} : { clearPauseMs: CLEAR_PAUSE_MS }),
      ...given.options,
    });
    const clock = given.clock ?? systemClock;
    const random = given.random ?? systemRandom;
    const board = new FaultBoard();
    const network = new SimulatedNetwork({
      clock,
      random,
      board,
      roundTripMs: given.roundTripMs ?? 0,
      timeoutMs: this.#options.callTimeoutMs + (given.roundTripMs ?? 0),
      stopping: this.#stopping.signal,
    });
    this.#loops = new Loops(clock);
    const names = given.sites ?? ['east', 'west'];
    const deployment = {
      name: given.name ?? 'lockstep',
      sites: names.map((name) => ({
        name,
        region: name,
        get endpoint() {
          return given.endpointOf?.(name) ?? '';
        },
      })),
    };
    const world = { board, clock, random };
    const control = new EmbeddedControlStore(this.#store(given, 'control'));
    const nodes = new Map<string, SiteNode>();
    const agents = new Map<string, MirrorAgent>();
    const shared: Shared = { given, deployment, world, control, network, agents };
    for (const name of names) {
      const node = this.#openSite(name, shared);
      nodes.set(name, node);
      agents.set(name, node.agent);
    }
    this.nodes = nodes;
    const entrances = [...nodes].map(([name, node]) => ({
      name,
      service: node.service,
      isReachable: () => !board.affecting(name, 'api').some((fault) => fault.kind === 'down'),
    }));
    const nameRequest = (): string => newId(clock.now(), random.bytes(16));
    this.siteServices = Object.fromEntries(
      entrances.map((entrance) => [entrance.name, createFront([entrance], () => [], nameRequest)]),
    );
    this.service = createFront(entrances, () => orderOf([...nodes.values()]), nameRequest);
    this.controls = {
      getFaults: () => board.list(),
      setFaults: (faults) => {
        const strange = faults.flatMap(({ site, peer = site }) => [site, peer]).find((name) => !nodes.has(name));
        if (strange !== undefined) throw new LockstepError('InvalidRequest', `faults: there is no site ${strange}`);
        board.set(faults);
        return board.list();
      },
      setNetwork: ({ roundTripMs }) => {
        network.roundTripMs = roundTripMs;
      },
    };
  }

  /** One site's ports: its own store, behind the faults, behind what a test puts in between. */
  #openSite(name: string, { given, deployment, world, control, network, agents }: Shared): SiteNode {
    const { wrap, creationMs = 0, observer = SILENT } = given;
    const predictor = given.predictorOf ? given.predictorOf(name) : this.#predictorFor(given, deployment);
    const { callTimeoutMs, bulkTimeoutMs } = this.#options;
    const { clock, random } = world;
    const store = this.#store(given, name);
    const streams = new EmbeddedStreams(store, clock, { namespace: 's', creationMs, stopping: this.#stopping.signal });
    this.#streams.push(streams);
    const logicalName = (physical: string) => logicalNameOf(deployment.name, name, physical);
    return new SiteNode({
      name,
      deployment,
      options: this.#options,
      tables: wrapped(wrap?.tables, name, faultyTables(name, new EmbeddedTables(store, { namespace: 't' }), world)),
      streams: wrapped(wrap?.streams, name, faultyStreams(name, streams, world, { logicalName })),
      control: wrapped(wrap?.control, name, faultyControl(name, control, world, { timeoutMs: callTimeoutMs })),
      peers: wrapped(wrap?.peers, name, peersOf(name, agents, network, bulkTimeoutMs)),
      workflows: localWorkflows({ clock, random, stopping: this.#stopping.signal }),
      consumers: NO_CONSUMERS,
      conflictFunctions: conflictFunctions(given.conflictFunctions ?? {}, clock),
      clock,
      random,
      observer,
      later: (work) => this.#loops.track(work),
      confirm: (work) => this.#loops.track(work()),
      ...(predictor ? { backfill: (site: Site) => new Backfill(site, predictor) } : {}),
      stopping: this.#stopping.signal,
    });
  }

  /** With one site nothing is waited for. */
  #predictorFor({ predictorEndpoint: url, clock = systemClock }: EmbeddedOptions, { sites }: Deployment) {
    if (sites.length < 2) return undefined;
    const own = ownPredictor({ steps: this.#options.predictionHorizon });
    if (url === undefined) return own;
    // What is left of the time is for the other one.
    const invoke = httpEndpoint(url, this.#options.predictionTimeoutMs / 2);
    return predictorsInTurn(remotePredictor(invoke, clock, { learns: true }), own);
  }

  async start(): Promise<void> {
    for (const node of this.nodes.values()) await node.start();
    if (!this.#background) return;
    for (const node of this.nodes.values()) await node.resume();
    const { closePeriodMs, predictionPeriodMs, probePeriodMs, scalingPeriodMs, sweepPeriodMs } = this.#options;
    for (const node of this.nodes.values()) {
      const note = (what: string) => (error: unknown) => {
        node.site.note(`${what} failed`, { why: error instanceof Error ? error.message : String(error) });
      };
      this.#loops.run(probePeriodMs, () => node.watch(), note('watch'));
      this.#loops.run(probePeriodMs, () => node.tend(), note('tend'));
      this.#loops.run(closePeriodMs, () => node.close(), note('close'));
      this.#loops.run(sweepPeriodMs, () => node.sweep(), note('sweep'));
      this.#loops.run(scalingPeriodMs, () => node.scale(), note('scale'));
      if (node.backfill) this.#loops.run(predictionPeriodMs, () => node.foresee(), note('foresee'));
      this.#loops.run(sweepPeriodMs * 10, () => node.expire(), note('expire'));
    }
    for (const streams of this.#streams)
      this.#loops.run(
        sweepPeriodMs * 10,
        () => streams.trim(),
        () => undefined,
      );
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#loops.stop();
    for (const store of this.#stores) await store.close();
    this.#directory?.release();
  }

  #store(given: EmbeddedOptions, name: string): OrderedStore {
    const directory = this.#directory;
    const store = given.storeOf?.(name) ?? (directory ? new LmdbStore(join(directory.path, name)) : new MemoryStore());
    this.#stores.push(store);
    return store;
  }
}

function wrapped<T>(wrap: ((site: string, port: T) => T) | undefined, site: string, port: T): T {
  return wrap ? wrap(site, port) : port;
}

/** Home first, as the site with the newest route has it; then the others in sync. */
function orderOf(nodes: readonly SiteNode[]): readonly string[] {
  let newest: { readonly epoch: number; readonly home: string; readonly inSync: readonly string[] } | undefined;
  for (const { site } of nodes) {
    const route = site.routes.known;
    if (!newest || route.epoch > newest.epoch) newest = route;
  }
  return newest ? [newest.home, ...newest.inSync.filter((name) => name !== newest.home)] : [];
}

/** Each call of another site's agent goes through the network between them. */
function peersOf(
  from: string,
  agents: ReadonlyMap<string, MirrorAgent>,
  network: SimulatedNetwork,
  bulkTimeoutMs: number,
): Peers {
  const remote = new Map<string, MirrorAgent>();
  return {
    agent: (to) => {
      const known = remote.get(to);
      if (known) return known;
      const agent = agents.get(to);
      if (!agent) throw new Error(`there is no site ${to}`);
      const made = to === from ? agent : through(network, from, to, agent, bulkTimeoutMs);
      remote.set(to, made);
      return made;
    },
  };
}

function through(
  network: SimulatedNetwork,
  from: string,
  to: string,
  agent: MirrorAgent,
  bulkTimeoutMs: number,
): MirrorAgent {
  const timeouts: Readonly<Record<AgentCallKind, number | undefined>> = {
    quick: undefined,
    bulk: bulkTimeoutMs,
    forwarded: bulkTimeoutMs + LONGEST_POLL_MS,
  };
  const remote: Record<string, unknown> = {};
  for (const [method, kind] of Object.entries(AGENT_CALLS) as [keyof MirrorAgent, AgentCallKind][]) {
    const call = agent[method].bind(agent) as (...args: unknown[]) => Promise<unknown>;
    remote[method] = (...args: unknown[]) => network.call(from, to, () => call(...args), timeouts[kind]);
  }
  return remote as unknown as MirrorAgent;
}
