import type { CommitAnswer } from '../core/api.js';
import { type DecidedEntry, isDecided } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import type { Candidate } from '../core/candidate.js';
import { type PreparedEvent, checkTransactionSize } from '../core/event.js';
import type { StagedEvent } from '../core/items.js';
import { digestsOf, sameDigests, waitsForMirrors } from '../core/plan.js';
import { expire } from './abort.js';
import { seeApplied } from './apply.js';
import { type CommitQueue, commitAnswer, unknownTransaction } from './commit-queue.js';
import { ChangedMeanwhile, type Proposal } from './decide.js';
import { type TransactionState, readTransaction } from './log.js';
import type { Site } from './site.js';

/** A commit that meets writes of its own transaction looks again so often. */
const LOOKS = 8;

/**
 * Ends an interactive transaction: the client names the digests of all its events, and exactly these are committed.
 *
 * @param term in which it is asked for
 * @throws LockstepError EventsMissing `{missing: [number]}` (send these again, then commit again), IdempotencyMismatch
 *   (other events than those written), UnknownTransaction, TransactionAborted, TransactionExpired, VersionConflict, …
 */
export async function commit(
  site: Site,
  queue: CommitQueue,
  id: string,
  { digests }: { readonly digests: readonly string[] },
  term: number,
): Promise<CommitAnswer> {
  for (let look = 1; ; look += 1) {
    const state = await readTransaction(site, id);
    if (!state.entry) throw unknownTransaction(id);
    if (!isDecided(state.entry) && state.entry.expiresAtMs <= site.clock.now()) throw await expire(site, id);
    try {
      return commitAnswer(site, await decide(queue, site, id, state, digests, term));
    } catch (error) {
      if (!(error instanceof ChangedMeanwhile) || look >= LOOKS) throw error;
    }
  }
}

async function decide(
  queue: CommitQueue,
  site: Site,
  id: string,
  state: TransactionState,
  digests: readonly string[],
  term: number,
): Promise<DecidedEntry> {
  const { entry } = state;
  if (!entry) throw unknownTransaction(id);
  const known = isDecided(entry);
  if (known && entry.status === 'committed' && !sameDigests(digestsOf(entry.events), digests)) {
    await seeApplied(site, entry);
    throw new LockstepError('IdempotencyMismatch', `transaction ${id} was committed with other events`);
  }
  const events = known ? entry.events : named(site, id, state, digests);
  checkTransactionSize(events);
  const proposal: Proposal = {
    id,
    kind: 'commit',
    term,
    origin: { kind: 'interactive', next: state.next },
    events,
    streams: [...new Set(events.map((event) => event.stream))],
    startedAtMs: entry.startedAtMs,
    expiresAtMs: entry.expiresAtMs,
    ...(!known && waitsForMirrors(entry.replication) ? { staged: true } : {}),
  };
  return queue.submit(proposal);
}

/**
 * The staged events that the client names, in its order. A home of this term has answered each write that it holds: none
 * of them may be left out. From an earlier term, unanswered ones can be left over; they are not the client's.
 *
 * A write that a lost home answered because this site had foreseen it may not have been told here. The client names its
 * digest, and the candidate has the content; where the client had said more than that, the event is missing.
 */
function named(site: Site, id: string, state: TransactionState, digests: readonly string[]): readonly PreparedEvent[] {
  const foreseen = new Map(state.candidates.filter(({ isEnveloped }) => !isEnveloped).map((it) => [it.digest, it]));
  const waiting = new Map<string, StagedEvent[]>();
  for (const event of state.staged) {
    const same = waiting.get(event.digest);
    if (same) same.push(event);
    else waiting.set(event.digest, [event]);
  }
  const missing: number[] = [];
  const events = digests.flatMap((digest, number) => {
    const event = waiting.get(digest)?.shift() ?? contentOf(foreseen.get(digest));
    if (!event) missing.push(number);
    return event ?? [];
  });
  if (missing.length > 0) {
    throw new LockstepError(
      'EventsMissing',
      'write these events again, with the same ids or contents, then commit again',
      { missing },
    );
  }
  const { term } = site.routes.known;
  const left = [...waiting.values()].flat().filter((event) => event.term === term);
  if (left.length > 0) {
    throw new LockstepError(
      'IdempotencyMismatch',
      `transaction ${id} has ${state.staged.length} events, of which the commit names ${digests.length}: name all of them, or abort`,
    );
  }
  return events;
}

function contentOf(candidate: Candidate | undefined): PreparedEvent | undefined {
  if (!candidate) return undefined;
  const { isEnveloped: _isEnveloped, below: _below, ...event } = candidate;
  return event;
}
