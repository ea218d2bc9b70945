import type { Mark } from '../../src/core/items.js';
import { violations, violationsAtRest } from '../support/invariants.js';
import type { Standing } from '../support/standing.js';
import { unlikeTold } from './checkers/acknowledged.js';
import { wronglyChosen } from './checkers/conflicts.js';
import { leftForeseen } from './checkers/foreseen.js';
import { type Lost, lostIn, silentlyLost } from './checkers/lost.js';
import { listAppendHistory } from './checkers/list-append-history.js';
import { type ListAppendTransaction, checkListAppend } from './checkers/list-append.js';
import { Moments } from './checkers/moments.js';
import { misread } from './checkers/reading.js';
import { vectorsThatDoNotGrow } from './checkers/vectors.js';
import { Clients } from './clients.js';
import { Cluster, type Worker } from './cluster.js';
import { Dice } from './dice.js';
import { FAULT_GROUPS, FAULT_KINDS } from './faults/index.js';
import { Injector } from './faults/injector.js';
import type { FaultKind, Scene } from './faults/kind.js';
import { History, type Told } from './history.js';
import { Oracle } from './oracle.js';
import { WORKS, type Work } from './plan.js';
import { ReaderGroup } from './readers.js';
import { planOf } from './themes.js';
import { NO_TRACE, type Trace } from './trace.js';

export interface SeedResult {
  readonly seed: number;
  readonly transactions: number;
  readonly acknowledged: number;
  /** Writes that did not wait for a site that had foreseen them. */
  readonly foreseen: number;
  /** How often each kind of fault took effect. */
  readonly faults: Readonly<Record<string, number>>;
  /** A line each; empty: all is as it must be. */
  readonly violations: readonly string[];
}

/** What else one seed can tell where it is run alone. */
export interface SeedStory extends SeedResult {
  /** Of versioned keys, where it came to rest. */
  readonly history: readonly ListAppendTransaction[];
}

export interface SimulateOptions {
  /** @default 50 */
  readonly transactions?: number;
  /** The seed is about this, whatever its dice say. */
  readonly theme?: string | undefined;
  readonly trace?: (elapsedMs: () => number) => Trace;
}

/** Ids by what their clients were told. */
interface Answered {
  readonly committed: readonly string[];
  readonly aborted: readonly string[];
}

/** Virtual milliseconds within which everything is as it should be once the faults are over. */
const LIVENESS_MS = 60_000;
const CHECK_EVERY_MS = 600;
const NOBODY_LEFT_MS = 400;

/** One seed: a deployment, its clients and readers, and faults; then peace, in which everything has to come right. */
export async function simulate(seed: number, options: SimulateOptions = {}): Promise<SeedStory> {
  const simulation = new Simulation(seed, options);
  const violations = await simulation.run();
  return { seed, ...simulation.counts, violations, history: simulation.listAppends };
}

class Simulation {
  readonly #dice: Dice;
  readonly #cluster: Cluster;
  readonly #injector: Injector;
  readonly #history = new History();
  readonly #clients: Clients;
  readonly #readers: readonly ReaderGroup[];
  readonly #moments: Moments;
  readonly #transactions: number;
  readonly #scene: Scene;
  listAppends: readonly ListAppendTransaction[] = [];
  #isPeace = false;
  #isOver = false;

