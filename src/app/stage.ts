import { isDecided } from '../core/entry.js';
import { encodeOpen, entryKey, markKey, openMark } from '../core/items.js';
import { NEW_OR_OPEN, checkTerm, guardCopyOf } from '../core/plan.js';
import type { StageRequest } from '../ports/mirror-agent.js';
import { ConditionFailed } from '../ports/tables.js';
import { readEntries } from './log.js';
import type { Site } from './site.js';
import { stagedWrites } from './write.js';

/**
 * A follower keeps uncommitted events, with what begin said, so that it could go on with the transaction as home. A
 * number may be written twice with other content by racing writers of which only one succeeds at home: the commit names
 * digests, and what does not match them is asked for again.
 */
export async function stageHere(site: Site, request: StageRequest): Promise<'staged' | 'stale'> {
  const { entry, next, events, term } = request;
  try {
    await site.tables.transact([
      checkTerm(guardCopyOf(entry.id, site.copies), term),
      { kind: 'put', key: entryKey(entry.id), item: encodeOpen(entry, site.copies, next), when: NEW_OR_OPEN },
      { kind: 'put', key: markKey(entry.id, site.copies), item: openMark(entry.expiresAtMs) },
      ...stagedWrites(entry.id, events),
    ]);
    return 'staged';
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    if (error.failed.has(0)) return 'stale';
    // Decided here already: this staging comes late, and nothing is missing.
    const [standing] = await readEntries(site, [entry.id]);
    if (standing && isDecided(standing)) return 'staged';
    throw error;
  }
}
