import { type Entry, isDecided } from '../core/entry.js';
import { STAGING_PREFIXES, entryKey, markKey, transactionPk } from '../core/items.js';
import { checkTerm, guardCopyOf } from '../core/plan.js';
import type { Clause, Write } from '../core/table.js';
import { ConditionFailed } from '../ports/tables.js';
import type { Site } from './site.js';

/** Few enough for one transaction everywhere, with the guard and the entry. */
const TOGETHER = 90;

/**
 * Forgets a transaction that is open here and that home does not know: its stagings first, its entry and mark last, so
 * that whoever stops half-way has left it to be found again. Nothing goes once it was decided, or begun anew, or home has
 * moved since it was asked.
 *
 * @param entry as it stood here before home was asked
 */
export async function forgetUnfinished(site: Site, term: number, id: string, entry: Entry | undefined): Promise<void> {
  if (entry && isDecided(entry)) return;
  const key = entryKey(id);
  const isSame: Clause = entry
    ? [
        { attribute: 'status', is: '=', value: 'open' },
        { attribute: 'startedAtMs', is: '=', value: entry.startedAtMs },
      ]
    : 'absent';
  const guard = checkTerm(guardCopyOf(id, site.copies), term);
  const stands: Write = { kind: 'check', key, when: [isSame] };
  try {
    for await (const some of stagingsOf(site, id)) await site.tables.transact([guard, stands, ...some]);
    await site.tables.transact([
      guard,
      { kind: 'delete', key, when: [isSame] },
      { kind: 'delete', key: markKey(id, site.copies) },
    ]);
    site.note('forgotten, home does not know it', { id });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

/** Not the chunks: a decision on this id that is on its way here has perhaps just left them. */
async function* stagingsOf(site: Site, id: string): AsyncGenerator<readonly Write[]> {
  for (const from of STAGING_PREFIXES) {
    for (;;) {
      const { rows } = await site.tables.query({ pk: transactionPk(id), from, to: `${from}\uffff`, limit: TOGETHER });
      if (rows.length > 0) yield rows.map(({ key }) => ({ kind: 'delete', key }));
      if (rows.length < TOGETHER) break;
    }
  }
}
