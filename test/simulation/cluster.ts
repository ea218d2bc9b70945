import { EmbeddedControlStore } from '../../src/adapters/embedded/control-store.js';
import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import { TableKeys } from '../../src/adapters/embedded/table-keys.js';
import { EmbeddedTables } from '../../src/adapters/embedded/tables.js';
import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { Backfill } from '../../src/app/backfill.js';
import { SiteNode } from '../../src/app/node.js';
import type { StreamDefinition } from '../../src/app/registry.js';
import type { SitePorts } from '../../src/app/site.js';
import type { Fault } from '../../src/core/api.js';
import { type DecidedEntry, isDecided } from '../../src/core/entry.js';
import { candidatesAmong, chunkKeys, decodeEntry, stagedAmong, entryKey, transactionPk } from '../../src/core/items.js';
import type { Route } from '../../src/core/route.js';
import type { Item, Key } from '../../src/core/table.js';
import { type Timestamp, msOf } from '../../src/core/timestamp.js';
import { type EmbeddedLockstep, openEmbedded } from '../../src/embedded/engine.js';
import type { MirrorAgent, Peers } from '../../src/ports/mirror-agent.js';
import type { Predictor } from '../../src/ports/predictor.js';
import { Decoded, type Standing, keptOf, standingAt } from '../support/standing.js';
import type { Dice } from './dice.js';
import { type Call, Process } from './process.js';
import type { Plan } from './plan.js';
import type { Trace } from './trace.js';

/** A process with the site that it runs. */
export interface Worker {
  readonly process: Process;
  readonly node: SiteNode;
}

/** Stands between every process and its ports. */
export type Meet = (call: Call, effect: () => Promise<unknown>) => Promise<unknown>;

type RawPorts = Pick<SitePorts, 'tables' | 'streams' | 'control' | 'peers'>;

/** Those of the embedded engine. */
const TABLE_KEYS = new TableKeys('t');

/** Small, so that what does not fit an item, and is kept in pieces, is still quickly simulated. */
export const MAX_ITEM_BYTES = 6 * 1024;

/**
 * The whole deployment in one process of the simulator: real use cases of every site, in many short-lived processes, over
 * memory stores, a simulated network and a virtual clock. Nothing here runs by itself.
 */
export class Cluster {
  readonly clock = new VirtualClock();
  readonly plan: Plan;
  readonly trace: Trace;
  /** Those that are alive, oldest first. */
  readonly workers: Worker[] = [];
  /** How far each site's clock runs ahead of the true time, milliseconds. */
  readonly aheadMs = new Map<string, (elapsedMs: number) => number>();
  /** Retention has passed: whatever is from before this time may be gone, milliseconds since 1970. */
  forgottenBeforeMs = -Infinity;
  /** Foresees for each process; set before the first one is born. */
  predictor: Predictor | undefined;
  /** Set before the first process is born. */
  meet: Meet = (_call, effect) => effect();
  readonly #dice: Dice;
  readonly #stores = new Map<string, MemoryStore>();
  readonly #raw = new Map<string, RawPorts>();
  readonly #decoded = new Map<string, Decoded>();
  readonly #startedAtMs = this.clock.now();
  #born = 0;
  #isOpen = false;
  #engine: EmbeddedLockstep | undefined;

  constructor(plan: Plan, dice: Dice, trace: (elapsedMs: () => number) => Trace) {
    this.plan = plan;
    this.#dice = dice;
    this.trace = trace(() => this.elapsedMs);
  }

  get sites(): readonly string[] {
    return this.plan.sites;
  }

  /** How far the clocks of two sites may be apart, milliseconds. */
  get clockErrorMs(): number {
    return (this.plan.options.readMarginMs ?? 1000) / 2;
  }

  get elapsedMs(): number {
    return this.clock.now() - this.#startedAtMs;
  }