  constructor(seed: number, { transactions = 50, theme, trace = () => NO_TRACE }: SimulateOptions) {
    this.#dice = new Dice(seed);
    this.#transactions = transactions;
    const plan = planOf(
      this.#dice,
      FAULT_GROUPS.map((kinds) => kinds.map(({ name }) => name)),
      theme,
    );
    this.#cluster = new Cluster(plan, this.#dice, trace);
    this.#cluster.trace.note(`seed ${seed}`, { ...plan });
    this.#moments = new Moments(this.#cluster);
    this.#injector = new Injector(this.#cluster, this.#moments);
    const oracle = new Oracle(seed, {
      history: this.#history,
      clock: this.#cluster.clock,
      timeoutMs: plan.options.predictionTimeoutMs ?? 0,
      count: (fault) => this.#injector.count(fault),
    });
    if (oracle.isThere) this.#cluster.predictor = oracle.predictor;
    this.#clients = new Clients(this.#cluster, this.#dice, this.#history, this.#moments, oracle);
    this.#readers = Array.from(
      { length: plan.readers },
      (_, index) => new ReaderGroup(index + 1, this.#cluster, this.#dice, this.#history),
    );
    this.#scene = {
      cluster: this.#cluster,
      dice: this.#dice,
      injector: this.#injector,
      start: (work) => void work.catch(() => undefined),
      anyone: () => {
        const running = this.#cluster.running();
        return running.length === 0 ? undefined : this.#dice.pick(running);
      },
    };
  }

  get counts(): Omit<SeedResult, 'seed' | 'violations'> {
    return {
      transactions: this.#clients.count,
      acknowledged: this.#history.acknowledged.length,
      foreseen: this.#history.foreseen,
      faults: this.#injector.took,
    };
  }

  async run(): Promise<readonly string[]> {
    const { clock } = this.#cluster;
    await this.#cluster.open();
    this.#injector.begin();
    for (const site of this.#cluster.sites) {
      for (const work of WORKS) this.#scene.start(this.#loop(site, work));
      this.#scene.start(this.#births(site));
    }
    for (const reader of this.#readers) this.#scene.start(this.#reading(reader));
    this.#scene.start(this.#faults());
    const clients = this.#allClients();
    const state = { done: false };
    this.#scene.start(clients.then(() => (state.done = true)));
    while (!state.done) {
      await clock.advance(CHECK_EVERY_MS);
      const wrong = await this.#now();
      if (wrong.length > 0) return this.#end(wrong);
    }
    return this.#end(await this.#rest());
  }

  #end(wrong: readonly string[]): readonly string[] {
    this.#isOver = true;
    return wrong;
  }

  // ----------------------------------------------------------------------------------------------------------- actors

  async #allClients(): Promise<void> {
    const { clientEveryMs } = this.#cluster.plan;
    const clients: Promise<void>[] = [];
    while (this.#clients.count < this.#transactions) {
      clients.push(this.#clients.run());
      await this.#cluster.clock.sleep(this.#dice.below(2 * clientEveryMs));
    }
    await Promise.all(clients);
  }

  /** The work that nobody asks for, in the site's oldest process, and now and then in another one at the same time. */
  async #loop(site: string, work: Work): Promise<void> {
    const { clock, plan } = this.#cluster;
    while (!this.#isOver) {
      const running = this.#cluster.running(site);
      const worker = this.#dice.chance(0.9) ? running[0] : running.at(-1);
      if (worker) await Promise.race([round(worker, work), worker.process.stopped]);
      await clock.sleep(plan.periodsMs[work] * (0.5 + this.#dice.below(100) / 100));
    }
  }

  /** Somebody is born for everybody who died. */
  async #births(site: string): Promise<void> {
    const { clock, plan } = this.#cluster;
    while (!this.#isOver) {
      if (this.#cluster.running(site).length < plan.processesPerSite) {
        await Promise.race([this.#cluster.spawn(site), clock.sleep(2000)]);
      }
      await clock.sleep(this.#dice.below(NOBODY_LEFT_MS));
    }
  }

  async #reading(reader: ReaderGroup): Promise<void> {
    while (!this.#isOver) {
      await reader.poll(this.#dice.pick([1, 5, 100]));
      await this.#cluster.clock.sleep(this.#dice.between(100, 1200));
    }
  }

  async #faults(): Promise<void> {
    const { clock, plan, trace } = this.#cluster;
    const kinds = FAULT_KINDS.filter(({ name }) => plan.faults.includes(name));
    let lasting = 0;
    while (this.#mayFail() && kinds.length > 0) {
      await clock.sleep(this.#dice.below(2 * plan.faultEveryMs));
      if (!this.#mayFail() || lasting >= plan.faultsAtOnce) continue;
      const kind = this.#dice.pick<FaultKind>(kinds);
      trace.note(`fault: ${kind.name}`);
      const end = kind.start(this.#scene);
      if (!end) continue;
      lasting += 1;
      this.#scene.start(
        clock.sleep(this.#dice.pick([50, 400, 1500, 4000])).then(() => {
          end();
          return clock.sleep(plan.faultPauseMs).then(() => (lasting -= 1));
        }),
      );
    }
  }

  #mayFail(): boolean {
    return !this.#isPeace;
  }

  // --------------------------------------------------------------------------------------------------------- checking

  /** What must hold in the middle of everything. */
  async #now(): Promise<readonly string[]> {
    const { wasUnclean } = await lostIn(this.#cluster, await this.#cluster.route());
    const standing = wasUnclean ? [] : await violations(this.#cluster, this.#answered());
    return [...this.#moments.wrong, ...this.#history.wrong, ...standing];
  }

  #answered(): Answered {
    const all = this.#told();
    return {
      committed: all.filter(({ committedAt }) => committedAt.size > 0).map(({ id }) => id),
      aborted: all.filter(({ aborted }) => aborted).map(({ id }) => id),
    };
  }

  /** What clients were told, of all that has to be there yet. */
  #told(): readonly Told[] {
    const all = [...this.#history.told.values()];
    if (!this.#cluster.forgets) return all;
    return all.flatMap((told) => {
      const { committedAt, invokedAtMs } = told;
      const kept = [...committedAt].filter((at) => Date.parse(at) >= this.#cluster.forgottenBeforeMs);
      const isKept = committedAt.size > 0 ? kept.length > 0 : this.#cluster.isSince(invokedAtMs);
      return isKept ? [{ ...told, committedAt: new Set(kept) }] : [];
    });
  }

  /** Faults end; everything comes right within a bounded time; then who slept over it all wakes, and changes nothing. */
  async #rest(): Promise<readonly string[]> {
    const { trace, workers } = this.#cluster;
    trace.note('the faults are over');
    this.#isPeace = true;
    this.#injector.heal();
    const first = await this.#settled();
    if (first.length > 0) return first;
    const asleep = workers.filter(({ process }) => !process.isRunning);
    if (asleep.length === 0) return [];
    trace.note('the sleepers wake', { who: asleep.map(({ process }) => process.name).join() });
    for (const { process } of asleep) process.thaw();
    await this.#cluster.clock.advance(CHECK_EVERY_MS);
    const woken = await this.#now();
    if (woken.length > 0) return woken.map((line) => `after the sleepers woke: ${line}`);
    return (await this.#settled()).map((line) => `after the sleepers woke: ${line}`);
  }

  async #settled(): Promise<readonly string[]> {
    const { clock } = this.#cluster;
    let wrong: readonly string[] = [];
    for (let waitedMs = 0; waitedMs < LIVENESS_MS; waitedMs += CHECK_EVERY_MS) {
      await clock.advance(CHECK_EVERY_MS);
      wrong = await this.#now();
      // What is wrong now does not come right by waiting.
      if (wrong.length > 0) return wrong;
      if (!(await this.#isQuiet())) continue;
      wrong = await this.#atRest();
      if (wrong.length === 0) return [];
    }
    return wrong.length > 0 ? wrong : this.#restless();
  }

  /** Every site in sync, no mark pending, every backlog empty, every reader caught up since. */
  async #isQuiet(): Promise<boolean> {
    const route = await this.#cluster.route();
    if (route.phase !== 'serving' || route.inSync.length < this.#cluster.sites.length) return false;
    for (const site of this.#cluster.sites) {
      const { marks, backlog } = await this.#cluster.standing(site);
      if ([...marks.values()].some((mark) => this.#isOverdue(mark)) || backlog.size > 0) return false;
    }
    return this.#readers.every((reader) => reader.isCaughtUp || reader.gap);
  }

  /** Decided and not everywhere, or open for longer than its client wanted. */
  #isOverdue(mark: Mark): boolean {
    return mark.state === 'pending' || mark.expiresAtMs + CHECK_EVERY_MS < this.#cluster.clock.now();
  }

  async #restless(): Promise<readonly string[]> {
    const wrong = await violationsAtRest(this.#cluster, {});
    const behind = this.#readers.filter((reader) => !reader.isCaughtUp && !reader.gap);
    const lines = [...wrong, ...behind.map(({ name }) => `${name} is not caught up`)];
    return (lines.length > 0 ? lines : ['never quiet']).map((line) => `liveness: after ${LIVENESS_MS} ms: ${line}`);
  }

  async #atRest(): Promise<readonly string[]> {
    const route = await this.#cluster.route();
    const lost = await lostIn(this.#cluster, route);
    const sites = new Map<string, Standing>();
    for (const site of this.#cluster.sites) sites.set(site, await this.#cluster.standing(site));
    const log = sites.get(route.home);
    if (!log) throw new Error(`there is no site ${route.home}`);
    this.listAppends = listAppendHistory(this.#history.told.values(), log);
    const { takenFrom } = this.#moments;
    const told = this.#told();
    const reading = {
      history: this.#history,
      log,
      takenFrom,
      lost: lost.conflicts,
      clean: !lost.wasUnclean,
      isKept: (at: string) => this.#cluster.isKept(at),
      forgotten: this.#history.acknowledged.filter((id) => !told.some((one) => one.id === id)),
    };
    return [
      ...(await violationsAtRest(this.#cluster, this.#standingTold(lost))),
      ...unlikeTold(told, sites, lost),
      ...(await silentlyLost(this.#cluster, lost)),
      ...(await wronglyChosen(this.#cluster)),
      ...vectorsThatDoNotGrow(log),
      ...(this.#cluster.predictor ? leftForeseen(sites, this.#cluster.plan.spared.includes('clients')) : []),
      ...this.#readers.flatMap((reader) => misread(reader, reading)),
      // What an unclean takeover lost, or retention took, is not in the lists, though it was read and acknowledged.
      ...(lost.wasUnclean || this.#cluster.forgets
        ? []
        : checkListAppend(this.listAppends).map(({ kind, text }) => `${kind}: ${text}`)),
    ];
  }

  /** An abort that only a lost home knew leaves nothing behind: then the id is unknown, which is as good. */
  #standingTold({ conflicts, wasUnclean }: Lost): Answered {
    const { committed, aborted } = this.#answered();
    return { committed: committed.filter((id) => !conflicts.has(id)), aborted: wasUnclean ? [] : aborted };
  }
}

function round({ node }: Worker, work: Work): Promise<void> {
  return node[work]().catch(() => undefined);
}
