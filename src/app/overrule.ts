import type { DecidedEntry } from '../core/entry.js';
import { entryKey, markKey, transactionPk } from '../core/items.js';
import { checkTerm, guardCopyOf, setBackVersions } from '../core/plan.js';
import type { Site } from './site.js';

/** Deletes a decision that does not stand, with its mark, and sets its versions back: newer ones must be gone already. */
export async function overrule(site: Site, term: number, entry: DecidedEntry): Promise<void> {
  site.note('overruled', { id: entry.id, at: entry.at });
  await site.tables.transact([
    checkTerm(guardCopyOf(entry.id, site.copies), term),
    { kind: 'delete', key: entryKey(entry.id), when: [[{ attribute: 'at', is: '=', value: entry.at }]] },
    { kind: 'delete', key: markKey(entry.id, site.copies) },
    ...setBackVersions(entry),
  ]);
  await dropRest(site, entry.id);
}

/** Chunks and stagings of an entry that is gone. */
async function dropRest(site: Site, id: string): Promise<void> {
  const { rows } = await site.tables.query({ pk: transactionPk(id) });
  const rest = rows.filter(({ key }) => key.sk !== 'entry');
  if (rest.length > 0) await site.tables.writeEach(rest.map(({ key }) => ({ kind: 'delete', key })));
}
