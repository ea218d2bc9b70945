import { type DecidedEntry, isDecided } from '../core/entry.js';
import type { Predecessor } from '../core/event.js';
import { entryKey, markKey, transactionPk } from '../core/items.js';
import { checkRound, guardCopyOf, setBackVersions } from '../core/plan.js';
import type { Write } from '../core/table.js';
import type { VersionVector } from '../core/version-vector.js';
import { readEntries } from './log.js';
import type { Site } from './site.js';
import { untoldOverruled } from './untold.js';

/** One attempt of a site to come back: it cleans only while no later one, or the joining itself, has begun. */
export interface Round {
  readonly term: number;
  readonly epoch: number;
}

/** Few enough for one transaction everywhere, with the guard. */
const TOGETHER = 90;

const check = (site: Site, round: Round, id: string): Write =>
  checkRound(guardCopyOf(id, site.copies), round.term, round.epoch);

/**
 * Deletes a decision that does not stand, with its mark, and sets its versions back: newer ones must be gone already.
 *
 * @param isLost the deployment does not have it at all: the next proof is to name it
 */
export async function overrule(site: Site, round: Round, entry: DecidedEntry, isLost: boolean): Promise<void> {
  site.note('overruled', { id: entry.id, at: entry.at });
  const before = await predecessorsOf(site, entry);
  await site.tables.transact([
    check(site, round, entry.id),
    { kind: 'delete', key: entryKey(entry.id), when: [[{ attribute: 'at', is: '=', value: entry.at }]] },
    { kind: 'delete', key: markKey(entry.id, site.copies) },
    ...setBackVersions(entry, before),
    ...(isLost ? [untoldOverruled(entry.id)] : []),
  ]);
  await dropRest(site, round, entry.id);
}

/** What the decisions before this one knew, by their entries: only streams that keep vectors have to look. */
async function predecessorsOf(
  site: Site,
  { events }: DecidedEntry,
): Promise<(after: Predecessor, stream: string, key: string) => VersionVector | undefined> {
  const ids = events.flatMap(({ vector, after }) => (vector && after ? [after.id] : []));
  const entries = ids.length === 0 ? [] : await readEntries(site, [...new Set(ids)]);
  return ({ id, at }, stream, key) => {
    const entry = entries.find((it) => it?.id === id);
    if (!entry || !isDecided(entry) || entry.at !== at) return undefined;
    return entry.events.findLast((event) => event.stream === stream && event.key === key)?.vector;
  };
}

/** Forgets an open transaction: if it is still open at home, it comes with the copy. */
export async function forgetOpen(site: Site, round: Round, id: string): Promise<void> {
  await site.tables.transact([
    check(site, round, id),
    {
      kind: 'delete',
      key: entryKey(id),
      when: ['absent', [{ attribute: 'status', is: '=', value: 'open' }]],
    },
    { kind: 'delete', key: markKey(id, site.copies) },
  ]);
  await dropRest(site, round, id);
}

/** Chunks and stagings of an entry that is gone. The id may live again: each step belongs to the round. */
async function dropRest(site: Site, round: Round, id: string): Promise<void> {
  const { rows } = await site.tables.query({ pk: transactionPk(id) });
  const rest = rows.filter(({ key }) => key.sk !== 'entry');
  for (let from = 0; from < rest.length; from += TOGETHER) {
    const deletes = rest.slice(from, from + TOGETHER).map(({ key }): Write => ({ kind: 'delete', key }));
    await site.tables.transact([check(site, round, id), ...deletes]);
  }
}
