import type { BatchResult, CommitAnswer, CommitRequest } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { MAX_VERSIONED_KEYS, type PreparedEvent, checkTransactionSize, partName, prepareEvent } from '../core/event.js';
import { problemOf } from '../core/problem.js';
import { type CommitQueue, commitAnswer } from './commit-queue.js';
import type { Proposal } from './decide.js';
import { ensureMirrors } from './streams.js';
import type { Site } from './site.js';

/** One-shot commit: all events at once, decided as a whole. @param term in which it is asked for */
export async function commitOnce(
  site: Site,
  queue: CommitQueue,
  request: CommitRequest,
  term: number,
): Promise<CommitAnswer> {
  const proposal = await oneShot(site, request, term);
  return commitAnswer(site, await queue.submit(proposal));
}

/** Independent transactions in one request: each has its own outcome. */
export async function commitBatch(
  site: Site,
  queue: CommitQueue,
  { commits }: { readonly commits: readonly CommitRequest[] },
  term: number,
): Promise<{ readonly results: readonly BatchResult[] }> {
  const named = commits.map((commit) => ({ ...commit, id: commit.id ?? site.newId() }));
  const results = await Promise.all(
    named.map(async (commit): Promise<BatchResult> => {
      try {
        return await commitOnce(site, queue, commit, term);
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        return { id: commit.id, problem: problemOf(error) };
      }
    }),
  );
  return { results };
}

async function oneShot(site: Site, request: CommitRequest, term: number): Promise<Proposal> {
  const events = request.events.map(prepareEvent);
  checkTransactionSize(events);
  const streams = [...new Set(events.map((event) => event.stream))];
  await site.registry.require(streams);
  checkVersionedKeys(site, events);
  ensureMirrors(site, streams);
  const nowMs = site.clock.now();
  return {
    id: request.id ?? site.newId(),
    kind: 'commit',
    term,
    origin: { kind: 'one-shot' },
    events,
    streams,
    startedAtMs: nowMs,
    expiresAtMs: nowMs + site.options.deadlineMs,
  };
}

/** @throws LockstepError TransactionTooLarge */
export function checkVersionedKeys(site: Site, events: readonly PreparedEvent[]): void {
  const keys = new Set<string>();
  for (const { stream, key, expectedVersion } of events) {
    if (expectedVersion !== undefined || site.registry.isVersioned(stream)) keys.add(partName(stream, key));
  }
  if (keys.size > MAX_VERSIONED_KEYS) {
    throw new LockstepError(
      'TransactionTooLarge',
      `a transaction has at most ${MAX_VERSIONED_KEYS} versioned keys; this one has ${keys.size}`,
    );
  }
}
