import type { Replication } from './api.js';
import { LockstepError } from './errors.js';
import { type DecidedEvent, type Predecessor, type PreparedEvent, partName } from './event.js';
import {
  type EncodedEntry,
  type Guard,
  type VersionItem,
  bucketOf,
  entryKey,
  guardItem,
  guardKey,
  markKey,
  pendingMark,
  versionItem,
  versionKey,
} from './items.js';
import { type DecidedEntry, mayBecome } from './entry.js';
import type { Route } from './route.js';
import type { Clause, Write } from './table.js';
import type { Timestamp } from './timestamp.js';
import { type VersionVector, advanceVector, mergeVectors } from './version-vector.js';

/**
 * What a decision, its copies and its end write into a site's tables, as plain data. Each rule of the protocol that
 * rests on a condition has its place here.
 */

// ---------------------------------------------------------------------------------------------------------- guards

/** Decisions are taken only here, only in this term, only with the route's newest demands, only above the bar. */
export function checkDecisionGuard(copy: number, route: Route, lowest: Timestamp): Write {
  return {
    kind: 'check',
    key: guardKey(copy),
    when: [
      [
        { attribute: 'open', is: '=', value: true },
        { attribute: 'term', is: '=', value: route.term },
        { attribute: 'epoch', is: '<=', value: route.epoch },
        { attribute: 'bar', is: '<', value: lowest },
      ],
    ],
  };
}

/** Stagings at home: as for a decision, but there is no timestamp yet that a bar could forbid. */
export function checkStagingGuard(copy: number, route: Route): Write {
  return {
    kind: 'check',
    key: guardKey(copy),
    when: [
      [
        { attribute: 'open', is: '=', value: true },
        { attribute: 'term', is: '=', value: route.term },
        { attribute: 'epoch', is: '<=', value: route.epoch },
      ],
    ],
  };
}

/** Whoever writes into a site's log or staging belongs to the term to which the site is fenced. */
export function checkTerm(copy: number, term: number): Write {
  return { kind: 'check', key: guardKey(copy), when: [[{ attribute: 'term', is: '=', value: term }]] };
}

/** What a takeover adopts, or a return cleans, is written while the guards are shut, and in the round that found it. */
export function checkRound(copy: number, term: number, epoch: number): Write {
  return {
    kind: 'check',
    key: guardKey(copy),
    when: [
      [
        { attribute: 'open', is: '=', value: false },
        { attribute: 'term', is: '=', value: term },
        { attribute: 'epoch', is: '=', value: epoch },
      ],
    ],
  };
}

/** A guard's copy is rewritten only if nobody else has since it was read. */
export function rewriteGuard(copy: number, before: Guard | undefined, after: Guard): Write {
  const same: Clause = before
    ? [
        { attribute: 'term', is: '=', value: before.term },
        { attribute: 'epoch', is: '=', value: before.epoch },
        { attribute: 'bar', is: '=', value: before.bar },
        { attribute: 'open', is: '=', value: before.open },
      ]
    : 'absent';
  return { kind: 'put', key: guardKey(copy), item: guardItem(after), when: [same] };
}

/** The copy of the guard that a transaction checks. */
export const guardCopyOf = (id: string, copies: number): number => bucketOf(id, copies);

// ---------------------------------------------------------------------------------------------------------- entries

const OPEN: Clause = [{ attribute: 'status', is: '=', value: 'open' }];

/** What must hold of an id for a decision on it: new, or open with exactly the events that the decider has seen. */
export type Origin = { readonly kind: 'one-shot' } | { readonly kind: 'interactive'; readonly next?: number };

export function originCondition(origin: Origin): readonly Clause[] {
  if (origin.kind === 'one-shot') return ['absent'];
  if (origin.next === undefined) return [OPEN];
  return [
    [
      { attribute: 'status', is: '=', value: 'open' },
      { attribute: 'next', is: '=', value: origin.next },
    ],
  ];
}

