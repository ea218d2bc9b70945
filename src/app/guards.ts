import type { Guard } from '../core/items.js';
import { guardKey, readGuard } from '../core/items.js';
import { rewriteGuard } from '../core/plan.js';
import { type Timestamp, latest, timestamp } from '../core/timestamp.js';
import { ConditionFailed, WriteConflict } from '../ports/tables.js';
import type { Site } from './site.js';

const MAX_RACES = 64;

/** What a rewriting does to one copy: the next one, `done` where it is that far, `refused` where it may not. */
type Step = Guard | 'done' | 'refused';

/**
 * Rewrites all copies, one by one and concurrently, each retried by itself: the change counts when all are rewritten.
 * Never one transaction over all copies: under load it would starve.
 */
async function rewriteAll(site: Site, step: (before: Guard | undefined) => Step): Promise<'done' | 'refused'> {
  const copies = Array.from({ length: site.copies }, (_, copy) => copy);
  const read = await site.tables.get(copies.map(guardKey));
  const ends = await Promise.all(
    copies.map((copy) => rewriteOne(site, copy, read[copy] && readGuard(read[copy]), step)),
  );
  return ends.includes('refused') ? 'refused' : 'done';
}

async function rewriteOne(
  site: Site,
  copy: number,
  read: Guard | undefined,
  step: (before: Guard | undefined) => Step,
): Promise<'done' | 'refused'> {
  let before = read;
  for (let race = 0; race < MAX_RACES; race += 1) {
    const next = step(before);
    if (next === 'done' || next === 'refused') return next;
    try {
      await site.tables.transact([rewriteGuard(copy, before, next)]);
      return 'done';
    } catch (error) {
      if (!(error instanceof ConditionFailed) && !(error instanceof WriteConflict)) throw error;
      const [item] = await site.tables.get([guardKey(copy)]);
      before = item && readGuard(item);
    }
  }
  throw new WriteConflict(`guard ${copy} changes too often`);
}

/** The term to which this site is fenced, 0 before its first. Reads one copy: the first that every fence rewrites. */
export async function fencedTo(site: Site): Promise<number> {
  const [item] = await site.tables.get([guardKey(0)]);
  return item ? readGuard(item).term : 0;
}

/** The guards of a deployment that begins: open at home, shut elsewhere. Leaves guards that exist. */
export async function initialiseGuards(site: Site, isHome: boolean): Promise<void> {
  const first: Guard = { term: 1, epoch: isHome ? 1 : 0, bar: timestamp(1, 0), open: isHome };
  await rewriteAll(site, (before) => (before ? 'done' : first));
}

/**
 * After this no write of an older term succeeds here, nor any adoption of an earlier round of the same takeover.
 *
 * @param epoch of the route that the round of the takeover, or the attempt to return, rests on
 * @returns `refused`: a newer term, or round, was here before, or the takeover is over
 */
export function fenceGuards(site: Site, term: number, epoch: number): Promise<'done' | 'refused'> {
  return rewriteAll(site, (before) => {
    if (before && before.term > term) return 'refused';
    if (before?.term !== term) return { term, epoch, bar: timestamp(term, 0), open: false };
    if (before.epoch === epoch) return 'done';
    return before.open || before.epoch > epoch ? 'refused' : { ...before, epoch };
  });
}

/** Decisions need at least this epoch; `open` lets them begin. Only upward. */
export function raiseGuards(site: Site, term: number, epoch: number, open: boolean): Promise<'done' | 'refused'> {
  return rewriteAll(site, (before) => {
    if (before?.term !== term) return 'refused';
    if (!before.open && !open) return 'refused';
    if (before.open && before.epoch >= epoch) return 'done';
    return { ...before, epoch: Math.max(before.epoch, epoch), open: true };
  });
}

/** No transaction at or below the bar will be decided here any more. `refused`: this is not the open home of the term. */
export function raiseBar(site: Site, term: number, bar: Timestamp): Promise<'done' | 'refused'> {
  return rewriteAll(site, (before) => {
    if (before?.term !== term || !before.open) return 'refused';
    if (before.bar >= bar) return 'done';
    return { ...before, bar: latest(before.bar, bar) };
  });
}
