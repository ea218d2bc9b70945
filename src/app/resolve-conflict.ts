import type { Conflict, EventIn, ResolutionChoice, ResolveRequest } from '../core/api.js';
import type { DecidedEntry, DecisionRef } from '../core/entry.js';
import { LockstepError, isLockstepError } from '../core/errors.js';
import { type PreparedEvent, checkTransactionSize, prepareEvent } from '../core/event.js';
import { msOf, toIso } from '../core/timestamp.js';
import { applyAll } from './apply.js';
import { checkVersionedKeys } from './commit-once.js';
import { type ConflictRecord, changeRecord, getConflict, readDecision, requireRecord } from './conflicts.js';
import { type Proposal, decideAll } from './decide.js';
import { decideAnew } from './decide-anew.js';
import type { Site } from './site.js';

/**
 * An operator resolves a conflict, at home: what stands stays; or what waits is decided anew; or events take the place of
 * both. A new decision names the two that had met. The conflicts of the same transaction are resolved together.
 *
 * Repeated with the same choice it goes on where it stopped, and answers the same.
 *
 * @throws LockstepError NotFound, ConflictResolved (another choice was made), InvalidRequest, UnknownStream,
 *   VersionConflict, IdempotencyMismatch (other events than the first time), EventTooLarge, TransactionTooLarge
 */
export async function resolveConflict(site: Site, id: string, request: ResolveRequest): Promise<Conflict> {
  const asked = await requireRecord(site, id);
  const events = 'events' in request ? await prepared(site, asked, request.events) : [];
  const take: ResolutionChoice = 'events' in request ? 'events' : request.take;
  // One record stands for all of the transaction: on it two operators meet.
  const first = await changeRecord(site, asked.together[0] ?? id, (before) => claimed(site, before, take));
  if (first.status === 'open') {
    const decision = await decide(site, first, take, events);
    // The one that stands for all comes last: as long as it is open, whoever asks again goes on.
    for (const each of [...first.together].reverse())
      await changeRecord(site, each, (it) => resolved(site, it, take, decision));
  }
  return getConflict(site, id);
}

/** @throws LockstepError InvalidRequest, UnknownStream, EventTooLarge, TransactionTooLarge */
async function prepared(
  site: Site,
  { stream, key }: ConflictRecord,
  events: readonly EventIn[],
): Promise<readonly PreparedEvent[]> {
  if (!events.some((event) => event.stream === stream && event.key === key)) {
    throw new LockstepError('InvalidRequest', `events: none of them is for ${stream}/${key}, where the conflict is`);
  }
  const ready = events.map(prepareEvent);
  checkTransactionSize(ready);
  await site.registry.require(ready.map((event) => event.stream));
  checkVersionedKeys(site, ready);
  return ready;
}

function claimed(site: Site, before: ConflictRecord, take: ResolutionChoice): ConflictRecord {
  const { status, policy, resolution } = before;
  if (resolution?.take === take) return before;
  if (status === 'resolved' || resolution) {
    const by = resolution ? `an operator, who chose ${resolution.take}` : policy;
    throw new LockstepError('ConflictResolved', `it was resolved by ${by}; to change that, commit what is to be true`);
  }
  return { ...before, resolution: { take, at: toIso(site.clock.now()) } };
}

async function decide(
  site: Site,
  first: ConflictRecord,
  take: ResolutionChoice,
  events: readonly PreparedEvent[],
): Promise<DecidedEntry | undefined> {
  if (take === 'standing') return undefined;
  const id = `resolution-${first.id}`;
  const resolves = [refOf(first.winner), refOf(first.loser)];
  if (take === 'events') return commitInstead(site, first, { id, resolves, events });
  const waiting = await readDecision(site, refOf(first.loser));
  if (!waiting) throw new Error(`the decision ${first.loser.transactionId} of conflict ${first.id} is not kept`);
  // A client that asks again with its own id is to find its transaction; where home has aborted that id, it cannot.
  const decision =
    (await decideAnew(site, waiting, { resolves })) ?? (await decideAnew(site, waiting, { id, resolves }));
  if (!decision) throw new LockstepError('IdempotencyMismatch', `${id} was committed with other events`);
  return decision;
}

async function commitInstead(
  site: Site,
  first: ConflictRecord,
  { id, resolves, events }: Pick<Proposal, 'id' | 'resolves' | 'events'>,
): Promise<DecidedEntry> {
  const nowMs = site.clock.now();
  const streams = [...new Set(events.map((event) => event.stream))];
  const times = { startedAtMs: nowMs, expiresAtMs: nowMs + site.options.deadlineMs };
  const { term } = site.routes.known;
  const what = { kind: 'commit', term, origin: { kind: 'one-shot' }, ...times } as const;
  const [verdict] = await decideAll(site, [{ id, events, streams, ...what, ...(resolves ? { resolves } : {}) }]);
  if (verdict?.kind !== 'decided') {
    // Nothing was decided: another choice is possible again.
    if (isLockstepError(verdict?.error, 'VersionConflict')) await changeRecord(site, first.id, unclaimed);
    throw verdict?.error ?? new LockstepError('Unavailable', 'not decided; ask again');
  }
  if (verdict.task) await applyAll(site, [verdict.task]);
  return verdict.entry;
}

const unclaimed = ({ resolution: _claim, ...before }: ConflictRecord): ConflictRecord => before;

const refOf = ({ transactionId, clock }: ConflictRecord['winner']): DecisionRef => ({ id: transactionId, at: clock });

function resolved(
  site: Site,
  before: ConflictRecord,
  take: ResolutionChoice,
  decision: DecidedEntry | undefined,
): ConflictRecord {
  if (before.status === 'resolved') return before;
  const at = toIso(site.clock.now());
  const { winner, loser } = before;
  return {
    ...before,
    ...(take === 'waiting' ? { winner: loser, loser: winner } : {}),
    status: 'resolved',
    resolvedAt: at,
    resolution: {
      take,
      at,
      ...(decision ? { transactionId: decision.id, committedAt: toIso(msOf(decision.at)) } : {}),
    },
  };
}