/** At a follower: the id is new there, or open; a decision never replaces a decision. */
export const NEW_OR_OPEN: readonly Clause[] = mayBecome('committed');

export interface LogWrite {
  readonly entry: DecidedEntry;
  readonly encoded: EncodedEntry;
  /** The route's epoch under which the mark is written; absent where it is everywhere: then no mark is left. */
  readonly markEpoch?: number;
  readonly when: readonly Clause[];
  readonly buckets: number;
  readonly versions: readonly Write[];
}

/** The entry, its mark, its versions. */
export function logWrites({ entry, encoded, markEpoch, when, buckets, versions }: LogWrite): Write[] {
  const key = markKey(entry.id, buckets);
  return [
    { kind: 'put', key: entryKey(entry.id), item: encoded.item, when },
    // That of an open transaction goes with it: nobody would take away the mark of a decided one that is open.
    markEpoch === undefined ? { kind: 'delete', key } : { kind: 'put', key, item: pendingMark(markEpoch, entry.at) },
    ...versions,
  ];
}

/** A mark goes only if it is still the one that was read. */
export function clearMark(id: string, epoch: number, buckets: number): Write {
  return {
    kind: 'delete',
    key: markKey(id, buckets),
    when: [
      [
        { attribute: 'state', is: '=', value: 'pending' },
        { attribute: 'epoch', is: '=', value: epoch },
      ],
    ],
  };
}

// --------------------------------------------------------------------------------------------------------- versions

/** The versions that a decision gives: the first it follows on, and the last it leaves, per (stream, key). */
export interface VersionStep {
  readonly stream: string;
  readonly key: string;
  readonly first: number;
  readonly last: number;
  readonly vector?: VersionVector;
}

const vectorIn = (vector: VersionVector | undefined): Pick<VersionItem, 'vector'> =>
  vector === undefined ? {} : { vector };

function versionSteps(events: readonly DecidedEvent[]): readonly VersionStep[] {
  if (events.every((event) => event.version === undefined)) return [];
  const steps = new Map<string, { stream: string; key: string; first: number; last: number }>();
  for (const { stream, key, version, vector } of events) {
    if (version === undefined) continue;
    const name = partName(stream, key);
    const step = steps.get(name);
    if (step) step.last = version;
    else steps.set(name, { stream, key, first: version, last: version, ...vectorIn(vector) });
  }
  return [...steps.values()];
}

/** Versions follow on: no gap, no fork. */
export function followOn(entry: DecidedEntry): Write[] {
  return versionSteps(entry.events).map(({ stream, key, first, last, vector }) => ({
    kind: 'put',
    key: versionKey(stream, key),
    item: versionItem({ version: last, at: entry.at, id: entry.id, ...vectorIn(vector) }),
    when: [first === 1 ? 'absent' : [{ attribute: 'version', is: '=', value: first - 1 }]],
  }));
}

/** Versions at a site that is not complete yet: only upward. The caller leaves out those that are higher already. */
export function raiseVersions(entry: DecidedEntry, stands: (stream: string, key: string) => number): Write[] {
  return versionSteps(entry.events).flatMap(({ stream, key, last, vector }): Write[] => {
    const now = stands(stream, key);
    if (now >= last) return [];
    return [
      {
        kind: 'put',
        key: versionKey(stream, key),
        item: versionItem({ version: last, at: entry.at, id: entry.id, ...vectorIn(vector) }),
        when: [now === 0 ? 'absent' : [{ attribute: 'version', is: '=', value: now }]],
      },
    ];
  });
}

