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
 * what names their digests, and go when the transaction ends. What another process of this site keeps, and has announced
 * perhaps, only grows: numbers stay free, and content that is whole, or not, stays so.
 *
 * @param further written with them, or not at all
 * @returns whether they stand: not where the transaction ended, or another term began, or one of them stands otherwise
 */
export async function keepCandidates(
  site: Site,
  term: number,
  transaction: TransactionRef,
  candidates: readonly Candidate[],
  further: readonly Write[] = [],
): Promise<boolean> {
  const puts = candidates.map((candidate): Write => ({
    kind: 'put',
    ...encodeCandidate(transaction.id, candidate),
    when: [
      'absent',
      [
        { attribute: 'isEnveloped', is: '=', value: candidate.isEnveloped },
        { attribute: 'below', is: '<=', value: candidate.below },
      ],
    ],
  }));
  return writeWhileOpen(site, term, transaction, [...puts, ...further]);
}

/** Those of home, for a site that joins: they count, whatever a process of this site that slept has left here. */
export async function copyCandidates(
  site: Site,
  term: number,
  transaction: TransactionRef,
  candidates: readonly Candidate[],
): Promise<boolean> {
  const puts = candidates.map((candidate): Write => ({ kind: 'put', ...encodeCandidate(transaction.id, candidate) }));
  return writeWhileOpen(site, term, transaction, puts);
}

async function writeWhileOpen(
  site: Site,
  term: number,
  transaction: TransactionRef,
  writes: readonly Write[],
): Promise<boolean> {
  try {
    const checks = [checkTerm(guardCopyOf(transaction.id, site.copies), term), checkOpen(transaction)];
    await site.tables.transact([...checks, ...writes]);
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
