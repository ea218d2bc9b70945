import { type Candidate, NUMBERS_AHEAD } from '../core/candidate.js';
import { announcementItem, encodeCandidate, entryKey, foreseenKey } from '../core/items.js';
import { checkTerm, guardCopyOf } from '../core/plan.js';
import type { Write } from '../core/table.js';
import type { AnnounceRequest, TransactionRef } from '../ports/mirror-agent.js';
import { ConditionFailed } from '../ports/tables.js';
import { type TransactionState, firstFree } from './log.js';
import type { Site } from './site.js';

/**
 * Keeps candidates of an open transaction that this site knows, apart from what its client staged. They are used only by
 * what names their digests, and go when the transaction ends.
 *
 * @param further written with them, or not at all
 * @returns whether they stand: not where the transaction ended, or another term began
 */
export async function keepCandidates(
  site: Site,
  term: number,
  transaction: TransactionRef,
  candidates: readonly Candidate[],
  further: readonly Write[] = [],
): Promise<boolean> {
  const { id } = transaction;
  const puts = candidates.map((candidate): Write => ({ kind: 'put', ...encodeCandidate(id, candidate) }));
  try {
    const checks = [checkTerm(guardCopyOf(id, site.copies), term), checkOpen(transaction)];
    await site.tables.transact([...checks, ...puts, ...further]);
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

/** A number below which a follower, should it become home, gives none: it may be given by home without its knowing. */
export const numbersBelow = (state: TransactionState): number => Math.max(firstFree(state), state.next + NUMBERS_AHEAD);

/** Home keeps what a follower announces beside the transaction, where every write reads it: one item for each site. */
export async function announceHere(site: Site, { term, of }: AnnounceRequest): Promise<'announced' | 'stale'> {
  for (const announcement of of) {
    const { id, site: from } = announcement;
    try {
      await site.tables.transact([
        checkTerm(guardCopyOf(id, site.copies), term),
        checkOpen(announcement),
        { kind: 'put', key: foreseenKey(id, from), item: announcementItem(announcement) },
      ]);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      if (error.failed.has(0)) return 'stale';
      // It has ended meanwhile: nobody asks any more.
    }
  }
  return 'announced';
}

const checkOpen = ({ id, startedAtMs }: TransactionRef): Write => ({
  kind: 'check',
  key: entryKey(id),
  when: [
    [
      { attribute: 'status', is: '=', value: 'open' },
      { attribute: 'startedAtMs', is: '=', value: startedAtMs },
    ],
  ],
});
