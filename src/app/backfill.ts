import { type Candidate, type Chosen, NUMBERS_AHEAD, choose } from '../core/candidate.js';
import { type OpenEntry, isDecided } from '../core/entry.js';
import { isEnveloped } from '../core/event.js';
import type { StagedEvent } from '../core/items.js';
import type { Route } from '../core/route.js';
import type { AnnounceRequest } from '../ports/mirror-agent.js';
import type { ForeseenEvent, Predictor } from '../ports/predictor.js';
import { keepCandidates, numbersBelow } from './candidates.js';
import { openContext } from './contexts.js';
import { Foresight } from './foresight.js';
import { Learner } from './learn.js';
import { type TransactionState, allMarks, firstFree, openEntryOf, readTransaction } from './log.js';
import type { Site } from './site.js';
import { type Staged, readStaged, settleTallies, tallyWrite } from './tally.js';

/** Transactions that are looked at together. */
const TOGETHER = 32;
/** Transactions that wait to be looked at, and those of which is remembered how far they were: more are not. */
const MAX_REMEMBERED = 10_000;
/** What an older round trip weighs after a newer one. */
const KEEP = 0.8;
/** Where nothing is announced, the round trip is measured anew after so long. */
const MEASURED_FOR_MS = 10_000;
/** So many seconds of the budget may be saved up. */
const BURST_S = 2;

/** An open transaction as this site knows it, and what was foreseen of it so far. */
interface Looked {
  readonly entry: OpenEntry;
  readonly state: TransactionState;
  readonly staged: Staged;
}

/**
 * The backfill agent of a site: it foresees what clients will write to open transactions, stages that here as candidates
 * while this site is a follower, and announces them to home. Off everybody's path; whatever fails is tried again when
 * the transaction changes, or not at all.
 *
 * Everything it remembers may be lost, and several processes may do it at once.
 */
export class Backfill {
  readonly #site: Site;
  readonly #foresight: Foresight;
  readonly #learner: Learner;
  /** Changed since they were looked at, with when that was. */
  readonly #touched = new Map<string, number>();
  /** Events of each transaction when it was looked at last. */
  readonly #seen = new Map<string, number>();
  /** Round trip to a home, milliseconds. */
  #distance: { readonly home: string; readonly ms: number; readonly atMs: number } | undefined;
  #budget: { readonly bytes: number; readonly atMs: number };
  #isLooking = false;
  /** Whether clients here say more of events than their content: as the last one did. */
  #isEnveloped = false;

  constructor(site: Site, predictor: Predictor) {
    this.#site = site;
    this.#foresight = new Foresight(site, predictor);
    this.#learner = new Learner(site, this.#foresight);
    this.#budget = { bytes: site.options.candidateBytesPerSecond, atMs: site.clock.now() };
    site.touched = (id) => this.touched(id);
  }

  /** What the predictor says of itself; nothing where it does not answer. */
  describe(): ReturnType<Foresight['describe']> {
    return this.#foresight.describe();
  }

