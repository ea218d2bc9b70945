import { seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { entryLines, outLine } from '../../src/core/compare.js';
import type { SiteService } from '../../src/app/service.js';
import type { CommitAnswer, EventIn, Fault } from '../../src/core/api.js';
import type { CallFilter, Gate } from './hooks.js';
import { violations, violationsAtRest } from './invariants.js';
import { PortUnavailable } from '../../src/ports/failures.js';
import { type World, digestOf, openWorld } from './world.js';

/**
 * A random walk over a whole deployment: clients that retry, give up and commit twice, coordinators that crash between
 * any two calls, answers that are lost or late, sites and streams that fail, home that moves. The same seed is the same
 * walk. In the end everything is healed, and what clients were told has to stand.
 */
export async function walk(seed: number, { steps = 45 } = {}): Promise<readonly string[]> {
  const taken = new Walk(seed);
  await taken.open();
  return taken.run(steps);
}

/** What clients were told of one id, over all of its attempts. */
interface Told {
  committedAt: Set<string>;
  events: readonly EventIn[];
  aborted: boolean;
  /** Refused at the first attempt, with a definite refusal. */
  refused: boolean;
}

type End =
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly code: string; readonly extras: Readonly<Record<string, unknown>> }
  | { readonly kind: 'silent' };

const PATIENCE_MS = 4000;
const ATTEMPTS = 8;
const RETRYABLE = ['Unavailable', 'Undetermined', 'NotHome', 'Throttled', 'NotEnoughReplicas'];

