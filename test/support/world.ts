import { EmbeddedControlStore } from '../../src/adapters/embedded/control-store.js';
import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { SiteNode } from '../../src/app/node.js';
import type { StreamDefinition } from '../../src/app/registry.js';
import type { SitePorts } from '../../src/app/site.js';
import type { CommitAnswer, EventIn, Fault, Json, StreamPolicy } from '../../src/core/api.js';
import { prepareEvent } from '../../src/core/event.js';
import type { OptionsInput } from '../../src/core/options.js';
import type { Route } from '../../src/core/route.js';
import { type EmbeddedLockstep, type EmbeddedOptions, openEmbedded } from '../../src/embedded/engine.js';
import type { Peers } from '../../src/ports/mirror-agent.js';
import type { Predictor } from '../../src/ports/predictor.js';
import { Hooks } from './hooks.js';
import { type Standing, standingAt } from './standing.js';

/**
 * All sites of a deployment in one process, on memory stores and a virtual clock, with nothing that runs by itself: a
 * test says what happens next, and may stand between a coordinator and any of its ports.
 */
export interface WorldOptions {
  /** The first is home. @default ["east", "west"] */
  readonly sites?: readonly string[];
  /** Streams to begin with. @default {orders: a replica at every site} */
  readonly streams?: Readonly<Record<string, StreamPolicy>>;
  readonly roundTripMs?: number;
  /** How long a new stream takes until it is active, milliseconds. @default 0 */
  readonly creationMs?: number;
  readonly options?: OptionsInput;
  readonly seed?: number;
  readonly conflictFunctions?: EmbeddedOptions['conflictFunctions'];
  /** @default nobody foresees anything */
  readonly predictorOf?: (site: string) => Predictor | undefined;
}

/** Few copies and few attempts keep traces short. */
const OPTIONS: OptionsInput = { guardCopies: 2, callTimeoutMs: 400, failuresToOpen: 3 };

export async function openWorld(given: WorldOptions = {}): Promise<World> {
  const world = new World(given);
  await world.open(given);
  return world;
}

type RawPorts = Pick<SitePorts, 'tables' | 'streams' | 'control' | 'peers'>;

export class World {
  readonly clock = new VirtualClock();
  readonly hooks = new Hooks();
  readonly sites: readonly string[];
  readonly #stores = new Map<string, MemoryStore>();
  readonly #raw = new Map<string, RawPorts>();
  readonly #seed: number;
  readonly #further = new Map<string, SiteNode>();
  #engine: EmbeddedLockstep | undefined;

  constructor({ sites = ['east', 'west'], seed = 1 }: WorldOptions) {
    this.sites = sites;
    this.#seed = seed;
  }

