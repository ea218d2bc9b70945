import type { BeginAnswer, BeginRequest } from '../core/api.js';
import { type OpenEntry, isDecided, refusalFor } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { encodeOpen, entryKey, markKey, openMark } from '../core/items.js';
import { checkStagingGuard, guardCopyOf } from '../core/plan.js';
import { toIso } from '../core/timestamp.js';
import { ConditionFailed } from '../ports/tables.js';
import { seeApplied } from './apply.js';
import { readTransaction } from './log.js';
import { atServingHome } from './serving.js';
import type { Site } from './site.js';
import { ensureMirrors, ensuredMirrorsOf } from './streams.js';

/**
 * Records a transaction at home, and makes sure at the same time that every stream it names has its mirrors. No other
 * site is waited for: what is written later carries what begin said.
 *
 * @throws LockstepError UnknownStream, IdempotencyMismatch (begun with other streams), TransactionCommitted, …
 */
export async function begin(site: Site, request: BeginRequest): Promise<BeginAnswer> {
  const streams = [...new Set(request.streams)];
  await site.registry.require(streams);
  const nowMs = site.clock.now();
  const entry: OpenEntry = {
    id: request.id ?? site.newId(),
    status: 'open',
    streams,
    replication: request.replication ?? 'eager',
    startedAtMs: nowMs,
    expiresAtMs: nowMs + (request.deadlineMs ?? site.options.deadlineMs),
  };
  const begun = await record(site, entry);
  ensureMirrors(site, streams, request.mirrors);
  return answer(site, begun.entry, begun.created, request.mirrors);
}

async function record(site: Site, entry: OpenEntry): Promise<{ readonly entry: OpenEntry; readonly created: boolean }> {
  return atServingHome(site, async (route) => {
    try {
      await site.tables.transact([
        checkStagingGuard(guardCopyOf(entry.id, site.copies), route),
        { kind: 'put', key: entryKey(entry.id), item: encodeOpen(entry, site.copies, 0), when: ['absent'] },
        { kind: 'put', key: markKey(entry.id, site.copies), item: openMark(entry.expiresAtMs) },
      ]);
      return { entry, created: true };
    } catch (error) {
      if (!(error instanceof ConditionFailed) || error.failed.has(0)) throw error;
      return { entry: await begunBefore(site, entry), created: false };
    }
  });
}

/** The same id again: the same begin, or somebody else's. */
async function begunBefore(site: Site, wanted: OpenEntry): Promise<OpenEntry> {
  const { entry } = await readTransaction(site, wanted.id);
  if (!entry) throw new LockstepError('Unavailable', 'the transaction ended meanwhile; ask again');
  if (isDecided(entry)) {
    await seeApplied(site, entry);
    throw refusalFor(entry);
  }
  const same =
    entry.replication === wanted.replication && [...entry.streams].sort().join() === [...wanted.streams].sort().join();
  if (!same)
    throw new LockstepError(
      'IdempotencyMismatch',
      `transaction ${wanted.id} was begun with other streams or replication`,
    );
  return entry;
}

function answer(site: Site, entry: OpenEntry, created: boolean, atLeast?: number): BeginAnswer {
  const route = site.routes.known;
  return {
    id: entry.id,
    status: 'open',
    expiresAt: toIso(entry.expiresAtMs),
    home: route.home,
    streams: entry.streams.map((name) => ({
      name,
      active: route.active[name] ?? route.home,
      mirrors: ensuredMirrorsOf(site, name, atLeast),
    })),
    created,
  };
}
