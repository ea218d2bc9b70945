import { hash } from 'node:crypto';
import type { ConflictPolicy, ConflictRule } from './api.js';
import type { DecidedEntry } from './entry.js';
import { LockstepError } from './errors.js';
import { partName } from './event.js';
import { clockOf, TICKS_PER_MS } from './timestamp.js';
import { type VersionVector, compareVectors } from './version-vector.js';

/**
 * Conflicts: after an unclean takeover the same (stream, key) was changed by both histories. The stream's policy says
 * which of the two stays: the one that stands at home, or the one that waits at the site that came back.
 */

/** A policy with every default filled in. */
export type FullConflictPolicy =
  | { readonly policy: 'last-write-wins'; readonly by: ConflictRule }
  | { readonly policy: 'version-vector'; readonly otherwise: 'last-write-wins'; readonly by: ConflictRule }
  | { readonly policy: 'version-vector'; readonly otherwise: 'manual' }
  | { readonly policy: 'manual' }
  | { readonly policy: 'function'; readonly name: string };

/** Two decisions that met on one (stream, key). */
export interface Meeting {
  readonly stream: string;
  readonly key: string;
  /** The last change that home decided itself. */
  readonly standing: DecidedEntry;
  /** What only the site that came back knew. */
  readonly waiting: DecidedEntry;
}

/** Which one stays; `manual`: an operator says so later, and what stands at home stays till then. */
export type Choice = 'standing' | 'waiting' | 'manual';
export const CHOICES: readonly string[] = ['standing', 'waiting', 'manual'] satisfies readonly Choice[];

/** A choice and the rule that made it, in words. */
export interface Judgement {
  readonly choice: Choice;
  readonly policy: string;
}

/** Fills in defaults; what is left out keeps its value as long as the policy stays the same. @throws LockstepError */
export function fullConflictPolicy(change: ConflictPolicy, before?: FullConflictPolicy): FullConflictPolicy {
  const kept = before?.policy === change.policy ? before : undefined;
  const { policy, by, otherwise, name } = { ...kept, ...change } as ConflictMembers & Pick<ConflictPolicy, 'policy'>;
  switch (policy) {
    case 'last-write-wins':
      return { policy, by: by ?? 'commit' };
    case 'version-vector':
      if (otherwise !== 'manual') return { policy, otherwise: 'last-write-wins', by: by ?? 'commit' };
      // What was kept goes with the rule that it belonged to; what is asked for is contradictory.
      if ('by' in change)
        throw contradictory('by chooses a time, and otherwise: manual uses none; leave one of them out');
      return { policy, otherwise };
    case 'manual':
      return { policy };
    case 'function':
      if (name === undefined) throw contradictory('a function needs its name');
      return { policy, name };
  }
}

interface ConflictMembers {
  readonly by?: ConflictRule;
  readonly otherwise?: 'last-write-wins' | 'manual';
  readonly name?: string;
}

const contradictory = (why: string): LockstepError => new LockstepError('InvalidRequest', `conflict: ${why}`);

/** Judges without asking anybody. A user's function is asked by src/app/conflicts.ts. */
export function judge(policy: Exclude<FullConflictPolicy, { readonly policy: 'function' }>, met: Meeting): Judgement {
  switch (policy.policy) {
    case 'last-write-wins':
      return { choice: later(met, policy.by), policy: `last-write-wins by ${policy.by}` };
    case 'manual':
      return { choice: 'manual', policy: 'manual' };
    case 'version-vector': {
      const order = compareVectors(vectorOf(met.waiting, met), vectorOf(met.standing, met));
      if (order === 'after') return { choice: 'waiting', policy: 'version-vector: it knew the other' };
      if (order === 'before') return { choice: 'standing', policy: 'version-vector: it knew the other' };
      if (policy.otherwise === 'manual') return { choice: 'manual', policy: 'version-vector: concurrent, manual' };
      return {
        choice: later(met, policy.by),
        policy: `version-vector: concurrent, last-write-wins by ${policy.by}`,
      };
    }
  }
}

/** Ties by id, so that every site judges alike. */
function later({ stream, key, standing, waiting }: Meeting, by: ConflictRule): Choice {
  const [mine, theirs] = [conflictTimeMs(waiting, stream, key, by), conflictTimeMs(standing, stream, key, by)];
  return (mine === theirs ? waiting.id > standing.id : mine > theirs) ? 'waiting' : 'standing';
}

/** When an entry's last event on a (stream, key) happened, milliseconds, by the policy's clock. */
function conflictTimeMs(entry: DecidedEntry, stream: string, key: string, by: ConflictRule): number {
  // The clock alone: the terms are those of two histories, and say nothing about what came first.
  const committedMs = clockOf(entry.at) / TICKS_PER_MS;
  if (by === 'commit') return committedMs;
  if (by === 'ingest') return entry.startedAtMs;
  const times = entry.events
    .filter((event) => event.stream === stream && event.key === key)
    .map((event) => (event.time === undefined ? committedMs : Date.parse(event.time)));
  return Math.max(...times, -Infinity);
}

/** What a change knew. One from before the stream had this policy has no vector: it knew nothing and nobody knew it. */
function vectorOf(entry: DecidedEntry, { stream, key }: Meeting): VersionVector {
  const last = entry.events.findLast((event) => event.stream === stream && event.key === key);
  return last?.vector ?? { [`${entry.id}@${entry.at}`]: 1 };
}

/** A transaction stays as a whole or not at all: one key lost is all lost, one to be asked about is all to be asked. */
export function wholeChoice(choices: readonly Choice[]): Choice {
  if (choices.includes('standing')) return 'standing';
  return choices.includes('manual') ? 'manual' : 'waiting';
}

/**
 * The same for the same decision that waits, whoever finds the conflict, however often, and whatever home has decided on
 * that key meanwhile: what was chosen once stays chosen.
 */
export function conflictId({ stream, key, waiting }: Omit<Meeting, 'standing'>): string {
  return hash('sha256', `${partName(stream, key)}|${waiting.id}@${waiting.at}`, 'hex').slice(0, 32);
}

/** The (stream, key) pairs that an entry changes. */
export function keysOf(entry: DecidedEntry): readonly { readonly stream: string; readonly key: string }[] {
  const pairs = new Map(entry.events.map(({ stream, key }) => [partName(stream, key), { stream, key }]));
  return [...pairs.values()];
}
