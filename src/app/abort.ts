import type { AbortAnswer } from '../core/api.js';
import { type DecidedEntry, EXPIRED, isDecided, refusalFor } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { applyAll } from './apply.js';
import { unknownTransaction } from './commit-queue.js';
import { decideAll } from './decide.js';
import { readEntries } from './log.js';
import type { Site } from './site.js';

/**
 * A decision like a commit, replicated in the same way, with nothing put on streams.
 *
 * @throws LockstepError UnknownTransaction, TransactionCommitted
 */
export async function abort(site: Site, id: string, { reason }: { readonly reason?: string }): Promise<AbortAnswer> {
  await decideAbort(site, id, reason);
  return { id, status: 'aborted' };
}

/** Decides the abort of a transaction whose time has run out. @returns the refusal that its client gets */
export async function expire(site: Site, id: string): Promise<LockstepError> {
  try {
    return refusalFor(await decideAbort(site, id, EXPIRED));
  } catch (error) {
    // Committed meanwhile: that is what its client is told.
    if (error instanceof LockstepError && error.code === 'TransactionCommitted') return error;
    throw error;
  }
}

async function decideAbort(site: Site, id: string, reason: string | undefined): Promise<DecidedEntry> {
  const [standing] = await readEntries(site, [id]);
  if (!standing) throw unknownTransaction(id);
  const [verdict] = await decideAll(site, [
    {
      id,
      kind: 'abort',
      term: site.routes.known.term,
      origin: { kind: 'interactive' },
      events: [],
      streams: standing.streams,
      startedAtMs: standing.startedAtMs,
      expiresAtMs: standing.expiresAtMs,
      ...(reason === undefined || isDecided(standing) ? {} : { reason }),
    },
  ]);
  if (!verdict || verdict.kind === 'refused') throw verdict?.error ?? unknownTransaction(id);
  if (verdict.task) await applyAll(site, [verdict.task]);
  return verdict.entry;
}