/** Versions of an overruled entry go back to its predecessors. @param vectorOf what a predecessor knew, where kept */
export function setBackVersions(
  entry: DecidedEntry,
  vectorOf: (after: Predecessor, stream: string, key: string) => VersionVector | undefined = () => undefined,
): Write[] {
  const first = new Map<string, DecidedEvent>();
  for (const event of entry.events) {
    const name = partName(event.stream, event.key);
    if (event.version !== undefined && !first.has(name)) first.set(name, event);
  }
  return [...first.values()].map(({ stream, key, version = 1, after }): Write => {
    const ours: Clause = [{ attribute: 'id', is: '=', value: entry.id }];
    return after
      ? {
          kind: 'put',
          key: versionKey(stream, key),
          item: versionItem({ version: version - 1, ...after, ...vectorIn(vectorOf(after, stream, key)) }),
          when: [ours],
        }
      : { kind: 'delete', key: versionKey(stream, key), when: [ours, 'absent'] };
  });
}

/** An event to be decided. One that is taken over from another history had a version there, and gets one here. */
export type ProposedEvent = PreparedEvent & Pick<DecidedEvent, 'version' | 'vector' | 'foreseen' | 'writtenAtMs'>;

/** What is kept of a stream's keys, and who decides. */
export interface Keeping {
  readonly isVersioned: (stream: string) => boolean;
  /** Only of versioned ones. A key that has a vector keeps it on. */
  readonly keepsVectors: (stream: string) => boolean;
  readonly home: string;
}

/** The events of a proposal with their numbers and versions. */
export interface Numbered {
  readonly events: readonly DecidedEvent[];
  /** The versions that they follow on. */
  readonly predecessors: readonly VersionItem[];
}

/**
 * Gives numbers, and versions where they are kept: to events with an expected version, and to all of a versioned stream.
 *
 * @param current the last version of a (stream, key), as read
 * @throws LockstepError VersionConflict where the client expected another one
 */
export function numberEvents(
  events: readonly ProposedEvent[],
  { isVersioned, keepsVectors, home }: Keeping,
  current: (stream: string, key: string) => VersionItem | undefined,
): Numbered {
  const reached = new Map<string, number>();
  const predecessors: VersionItem[] = [];
  const numbered = events.map((proposed, number): DecidedEvent => {
    const { version: versionThere, vector: vectorThere = {}, ...event } = proposed;
    const { stream, key, expectedVersion } = event;
    const isKept = expectedVersion !== undefined || versionThere !== undefined || isVersioned(stream);
    if (!isKept) return { ...event, number };
    const name = partName(stream, key);
    const before = reached.get(name);
    const stands = current(stream, key);
    const actual = before ?? stands?.version ?? 0;
    if (expectedVersion !== undefined && expectedVersion !== actual) {
      throw new LockstepError(
        'VersionConflict',
        `${stream}/${key} has version ${actual}, not ${expectedVersion}: read it again, then decide anew`,
        { stream, key, expected: expectedVersion, actual },
      );
    }
    reached.set(name, actual + 1);
    const version = actual + 1;
    // One decision on the key, however many of its events: each of them says the same.
    const knew = () => advanceVector(mergeVectors(stands?.vector ?? {}, vectorThere), home);
    const kept = keepsVectors(stream) || stands?.vector ? { version, vector: knew() } : { version };
    if (before !== undefined || !stands) return { ...event, number, ...kept };
    predecessors.push(stands);
    return { ...event, number, ...kept, after: { at: stands.at, id: stands.id } };
  });
  return { events: numbered, predecessors };
}

/** Whether any version is kept for these events. */
export function keepsVersions(events: readonly ProposedEvent[], isVersioned: (stream: string) => boolean): boolean {
  return events.some(
    (event) => event.expectedVersion !== undefined || event.version !== undefined || isVersioned(event.stream),
  );
}

/** The digests by number: what makes two commits of one id the same. */
export function digestsOf(events: readonly PreparedEvent[]): readonly string[] {
  return events.map((event) => event.digest);
}

export function sameDigests(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((digest, index) => digest === b[index]);
}

/** Whether a write of this transaction waits for the other sites. */
export const waitsForMirrors = (replication: Replication): boolean => replication === 'eager';