  async open({
    streams,
    roundTripMs = 0,
    creationMs = 0,
    options,
    conflictFunctions = {},
    predictorOf = () => undefined,
  }: WorldOptions): Promise<void> {
    const catchRaw = <K extends keyof RawPorts>(kind: K, site: string, port: RawPorts[K]): RawPorts[K] => {
      this.#raw.set(site, { ...(this.#raw.get(site) as RawPorts), [kind]: port });
      return this.#hooked(kind, site, port);
    };
    this.#engine = await openEmbedded({
      sites: this.sites,
      clock: this.clock,
      random: seededRandom(this.#seed),
      background: false,
      predictorOf,
      roundTripMs,
      creationMs,
      options: { ...OPTIONS, ...options },
      conflictFunctions,
      storeOf: (name) => {
        const store = new MemoryStore();
        this.#stores.set(name, store);
        return store;
      },
      wrap: {
        tables: (site, port) => catchRaw('tables', site, port),
        streams: (site, port) => catchRaw('streams', site, port),
        control: (site, port) => catchRaw('control', site, port),
        peers: (site, port) => catchRaw('peers', site, port),
      },
    });
    const everywhere: StreamPolicy = { mirrors: { count: this.sites.length - 1 } };
    for (const [name, policy] of Object.entries(streams ?? { orders: everywhere })) {
      await this.run(this.engine.service.putStream(name, policy));
    }
    for (const node of this.engine.nodes.values()) await this.run(node.watch());
    for (const node of this.engine.nodes.values()) await this.run(node.tend());
    this.hooks.calls.length = 0;
  }

  get engine(): EmbeddedLockstep {
    if (!this.#engine) throw new Error('the world is not open yet');
    return this.#engine;
  }

  // --------------------------------------------------------------------------------------------------------- actors

  /** A site's own node: its mirror agent answers the other sites. */
  node(site: string): SiteNode {
    const node = this.engine.nodes.get(site);
    if (!node) throw new Error(`there is no site ${site}`);
    return node;
  }

  /**
   * A coordinator: `east` is the node of that site, `east/2` a second process of it (another Lambda), over the same
   * tables but with a memory and a route of its own, as old as its last look.
   */
  async coordinator(name: string): Promise<SiteNode> {
    const [site = ''] = name.split('/');
    if (site === name) return this.node(site);
    const known = this.#further.get(name);
    if (known) return known;
    const raw = this.#raw.get(site);
    if (!raw) throw new Error(`there is no site ${site}`);
    const node = new SiteNode({
      ...this.node(site).site.ports,
      random: seededRandom(this.#seed + this.#further.size + 1000),
      tables: this.#hooked('tables', name, raw.tables),
      streams: this.#hooked('streams', name, raw.streams),
      control: this.#hooked('control', name, raw.control),
      peers: this.#hooked('peers', name, raw.peers),
    });
    this.#further.set(name, node);
    await this.run(node.start());
    return node;
  }

  #hooked<K extends keyof RawPorts>(kind: K, by: string, port: RawPorts[K]): RawPorts[K] {
    if (kind !== 'peers') return this.hooks.around(port, { by, port: kind });
    const { agent } = port as Peers;
    const peers: Peers = { agent: (to) => this.hooks.around(agent(to), { by, port: 'peers', to }) };
    return peers as RawPorts[K];
  }

  // ----------------------------------------------------------------------------------------------------------- time

  /** Waits for a promise; virtual time passes whenever nothing else can happen. */
  run<T>(promise: Promise<T>): Promise<T> {
    return this.clock.run(promise);
  }

  /** How a promise ends: its value, or the code of its refusal. */
  async outcome<T>(promise: Promise<T>): Promise<T | string> {
    try {
      return await this.run(promise);
    } catch (error) {
      const code = (error as { readonly code?: unknown }).code;
      return typeof code === 'string' ? code : String(error);
    }
  }

  /** Begins something whose end the test looks at later, or never. */
  start<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => undefined);
    return promise;
  }

  // --------------------------------------------------------------------------------------------------------- clients

  /** Commits events at once, entering at a coordinator (`east`, `west/2`). */
  async commit(at: string, id: string, ...events: readonly EventIn[]): Promise<CommitAnswer> {
    const { service } = await this.coordinator(at);
    return this.run(service.commitOnce({ id, events: events.length > 0 ? events : [event(id)] }));
  }

  /** Begins a commit and leaves it under way. */
  async startCommit(at: string, id: string, ...events: readonly EventIn[]): Promise<{ end: Promise<CommitAnswer> }> {
    const { service } = await this.coordinator(at);
    return { end: this.start(service.commitOnce({ id, events: events.length > 0 ? events : [event(id)] })) };
  }

  // --------------------------------------------------------------------------------------------------------- faults

  faults(...faults: readonly Fault[]): void {
    this.engine.controls.setFaults(faults);
  }

  /** A site is gone: nothing of it answers, and it does nothing. */
  lose(site: string): void {
    this.faults({ site, kind: 'down' });
  }

  heal(): void {
    this.faults();
  }

  // ---------------------------------------------------------------------------------------------------------- nodes

  /** One round of a site's own work; what fails in it fails quietly, as in its loops. */
  async round(site: string): Promise<void> {
    const node = this.node(site);
    for (const work of ['watch', 'tend', 'close', 'sweep'] as const) {
      await this.run(node[work]().catch(() => undefined));
    }
  }

  /** Rounds of all sites until nothing is left to do: every site in sync, no mark pending, every backlog empty. */
  async settle(): Promise<void> {
    this.heal();
    for (let round = 0; round < 30; round += 1) {
      for (const site of this.sites) await this.round(site);
      await this.clock.advance(1000);
      if (round > 1 && (await this.isQuiet())) return;
    }
  }

  async isQuiet(): Promise<boolean> {
    const route = await this.route();
    if (route.phase !== 'serving' || route.inSync.length < this.sites.length) return false;
    for (const site of this.sites) {
      const { marks, backlog } = await this.standing(site);
      if ([...marks.values()].some((mark) => mark.state === 'pending') || backlog.size > 0) return false;
    }
    return true;
  }

  /** East, or whoever is home, loses home to `to`, which nobody stops. */
  async takeover(to: string): Promise<void> {
    const { home } = await this.route();
    this.lose(home);
    await this.run(this.node(to).watch());
    this.heal();
  }

  // --------------------------------------------------------------------------------------------------------- looking

  async route(): Promise<Route> {
    return (await this.#control('route')) as Route;
  }

  async standing(site: string): Promise<Standing> {
    const definitions = await this.definitions();
    const names = definitions.flatMap(({ replicas }) => replicas[site]?.physicalName ?? []);
    return standingAt(this.#store(site), this.clock, names);
  }

  async definitions(): Promise<readonly StreamDefinition[]> {
    const rows = await new EmbeddedControlStore(this.#store('control')).list('stream/');
    return rows.map(({ record }) => record.value as StreamDefinition);
  }

  async #control(name: string): Promise<unknown> {
    const record = await new EmbeddedControlStore(this.#store('control')).get(name);
    if (!record) throw new Error(`there is no control record ${name}`);
    return record.value;
  }

  #store(name: string): MemoryStore {
    const store = this.#stores.get(name);
    if (!store) throw new Error(`there is no store ${name}`);
    return store;
  }
}

/** A small event; its data names it. */
export function event(data: Json, more: Partial<EventIn> = {}): EventIn {
  return { stream: 'orders', key: 'k', type: 'test', data, ...more };
}

export const digestOf = (given: EventIn): string => prepareEvent(given).digest;
