import type { CommitAnswer, EventIn } from '../../src/core/api.js';
import { PROBLEMS } from '../../src/core/errors.js';
import { digestOf } from '../support/world.js';

/** How one request ended, as its client saw it. */
export type End =
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly code: string; readonly extras: Readonly<Record<string, unknown>> }
  | { readonly kind: 'silent' };

/** What clients were told of one id, over all of its attempts. */
export interface Told {
  readonly id: string;
  readonly client: string;
  events: readonly EventIn[];
  digests: readonly string[];
  readonly invokedAtMs: number;
  completedAtMs: number | undefined;
  readonly committedAt: Set<string>;
  aborted: boolean;
  /** Refused at the first attempt, with a definite refusal. */
  refused: boolean;
  /** Some attempt to write or to commit it was not answered, or not definitely. */
  isDoubtful: boolean;
  /** When an interactive one expires, milliseconds since 1970. */
  expiresAtMs: number | undefined;
}

/** What the simulated clients, whose requests are in order, may never be told. */
const FOR_BAD_INPUT = new Set(['InvalidRequest', 'UnknownStream', 'EventTooLarge', 'TransactionTooLarge']);

/** Everything that clients did and were told, in one place for the checkers. */
export class History {
  readonly told = new Map<string, Told>();
  /** Ids in the order in which their commit was acknowledged first. */
  readonly acknowledged: string[] = [];
  /** Writes that were answered as foreseen. */
  foreseen = 0;
  /** What no client may ever be told. */
  readonly wrong: string[] = [];
  /** The last version of each `stream/key` that some client knows of. */
  readonly versions = new Map<string, number>();

  begin(id: string, client: string, events: readonly EventIn[], invokedAtMs: number): Told {
    const told: Told = {
      id,
      client,
      events,
      digests: events.map(digestOf),
      invokedAtMs,
      completedAtMs: undefined,
      committedAt: new Set(),
      aborted: false,
      refused: false,
      isDoubtful: false,
      expiresAtMs: undefined,
    };
    this.told.set(id, told);
    return told;
  }

  /**
   * @param asked how often the same was asked until this end
   * @param errorMs how far the clocks of two sites may be apart
   * @param isKnown no retention has passed since it was asked first, and no history without it goes on
   */
  heard(
    told: Told,
    end: End,
    asked: number,
    { nowMs, errorMs, isKnown }: { readonly nowMs: number; readonly errorMs: number; readonly isKnown: boolean },
  ): void {
    if (end.kind === 'answer') this.#committed(told, end.value as CommitAnswer, nowMs, errorMs);
    // What an attempt was refused says nothing of one after it.
    if (asked > 1) told.refused = false;
    told.isDoubtful ||= end.kind === 'silent' || (end.kind === 'refused' && end.code === 'Undetermined');
    if (end.kind !== 'refused') return;
    if (end.code === 'TransactionAborted' || end.code === 'TransactionExpired') told.aborted = true;
    // Refused before anything was decided: whoever gives up then has committed nothing.
    if (end.code === 'NotEnoughReplicas') told.refused = asked === 1;
    if (end.code !== 'VersionConflict') return;
    if (told.committedAt.size > 0 && isKnown)
      this.wrong.push(`identity first: ${told.id} was committed, and then refused`);
    told.refused = asked === 1;
    const { stream, key, actual } = end.extras as {
      readonly stream: string;
      readonly key: string;
      readonly actual: number;
    };
    this.versions.set(`${stream}/${key}`, actual);
  }

  /** @param errorMs how far the clocks of two sites may be apart */
  expired(told: Told, nowMs: number, errorMs: number): void {
    if (told.expiresAtMs !== undefined && nowMs + errorMs < told.expiresAtMs)
      this.wrong.push(`${told.id} expired ${told.expiresAtMs - nowMs} ms too early`);
  }

  /** What a client asked, in order as it was, was refused. */
  refused(code: string, what: string): void {
    if (FOR_BAD_INPUT.has(code)) this.wrong.push(`${what} ended in ${code}, and nothing was wrong with it`);
    this.sawCode(code, what);
  }

  /** Clients may only be told what the contract names. */
  sawCode(code: string, what: string): void {
    if (!(code in PROBLEMS)) this.wrong.push(`${what} ended in an error without a code: ${code}`);
  }

  #committed(told: Told, { committedAt, id, events }: CommitAnswer, nowMs: number, errorMs: number): void {
    if (told.expiresAtMs !== undefined && Date.parse(committedAt) > told.expiresAtMs + errorMs)
      this.wrong.push(`${told.id} was committed after it had expired`);
    if (id !== told.id) this.wrong.push(`${told.id} was answered as ${id}`);
    if (events !== told.events.length) this.wrong.push(`${told.id} was answered with ${events} events`);
    if (told.committedAt.size === 0) {
      this.acknowledged.push(told.id);
      told.completedAtMs = nowMs;
    }
    told.committedAt.add(committedAt);
    for (const { stream, key, expectedVersion } of told.events) {
      if (expectedVersion !== undefined) this.versions.set(`${stream}/${key}`, expectedVersion + 1);
    }
  }
}
