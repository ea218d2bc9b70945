import type { SiteService } from '../../src/app/service.js';
import type { BatchResult, BeginAnswer, CommitRequest, EventIn, WriteAnswer } from '../../src/core/api.js';
import { type Cluster, MAX_ITEM_BYTES } from './cluster.js';
import type { Dice } from './dice.js';
import { STREAMS } from './faults/kind.js';
import type { Moments } from './checkers/moments.js';
import type { Oracle } from './oracle.js';
import type { End, History, Told } from './history.js';

type Act = (service: SiteService) => Promise<unknown>;

const PATIENCE_MS = 1500;
const ATTEMPTS = 8;
const MAX_SLEEP_MS = 2000;
const RETRYABLE = new Set(['Unavailable', 'Undetermined', 'NotHome', 'Throttled', 'NotEnoughReplicas']);
/** More than an item of a table takes: such events are kept in chunks. */
const LARGE_CHARACTERS = MAX_ITEM_BYTES;

/**
 * Clients as they are: they ask any process of any site, wait for a while, ask again with the same identifiers, give up,
 * ask twice at the same time, change their mind.
 */
export class Clients {
  readonly #cluster: Cluster;
  readonly #dice: Dice;
  readonly #history: History;
  readonly #moments: Moments;
  readonly #oracle: Oracle;
  #born = 0;

  constructor(cluster: Cluster, dice: Dice, history: History, moments: Moments, oracle: Oracle) {
    this.#oracle = oracle;
    this.#cluster = cluster;
    this.#dice = dice;
    this.#history = history;
    this.#moments = moments;
  }

  /** How many transactions were begun. */
  get count(): number {
    return this.#history.told.size;
  }

  /** A client with one transaction, or a batch of them. */
  async run(): Promise<void> {
    this.#born += 1;
    const client = `c${this.#born}`;
    const { interactive } = this.#cluster.plan;
    if (this.#dice.chance(interactive)) return this.#interactive(client, this.#begin(client));
    if (this.#dice.chance(0.15)) return this.#batch(client);
    return this.#oneShot(client, this.#begin(client));
  }

  #begin(client: string): Told {
    const id = `T${this.count + 1}`;
    return this.#history.begin(id, client, this.#oracle.enveloped(this.#events(id)), this.#cluster.elapsedMs);
  }

  #events(id: string): readonly EventIn[] {
    const { keys, versioned } = this.#cluster.plan;
    const named = new Set<string>();
    return Array.from({ length: this.#dice.pick([1, 1, 2, 3, 5]) }, (_, n): EventIn => {
      const stream = this.#dice.pick(STREAMS);
      const key = this.#dice.pick(keys);
      const name = `${stream}/${key}`;
      const data = this.#dice.chance(0.01) ? `${id}/${n}/`.padEnd(LARGE_CHARACTERS, 'x') : `${id}/${n}`;
      const event = { stream, key, type: 'test', data };
      if (named.has(name) || !this.#dice.chance(versioned)) return event;
      named.add(name);
      return { ...event, expectedVersion: this.#history.versions.get(name) ?? 0 };
    });
  }

  // ---------------------------------------------------------------------------------------------------------- asking

  /** One request at some process: its answer, its refusal, or silence after a while. */
  async #ask(what: string, act: Act): Promise<End> {
    const { clock, trace } = this.#cluster;
    const running = this.#cluster.running();
    if (running.length === 0) {
      await clock.sleep(PATIENCE_MS / 4);
      return { kind: 'silent' };
    }
    const { node, process } = this.#dice.pick(running);
    const asked = act(node.service).then(
      (value): End => ({ kind: 'answer', value }),
      (error: unknown): End => {
        const { code, extras } = error as { readonly code?: string; readonly extras?: Record<string, unknown> };
        this.#history.refused(code ?? String(error), what);
        return { kind: 'refused', code: code ?? String(error), extras: extras ?? {} };
      },
    );
    const end = await Promise.race([asked, clock.sleep(PATIENCE_MS).then((): End => ({ kind: 'silent' }))]);
    const how = end.kind === 'refused' ? end.code : end.kind;
    trace.note(`${what} at ${process.name}: ${how}`);
    if (this.#cluster.plan.spared.includes('clients') && isOpen(end))
      this.#history.wrong.push(`${what}: ${how}, and nothing is amiss`);
    return end;
  }

  /** Asks until it is answered, each time somewhere; or gives up. */
  async #insist(what: string, act: Act): Promise<{ readonly end: End; readonly asked: number }> {
    const patience = this.#dice.chance(this.#cluster.plan.impatient) ? 1 : ATTEMPTS;
    for (let asked = 1; ; asked += 1) {
      const end = await this.#ask(what, act);
      const again = end.kind === 'silent' || (end.kind === 'refused' && RETRYABLE.has(end.code));
      if (!again || asked >= patience) return { end, asked };
      await this.#cluster.clock.sleep(this.#dice.between(10, 300));
    }
  }

  /** Asks for what was answered already. */
  async #again(told: Told, what: string, act: Act): Promise<void> {
    const stood = await this.#standsIn(told);
    const { end } = await this.#insist(what, act);
    this.#heard(told, end, 2, stood !== undefined && stood === (await this.#standsIn(told)));
  }