class Walk {
  readonly #seed: number;
  readonly #random;
  readonly #told = new Map<string, Told>();
  readonly #versions = new Map<string, number>();
  readonly #frozen: Gate[] = [];
  readonly #ends: (() => void)[] = [];
  readonly #busy = new Set<string>();
  readonly #clients: Promise<void>[] = [];
  readonly #dead = new Set<string>();
  #coordinators: readonly string[] = [];
  #faults: Fault[] = [];
  #world: World | undefined;
  #next = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededRandom(seed * 7919 + 1);
  }

  get world(): World {
    if (!this.#world) throw new Error('not open');
    return this.#world;
  }

  async open(): Promise<void> {
    const sites = this.#chance(0.5) ? ['east', 'west'] : ['east', 'west', 'north'];
    const mirrors = { count: sites.length - 1 };
    this.#world = await openWorld({
      seed: this.#seed,
      sites,
      roundTripMs: this.#pick([0, 0, 20]),
      options: { callTimeoutMs: 100, failuresToOpen: 2, applyAttempts: 4, deadlineMs: 5000, minInSync: 1 },
      streams: { orders: { mirrors }, ledger: { mirrors, ordering: 'versioned' } },
    });
    // Their routes are as old as now, until something tells them otherwise.
    const names = sites.flatMap((site) => [`${site}/2`, `${site}/3`]);
    for (const name of names) await this.world.coordinator(name);
    this.#coordinators = [...sites, ...names];
  }

  async run(steps: number): Promise<readonly string[]> {
    const { world } = this;
    for (let step = 0; step < steps; step += 1) {
      await this.#step();
      await world.clock.advance(this.#pick([0, 1, 5, 30, 200, 800]));
      if (step % 6 === 5) {
        const wrong = await this.#wrong(violations);
        if (wrong.length > 0) return wrong.map((line) => `step ${step}: ${line}`);
      }
    }
    return this.#end();
  }

  /** Everything is healed; what is left is finished; who was frozen wakes, and may change nothing any more. */
  async #end(): Promise<readonly string[]> {
    const { world } = this;
    for (const end of this.#ends) end();
    this.#faults = [];
    world.heal();
    await world.clock.advance(PATIENCE_MS);
    await world.run(Promise.all(this.#clients));
    await world.settle();
    const first = [...(await this.#wrong(violationsAtRest)), ...(await this.#exactlyOnce())];
    if (first.length > 0) return first.map((line) => `at rest: ${line}`);
    for (const gate of this.#frozen) gate.release();
    await world.clock.advance(PATIENCE_MS);
    const woken = await this.#wrong(violations);
    if (woken.length > 0) return woken.map((line) => `after the frozen woke: ${line}`);
    await world.settle();
    const last = [...(await this.#wrong(violationsAtRest)), ...(await this.#exactlyOnce())];
    return last.map((line) => `at rest, after the frozen woke: ${line}`);
  }

  #wrong(check: typeof violations): Promise<readonly string[]> {
    const told = [...this.#told];
    return check(this.world, {
      committed: told.flatMap(([id, { committedAt }]) => (committedAt.size > 0 ? [id] : [])),
      aborted: told.flatMap(([id, { aborted }]) => (aborted ? [id] : [])),
    });
  }

  // -------------------------------------------------------------------------------------------------- what must stand

  /** Each acknowledged commit stands exactly once everywhere, as acknowledged; what was refused is nowhere. */
  async #exactlyOnce(): Promise<readonly string[]> {
    const wrong: string[] = [];
    for (const site of this.world.sites) {
      const standing = await this.world.standing(site);
      for (const [id, { committedAt, events, aborted, refused }] of this.#told) {
        if (committedAt.size > 1) wrong.push(`${id} was acknowledged as of ${[...committedAt].join(' and ')}`);
        if (committedAt.size > 0 && aborted) wrong.push(`${id} was answered committed and aborted`);
        const entry = standing.decided(id);
        const parts = standing.parts.filter((part) => part.transactionId === id);
        const lines = new Set(parts.map((part) => outLine(part.events.map(({ out }) => out)).line));
        if (committedAt.size > 0) {
          const given = events.map(digestOf).join();
          if (entry?.events.map(({ digest }) => digest).join() !== given)
            wrong.push(`${id} stands with other events at ${site}`);
          const expected = entry ? entryLines(entry).length : 0;
          if (lines.size !== expected) wrong.push(`${id} has ${lines.size} parts of ${expected} at ${site}`);
        } else if (refused && (entry?.status === 'committed' || parts.length > 0)) {
          wrong.push(`${id} was refused, and stands at ${site}`);
        }
      }
    }
    return [...new Set(wrong)];
  }

  // ------------------------------------------------------------------------------------------------------------ steps

  async #step(): Promise<void> {
    const kind = this.#random.next();
    if (kind < 0.4) this.#clients.push(this.world.start(this.#client()));
    else if (kind < 0.62) this.#work();
    else if (kind < 0.82) this.#hookFault();
    else if (kind < 0.94) this.#boardFault();
    else this.#operator();
  }

  /** A round of some process's own work. One process does each kind of work once at a time. */
  #work(): void {
    const name = this.#pick(this.#coordinators);
    const work = this.#pick(['watch', 'watch', 'tend', 'close', 'sweep'] as const);
    const key = `${name} ${work}`;
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    const running = this.world.coordinator(name).then((node) => node[work]());
    void running.catch(() => undefined).then(() => this.#busy.delete(key));
  }

  #hookFault(): void {
    const { hooks, clock } = this.world;
    const filter = this.#filter();
    const times = 1 + this.#below(3);
    const kind = this.#random.next();
    if (kind < 0.25) this.#crash();
    else if (kind < 0.45) this.#ends.push(hooks.lose(filter, times));
    else if (kind < 0.55) this.#ends.push(hooks.fail(filter, times));
    else if (kind < 0.75) {
      const ms = 1 + this.#below(1500);
      const late = hooks.meet(filter, (_call, effect) => clock.sleep(ms).then(effect), times);
      this.#ends.push(late);
    } else if (kind < 0.88) {
      // The caller gives up on it, and it happens all the same, later.
      const ms = 1 + this.#below(4000);
      const zombie = async (_call: unknown, effect: () => Promise<unknown>): Promise<never> => {
        void clock
          .sleep(ms)
          .then(effect)
          .catch(() => undefined);
        await clock.sleep(50);
        throw new PortUnavailable('no answer in time');
      };
      this.#ends.push(hooks.meet({ ...filter, port: 'peers' }, zombie, times));
    } else {
      // A process that stands still, and wakes when everything is over.
      const by = this.#further();
      if (by !== undefined) this.#frozen.push(hooks.hold({ ...filter, by }, this.#pick(['before', 'after'] as const)));
    }
  }

  #filter(): CallFilter {
    const port = this.#pick(['tables', 'tables', 'peers', 'peers', 'streams', 'control'] as const);
    return { port, ...(this.#chance(0.7) ? { by: this.#pick(this.#coordinators) } : {}) };
  }

  /** Between any two of its calls, or between one's effect and its answer. */
  #crash(): void {
    const by = this.#further();
    if (by === undefined) return;
    this.#dead.add(by);
    let left = this.#below(14);
    const answers = this.#chance(0.5);
    this.world.hooks.meet({ by, when: () => (left -= 1) < 0 }, async (_call, effect) => {
      if (answers) await effect();
      this.world.hooks.crash(by);
      return new Promise<never>(() => undefined);
    });
  }

  #further(): string | undefined {
    const alive = this.#coordinators.filter((name) => name.includes('/') && !this.#dead.has(name));
    return alive.length === 0 ? undefined : this.#pick(alive);
  }

  #boardFault(): void {
    if (this.#faults.length > 0 && this.#chance(0.6)) {
      this.#faults.splice(this.#below(this.#faults.length), 1);
    } else {
      const site = this.#pick(this.world.sites);
      const peer = this.#pick(this.world.sites.filter((other) => other !== site));
      const stream = this.#pick(['orders', 'ledger']);
      this.#faults.push(
        this.#pick<Fault>([
          { site, kind: 'down' },
          { site, stream, kind: 'down' },
          { site, stream, kind: 'flaky', rate: 0.5 },
          { site, part: 'tables', kind: 'flaky', rate: 0.2 },
          { site, part: 'tables', kind: 'down' },
          { site, part: 'control', kind: 'flaky', rate: 0.3 },
          { site, kind: 'partition', peer, oneWay: this.#chance(0.7) },
          { site, kind: 'partition', peer, oneWay: true },
        ]),
      );
    }
    this.world.faults(...this.#faults);
  }

  #operator(): void {
    const to = this.#pick(this.world.sites);
    const at = this.#pick(this.#coordinators);
    const stream = this.#pick(['orders', 'ledger']);
    const act = this.#chance(0.6)
      ? (service: SiteService) => service.moveHome({ to })
      : (service: SiteService) => service.switchover(stream, { to });
    void this.#ask(at, act);
  }

  // ---------------------------------------------------------------------------------------------------------- clients

  async #ask(at: string, act: (service: SiteService) => Promise<unknown>): Promise<End> {
    const { service } = await this.world.coordinator(at);
    const asked = act(service).then(
      (value): End => ({ kind: 'answer', value }),
      (error: unknown): End => {
        const { code, extras } = error as { readonly code?: string; readonly extras?: Record<string, unknown> };
        return { kind: 'refused', code: code ?? String(error), extras: extras ?? {} };
      },
    );
    return Promise.race([asked, this.world.clock.sleep(PATIENCE_MS).then((): End => ({ kind: 'silent' }))]);
  }

  /** Asks until it is answered, each time somewhere; or gives up. */
  async #insist(
    act: (service: SiteService) => Promise<unknown>,
  ): Promise<{ readonly end: End; readonly asked: number }> {
    const patience = this.#chance(0.15) ? 1 : ATTEMPTS;
    for (let asked = 1; ; asked += 1) {
      const end = await this.#ask(this.#pick(this.#coordinators), act);
      const again = end.kind === 'silent' || (end.kind === 'refused' && RETRYABLE.includes(end.code));
      if (!again || asked >= patience) return { end, asked };
      await this.world.clock.sleep(20 + this.#below(400));
    }
  }

  async #client(): Promise<void> {
    this.#next += 1;
    const id = `T${this.#next}`;
    const told: Told = { committedAt: new Set(), events: this.#events(id), aborted: false, refused: false };
    this.#told.set(id, told);
    await (this.#chance(0.6) ? this.#oneShot(id, told) : this.#interactive(id, told));
  }

  #events(id: string): readonly EventIn[] {
    const count = 1 + this.#below(3);
    return Array.from({ length: count }, (_, n) => {
      const stream = this.#pick(['orders', 'ledger']);
      const key = this.#pick(['a', 'b', 'c']);
      const event = { stream, key, type: 'test', data: `${id}/${n}` };
      const known = this.#versions.get(`${stream}/${key}`) ?? 0;
      return n === 0 && this.#chance(0.4) ? { ...event, expectedVersion: known } : event;
    });
  }

  async #oneShot(id: string, told: Told): Promise<void> {
    const commit = (service: SiteService) => service.commitOnce({ id, events: told.events });
    const { end, asked } = await this.#insist(commit);
    this.#hear(told, end, asked);
    // The same id again gets the same answer.
    if (end.kind === 'answer' && this.#chance(0.3)) this.#hear(told, (await this.#insist(commit)).end, 2);
  }

  async #interactive(id: string, told: Told): Promise<void> {
    const replication = this.#pick(['eager', 'eager', 'at-commit'] as const);
    const streams = ['orders', 'ledger'];
    const begun = await this.#insist((service) => service.begin({ id, streams, replication, deadlineMs: 20_000 }));
    if (begun.end.kind !== 'answer') return;
    for (const [n, event] of told.events.entries()) {
      const written = await this.#insist((service) => service.write(id, { events: [event] }, `${id}-request-${n}`));
      if (written.end.kind !== 'answer') return;
      await this.world.clock.sleep(this.#below(300));
    }
    const last = this.#random.next();
    if (last < 0.1) return; // given up: it expires
    if (last < 0.25) {
      const { end } = await this.#insist((service) => service.abort(id, {}));
      if (end.kind === 'answer') told.aborted = true;
      return;
    }
    const digests = told.events.map(digestOf);
    for (let round = 0; round < 3; round += 1) {
      const { end } = await this.#insist((service) => service.commit(id, { digests }));
      this.#hear(told, end, 2);
      if (end.kind !== 'refused' || end.code !== 'EventsMissing') return;
      for (const number of end.extras['missing'] as number[]) {
        const event = told.events[number];
        if (event) await this.#insist((service) => service.write(id, { events: [event] }, `${id}-again-${number}`));
      }
    }
  }

  #hear(told: Told, end: End, asked: number): void {
    if (end.kind === 'answer') {
      told.committedAt.add((end.value as CommitAnswer).committedAt);
      for (const { stream, key, expectedVersion } of told.events) {
        const name = `${stream}/${key}`;
        if (expectedVersion !== undefined) this.#versions.set(name, expectedVersion + 1);
      }
    }
    if (end.kind !== 'refused') return;
    if (end.code === 'TransactionAborted' || end.code === 'TransactionExpired') told.aborted = true;
    if (end.code !== 'VersionConflict') return;
    told.refused = asked === 1;
    const { stream, key, actual } = end.extras as { stream: string; key: string; actual: number };
    this.#versions.set(`${stream}/${key}`, actual);
  }

  // ------------------------------------------------------------------------------------------------------- randomness

  #chance(p: number): boolean {
    return this.#random.next() < p;
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  #pick<T>(list: readonly T[]): T {
    const one = list[this.#below(list.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }
}
