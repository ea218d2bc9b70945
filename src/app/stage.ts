import { type StagedEvent, encodeOpen, entryKey, markKey, openMark } from '../core/items.js';
import { type OpenEntry, isDecided } from '../core/entry.js';
import { checkTerm, guardCopyOf } from '../core/plan.js';
import type { Clause } from '../core/table.js';
import type { StageRequest } from '../ports/mirror-agent.js';
import { ConditionFailed } from '../ports/tables.js';
import { readTransaction } from './log.js';
import type { Site } from './site.js';
import { writeStaged } from './write.js';

/**
 * A follower keeps uncommitted events, with what begin said, so that it could go on with the transaction as home. A
 * number may be given twice by racing writers of which only one succeeds at home: both stay here, and the commit, which
 * names digests, picks the right one.
 */
export async function stageHere(site: Site, request: StageRequest): Promise<'staged' | 'stale'> {
  const { entry, events, term } = request;
  let { next } = request;
  // Numbers only rise: a staging that comes late, behind newer ones, must not let one be given twice.
  for (;;) {
    const outcome = await stageOnce(site, entry, next, events, term);
    if (outcome === 'staged') site.touched(entry.id);
    if (typeof outcome === 'string') return outcome;
    next = outcome;
  }
}

/** @returns the number that stands here where it is higher */
async function stageOnce(
  site: Site,
  entry: OpenEntry,
  next: number,
  events: readonly StagedEvent[],
  term: number,
): Promise<'staged' | 'stale' | number> {
  const isNewer: Clause = [
    { attribute: 'status', is: '=', value: 'open' },
    { attribute: 'next', is: '<=', value: next },
  ];
  try {
    await writeStaged(site, entry.id, events, checkTerm(guardCopyOf(entry.id, site.copies), term), {
      first: [
        { kind: 'put', key: entryKey(entry.id), item: encodeOpen(entry, site.copies, next), when: ['absent', isNewer] },
        { kind: 'put', key: markKey(entry.id, site.copies), item: openMark(entry.expiresAtMs) },
      ],
    });
    return 'staged';
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    if (error.failed.has(0)) return 'stale';
    // Decided here already: this staging comes late, and nothing is missing.
    const { entry: standing, next: given } = await readTransaction(site, entry.id);
    if (standing && isDecided(standing)) return 'staged';
    if (given > next) return given;
    throw error;
  }
}