  /** A transaction has changed here: it is looked at soon. Never throws, never waits. */
  touched(id: string): void {
    if (this.#touched.size >= MAX_REMEMBERED || this.#site.options.predictionHorizon === 0) return;
    if (!this.#touched.has(id)) this.#touched.set(id, this.#site.clock.now());
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#site.ports.later(this.#lookAtAll());
  }

  /** Learns, counts, and looks at what this process was not told of. */
  async round(): Promise<void> {
    await this.#learner.round();
    await settleTallies(this.#site);
    if (followedHome(this.#site, this.#site.routes.known) === undefined) return;
    const open = new Set<string>();
    for await (const marks of allMarks(this.#site))
      for (const { id, state } of marks) if (state === 'open') open.add(id);
    for (const id of this.#seen.keys()) if (!open.has(id)) this.#seen.delete(id);
    for (const id of open) if (!this.#seen.has(id)) this.touched(id);
  }

  async #lookAtAll(): Promise<void> {
    const { clock } = this.#site;
    try {
      while (this.#touched.size > 0) {
        // Those that change at the same time are foreseen together.
        await clock.nextTurn();
        const some = [...this.#touched].slice(0, TOGETHER);
        for (const [id] of some) this.#touched.delete(id);
        await this.look(some.map(([id]) => id));
        const lagMs = clock.now() - Math.min(...some.map(([, atMs]) => atMs));
        this.#site.note('foresaw', { transactions: some.length, lagMs });
      }
    } catch (error) {
      this.#site.note('foreseeing failed', { why: error instanceof Error ? error.message : String(error) });
    } finally {
      this.#isLooking = false;
    }
  }

  /** Foresees what will be written to these, stages it here, and announces it. */
  async look(ids: readonly string[]): Promise<void> {
    // Before anything is read or staged: what is announced is no older than the route that says so.
    const route = this.#site.routes.known;
    const home = followedHome(this.#site, route);
    if (home === undefined) return;
    const savedMs = await this.#distanceTo(home);
    if (savedMs < this.#site.options.predictionNearMs) return;
    const looked = await this.#read(ids);
    if (looked.length === 0) return;
    const nowMs = this.#site.clock.now();
    const lists = await this.#foresight.predict(looked.map(({ entry, state }) => openContext(entry, state, nowMs)));
    const of: AnnounceRequest['of'][number][] = [];
    for (const [index, one] of looked.entries()) {
      const candidates = await this.#stage(route, one, lists[index] ?? [], savedMs);
      if (candidates.length > 0) of.push(announcementOf(this.#site.name, route, one.entry, candidates));
    }
    if (of.length > 0) await this.#announce(home, { term: route.term, of });
  }

  async #read(ids: readonly string[]): Promise<readonly Looked[]> {
    const looked: Looked[] = [];
    const staged = await readStaged(this.#site, ids);
    for (const [index, id] of ids.entries()) {
      const state = await readTransaction(this.#site, id);
      const { entry } = state;
      if (!entry || isDecided(entry) || entry.replication !== 'eager') continue;
      if (entry.expiresAtMs <= this.#site.clock.now()) continue;
      this.#remember(id, state.staged);
      looked.push({ entry: openEntryOf(entry), state, staged: staged[index] as Staged });
    }
    return looked;
  }

  #remember(id: string, events: readonly StagedEvent[]): void {
    if (this.#seen.size < MAX_REMEMBERED || this.#seen.has(id)) this.#seen.set(id, events.length);
    const last = events.at(-1);
    if (last) this.#isEnveloped = isEnveloped(last);
  }

  /** @returns all candidates that stand here of this transaction where home has to hear of them */
  async #stage(
    route: Route,
    { entry, state, staged }: Looked,
    wishes: readonly ForeseenEvent[],
    savedMs: number,
  ): Promise<readonly Candidate[]> {
    const { options } = this.#site;
    const bytesStaged = Object.values(staged.bytes).reduce((sum, bytes) => sum + bytes, 0);
    const last = state.staged.at(-1);
    const chosen = choose(wishes, {
      streams: entry.streams,
      known: new Set(state.candidates.map(({ digest }) => digest)),
      isEnveloped: last ? isEnveloped(last) : this.#isEnveloped,
      savedMs,
      costMs: options.predictionCostMs,
      perStep: options.candidatesPerStep,
      horizon: options.predictionHorizon,
      count: options.candidatesPerTransaction - Object.keys(staged.bytes).length,
      bytes: Math.min(options.candidateBytesPerTransaction - bytesStaged, this.#left()),
    });
    const [first] = state.candidates;
    // Where nothing new is foreseen, but the numbers kept free for home run out, one candidate says so anew.
    const isShort = first !== undefined && firstFree(state) - state.next < NUMBERS_AHEAD / 2;
    if (chosen.length === 0 && !isShort) return [];
    const below = numbersBelow(state);
    const fresh = chosen.map(({ bytes: _bytes, ...content }): Candidate => ({ ...content, below }));
    const written = fresh.length > 0 ? fresh : first ? [{ ...first, below }] : [];
    const tally = fresh.length > 0 ? [tallyWrite(entry.id, staged, chosen, savedMs)] : [];
    if (!(await keepCandidates(this.#site, route.term, entry, written, tally))) return [];
    this.#spend(chosen);
    return [...state.candidates, ...written];
  }

  /** Bytes that may be staged now. */
  #left(): number {
    const { candidateBytesPerSecond } = this.#site.options;
    const nowMs = this.#site.clock.now();
    const passedMs = Math.max(0, nowMs - this.#budget.atMs);
    const bytes = this.#budget.bytes + (passedMs / 1000) * candidateBytesPerSecond;
    this.#budget = { bytes: Math.min(bytes, BURST_S * candidateBytesPerSecond), atMs: nowMs };
    return this.#budget.bytes;
  }

  #spend(chosen: readonly Chosen[]): void {
    const bytes = chosen.reduce((sum, one) => sum + one.bytes, 0);
    this.#budget = { ...this.#budget, bytes: this.#budget.bytes - bytes };
  }

  /** One that is lost costs what was foreseen, no more. */
  async #announce(home: string, request: AnnounceRequest): Promise<void> {
    const startedAtMs = this.#site.clock.now();
    const answer = await this.#site.peers.agent(home).announce(request);
    this.#measured(home, this.#site.clock.now() - startedAtMs);
    if (answer === 'stale') await this.#site.routes.refresh();
  }

  async #distanceTo(home: string): Promise<number> {
    const startedAtMs = this.#site.clock.now();
    if (this.#distance?.home !== home || this.#distance.atMs + MEASURED_FOR_MS <= startedAtMs) {
      await this.#site.peers.agent(home).probe();
      this.#measured(home, this.#site.clock.now() - startedAtMs);
    }
    return this.#distance?.ms ?? 0;
  }

  #measured(home: string, ms: number): void {
    const before = this.#distance?.home === home ? this.#distance.ms : ms;
    this.#distance = { home, ms: KEEP * before + (1 - KEEP) * ms, atMs: this.#site.clock.now() };
  }
}

/** The home that this site follows in sync; nothing while it is home itself, or not in sync, or home moves. */
function followedHome({ name }: Site, { home, inSync, phase }: Route): string | undefined {
  return phase === 'serving' && home !== name && inSync.includes(name) ? home : undefined;
}

function announcementOf(
  site: string,
  { epoch }: Route,
  { id, startedAtMs }: OpenEntry,
  candidates: readonly Candidate[],
): AnnounceRequest['of'][number] {
  const digests = (enveloped: boolean) => [
    ...new Set(candidates.filter((one) => one.isEnveloped === enveloped).map(({ digest }) => digest)),
  ];
  const below = Math.max(...candidates.map((candidate) => candidate.below));
  return { id, startedAtMs, site, epoch, below, bare: digests(false), enveloped: digests(true) };
}