  /**
   * The history in which home has it committed, which is the one that began with the last unclean takeover; nothing where
   * it has not: one that was forced to be home may never have heard of it, though the old one still tells that it is.
   */
  async #standsIn({ id }: Told): Promise<number | undefined> {
    if (!this.#cluster.plan.unclean) return 0;
    const { home, phase, terms } = await this.#cluster.route();
    const forced = terms.findLast(({ unclean }) => unclean === true)?.term ?? 0;
    if (forced === 0) return forced;
    return phase === 'serving' && this.#cluster.decided(home, id)?.status === 'committed' ? forced : undefined;
  }

  /** @param stands it was answered before, and home has it still */
  #heard(told: Told, end: End, asked: number, stands = true): void {
    const { elapsedMs, clockErrorMs } = this.#cluster;
    const isKnown = stands && this.#cluster.isSince(told.invokedAtMs);
    this.#history.heard(told, end, asked, { nowMs: elapsedMs, errorMs: clockErrorMs, isKnown });
    this.#expired(told, end);
    if (end.kind === 'answer') void this.#moments.acknowledged(told);
  }

  #expired(told: Told, end: End): void {
    if (end.kind !== 'refused' || end.code !== 'TransactionExpired') return;
    this.#history.expired(told, this.#cluster.clock.now(), this.#cluster.clockErrorMs);
  }

  // ------------------------------------------------------------------------------------------------------- one-shots

  async #oneShot(client: string, told: Told): Promise<void> {
    const { id } = told;
    const commit: Act = (service) => service.commitOnce({ id, events: told.events });
    const what = `${client} commits ${id}`;
    if (this.#dice.chance(this.#cluster.plan.doubled)) {
      // Twice at the same time: neither is the first attempt.
      const ends = await Promise.all([this.#insist(what, commit), this.#insist(what, commit)]);
      // One may have been refused before the other was decided: it is heard before it, then.
      const inOrder = [...ends].sort((a, b) => Number(a.end.kind === 'answer') - Number(b.end.kind === 'answer'));
      for (const { end } of inOrder) this.#heard(told, end, 2);
      return;
    }
    const { end, asked } = await this.#insist(what, commit);
    this.#heard(told, end, asked);
    if (end.kind !== 'answer') return;
    if (this.#dice.chance(0.2)) await this.#again(told, `${what} again`, commit);
    if (this.#dice.chance(0.05)) await this.#changeMind(client, told);
  }

  /** The id is taken: other contents under it are never committed. */
  async #changeMind(client: string, { id, events, invokedAtMs }: Told): Promise<void> {
    const others = events.map((event) => ({ ...event, data: `${id} otherwise` }));
    const what = `${client} commits ${id} with other contents`;
    const { end } = await this.#insist(what, (service) => service.commitOnce({ id, events: others }));
    // Whoever had to be forced to be home, or forgot it over the time, never heard of the first contents.
    const { terms } = await this.#cluster.route();
    const isKnown = this.#cluster.isSince(invokedAtMs) && !terms.some(({ unclean }) => unclean === true);
    if (end.kind === 'answer' && isKnown) this.#history.wrong.push(`${what}, and was answered committed`);
  }

  async #batch(client: string): Promise<void> {
    const all = Array.from({ length: this.#dice.between(2, 4) }, () => this.#begin(client));
    let open: readonly Told[] = all;
    for (let asked = 1; asked <= ATTEMPTS && open.length > 0; asked += 1) {
      const commits = open.map(({ id, events }): CommitRequest => ({ id, events }));
      const end = await this.#ask(`${client} commits ${commits.map(({ id }) => id).join()}`, (service) =>
        service.commitBatch({ commits }),
      );
      const results = end.kind === 'answer' ? (end.value as { readonly results: readonly BatchResult[] }).results : [];
      for (const [index, told] of open.entries()) this.#heard(told, endOf(results[index]), asked);
      open = open.filter((_, index) => isOpen(endOf(results[index])));
      await this.#cluster.clock.sleep(this.#dice.between(10, 300));
    }
  }

  // ---------------------------------------------------------------------------------------------------- interactive

  async #interactive(client: string, told: Told): Promise<void> {
    const { id } = told;
    const replication = this.#dice.pick(['eager', 'eager', 'at-commit'] as const);
    const deadlineMs = this.#dice.pick([1000, 5000, 20_000]);
    const begun = await this.#insist(`${client} begins ${id}`, (service) =>
      service.begin({ id, streams: [...STREAMS], replication, deadlineMs }),
    );
    if (begun.end.kind !== 'answer') return;
    told.expiresAtMs = Date.parse((begun.end.value as BeginAnswer).expiresAt);
    for (const n of told.events.keys()) {
      const end = await this.#write(client, told, n, 'writes', replication === 'eager');
      // Whoever does not know whether it was written may commit it all the same: he is told if it is missing.
      if (end.kind === 'answer') continue;
      if (!isOpen(end) || this.#dice.chance(0.5)) return;
      told.isDoubtful = true;
      if (this.#dice.chance(0.3)) await this.#cluster.clock.sleep(this.#dice.below(400));
    }
    const last = this.#dice.below(20);
    if (last < 2) return; // given up: it expires
    if (last < 5) return this.#abort(client, told);
    if (last < 7) await this.#oversleep(told);
    await this.#commit(client, told);
  }

  /** Till just after it has expired, by whichever clock. Who has much time left does not: nothing else would happen. */
  async #oversleep({ expiresAtMs = 0 }: Told): Promise<void> {
    const { clock } = this.#cluster;
    if (expiresAtMs - clock.now() > MAX_SLEEP_MS) return;
    await clock.sleep(Math.max(0, expiresAtMs - clock.now()) + this.#cluster.clockErrorMs + this.#dice.below(400));
  }

  async #write(client: string, told: Told, n: number, how: string, eager = false): Promise<End> {
    const event = told.events[n];
    if (!event) throw new Error(`${told.id} has no event ${n}`);
    const request = `${told.id}-${how}-${n}`;
    const { end } = await this.#insist(`${client} ${how} ${told.id}/${n}`, (service) =>
      service.write(told.id, { events: [event] }, request),
    );
    if (end.kind === 'refused' && (end.code === 'TransactionExpired' || end.code === 'TransactionAborted')) {
      told.aborted = true;
    }
    if (end.kind === 'answer' && wasForeseen(end.value as WriteAnswer)) this.#history.foreseen += 1;
    this.#expired(told, end);
    if (end.kind === 'answer' && eager) void this.#moments.written(told, told.digests[n] ?? '');
    return end;
  }

  async #abort(client: string, told: Told): Promise<void> {
    const { end } = await this.#insist(`${client} aborts ${told.id}`, (service) => service.abort(told.id, {}));
    if (end.kind === 'answer') told.aborted = true;
  }

  /**
   * Whoever names fewer events than were written has not named all: that is refused, not committed in part. Not so after
   * a change of term, when what was written before may have been left over (decision 0004).
   */
  async #commitInPart(client: string, told: Told): Promise<void> {
    const what = `${client} commits ${told.id} in part`;
    const { term } = await this.#cluster.route();
    if (term > 1) return;
    const end = await this.#ask(what, (service) => service.commit(told.id, { digests: told.digests.slice(1) }));
    if (end.kind !== 'answer') return;
    if ((await this.#cluster.route()).term === term) this.#history.wrong.push(`${what}, and was answered committed`);
    told.events = told.events.slice(1);
    told.digests = told.digests.slice(1);
    this.#heard(told, end, 2);
  }

  async #commit(client: string, told: Told): Promise<void> {
    const act: Act = (service) => service.commit(told.id, { digests: told.digests });
    const what = `${client} commits ${told.id}`;
    if (this.#dice.chance(0.1) && !told.isDoubtful) await this.#commitInPart(client, told);
    for (let round = 0; round < 3; round += 1) {
      const { end } = await this.#insist(what, act);
      this.#heard(told, end, 2);
      if (end.kind === 'answer' && this.#dice.chance(0.15)) await this.#again(told, what, act);
      if (end.kind !== 'refused' || end.code !== 'EventsMissing') return;
      for (const n of end.extras['missing'] as readonly number[]) await this.#write(client, told, n, 'writes again');
    }
  }
}

const wasForeseen = ({ events }: WriteAnswer): boolean => events.some(({ foreseen }) => foreseen.length > 0);

function endOf(result: BatchResult | undefined): End {
  if (!result) return { kind: 'silent' };
  if (!('problem' in result)) return { kind: 'answer', value: result };
  return { kind: 'refused', code: result.problem.code, extras: result.problem };
}

function isOpen(end: End): boolean {
  return end.kind === 'silent' || (end.kind === 'refused' && RETRYABLE.has(end.code));
}