  get engine(): EmbeddedLockstep {
    if (!this.#engine) throw new Error('the cluster is not open yet');
    return this.#engine;
  }

  async open(): Promise<void> {
    const { sites, options, roundTripMs, streams } = this.plan;
    const keep = <K extends keyof RawPorts>(kind: K, site: string, port: RawPorts[K]): RawPorts[K] => {
      this.#raw.set(site, { ...(this.#raw.get(site) as RawPorts), [kind]: port });
      return port;
    };
    this.#engine = await openEmbedded({
      sites,
      clock: this.clock,
      random: seededRandom(this.#dice.below(2 ** 32)),
      background: false,
      predictorOf: () => undefined,
      roundTripMs,
      options,
      storeOf: (name) => {
        const store = new MemoryStore();
        this.#stores.set(name, store);
        return store;
      },
      wrap: {
        tables: (site, port) => keep('tables', site, { ...port, maxItemBytes: MAX_ITEM_BYTES }),
        streams: (site, port) => keep('streams', site, port),
        control: (site, port) => keep('control', site, port),
        peers: (site, port) => keep('peers', site, port),
      },
    });
    // Before the first call between sites: the network keeps what it finds.
    for (const [site, { agent }] of this.engine.nodes) Object.assign(agent, this.#answeredBy(site, { ...agent }));
    for (const [name, policy] of Object.entries(streams)) {
      await this.clock.run(this.engine.service.putStream(name, policy));
    }
    for (const node of this.engine.nodes.values()) await this.clock.run(node.watch().then(() => node.tend()));
    this.#isOpen = true;
    for (const site of sites) {
      for (let count = 0; count < this.plan.processesPerSite; count += 1) await this.clock.run(this.spawn(site));
    }
  }

  // -------------------------------------------------------------------------------------------------------- processes

  /** A new process, with a route as new as its birth. False where it could not start. */
  async spawn(site: string): Promise<boolean> {
    const raw = this.#raw.get(site);
    const first = this.engine.nodes.get(site);
    if (!raw || !first) throw new Error(`there is no site ${site}`);
    this.#born += 1;
    const process = new Process(site, this.#born);
    const { predictor } = this;
    const meet: Meet = (call, effect) => this.meet(call, effect);
    const others = new Map(
      this.sites
        .filter((other) => other !== site)
        .map((to) => [to, process.port(raw.peers.agent(to), { port: 'peers', to }, meet)]),
    );
    const peers: Peers = { agent: (to) => others.get(to) ?? node.agent };
    const node = new SiteNode({
      ...first.site.ports,
      random: seededRandom(this.#dice.below(2 ** 32)),
      clock: process.clock(this.clock, () => this.aheadMs.get(site)?.(this.elapsedMs) ?? 0),
      tables: process.port(raw.tables, { port: 'tables' }, meet),
      streams: process.port(raw.streams, { port: 'streams' }, meet),
      control: process.port(raw.control, { port: 'control' }, meet),
      peers,
      observer: { note: (what, facts) => this.trace.note(`${process.name}: ${what}`, facts) },
      later: (work) => void work.catch(() => undefined),
      confirm: (work) => void work().catch(() => undefined),
      ...(predictor ? { backfill: (site) => new Backfill(site, predictor) } : {}),
    });
    try {
      await node.start();
    } catch {
      return false;
    }
    this.workers.push({ process, node });
    this.trace.note(`${process.name} is born`);
    return true;
  }

  kill(process: Process): void {
    this.trace.note(`${process.name} dies`);
    process.die();
    const at = this.workers.findIndex((worker) => worker.process === process);
    if (at >= 0) this.workers.splice(at, 1);
  }

  running(site?: string): readonly Worker[] {
    return this.workers.filter(({ process }) => process.isRunning && (site === undefined || process.site === site));
  }

  /** Any process may answer for its site, as any Lambda may; before there is one, the engine's own node. */
  #answeredBy(site: string, first: MirrorAgent): MirrorAgent {
    const answered: Record<string, unknown> = {};
    for (const method of Object.keys(first) as (keyof MirrorAgent)[]) {
      answered[method] = (...args: unknown[]): Promise<unknown> => {
        const here = this.running(site);
        // Nobody there: no answer, ever; the network gives up by itself.
        if (this.#isOpen && here.length === 0) return new Promise<never>(() => undefined);
        const agent = this.#isOpen ? this.#dice.pick(here).node.agent : first;
        const ask = agent[method] as (...given: unknown[]) => Promise<unknown>;
        return ask(...args);
      };
    }
    return answered as unknown as MirrorAgent;
  }

  // ----------------------------------------------------------------------------------------------------------- faults

  setFaults(faults: readonly Fault[]): void {
    this.engine.controls.setFaults(faults);
  }

  rawOf(site: string): RawPorts {
    const raw = this.#raw.get(site);
    if (!raw) throw new Error(`there is no site ${site}`);
    return raw;
  }

  // --------------------------------------------------------------------- looking, past every process and every fault

  async route(): Promise<Route> {
    return (await this.control.get('route'))?.value as Route;
  }

  async definitions(): Promise<readonly StreamDefinition[]> {
    const rows = await this.control.list('stream/');
    return rows.map(({ record }) => record.value as StreamDefinition);
  }

  async standing(site: string): Promise<Standing> {
    const definitions = await this.definitions();
    const names = definitions.flatMap(({ replicas }) => replicas[site]?.physicalName ?? []);
    const standing = await standingAt(this.#store(site), this.clock, names, this.#decodedOf(site));
    return this.forgets ? keptOf(standing, (at) => this.isKept(at)) : standing;
  }

  /** Whether some of what was committed may be gone by now. */
  get forgets(): boolean {
    return this.forgottenBeforeMs > -Infinity;
  }

  /** Whether retention has not passed since. */
  isSince(elapsedMs: number): boolean {
    return this.#startedAtMs + elapsedMs >= this.forgottenBeforeMs;
  }

  /** Whether what was decided then has to be there yet. */
  isKept(at: Timestamp): boolean {
    return msOf(at) >= this.forgottenBeforeMs;
  }

  /** What the log of a site says of one id now. */
  decided(site: string, id: string): DecidedEntry | undefined {
    const store = this.#store(site);
    const decoded = this.#decodedOf(site);
    const itemAt = (key: Key): Item | undefined => {
      const bytes = store.get(TABLE_KEYS.item(key));
      return bytes && decoded.item(bytes);
    };
    const item = itemAt(entryKey(id));
    const entry = item && decoded.entry(item, () => decodeEntry(id, item, chunkKeys(id, item).map(itemAt)));
    return entry && isDecided(entry) ? entry : undefined;
  }

  /** Digests of what a site holds of one open transaction now: as its client's events, or foreseen. */
  async staged(site: string, id: string): Promise<readonly string[]> {
    const tables = new EmbeddedTables(this.#store(site), { namespace: 't' });
    const { rows } = await tables.query({ pk: transactionPk(id) });
    return [...stagedAmong(id, rows), ...candidatesAmong(rows)].map(({ digest }) => digest);
  }

  #decodedOf(site: string): Decoded {
    const decoded = this.#decoded.get(site) ?? new Decoded();
    this.#decoded.set(site, decoded);
    return decoded;
  }

  get control(): EmbeddedControlStore {
    return new EmbeddedControlStore(this.#store('control'));
  }

  #store(name: string): MemoryStore {
    const store = this.#stores.get(name);
    if (!store) throw new Error(`there is no store ${name}`);
    return store;
  }
}
