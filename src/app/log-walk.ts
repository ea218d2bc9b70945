import type { Entry } from '../core/entry.js';
import { entryKey, transactionPk } from '../core/items.js';
import type { Item } from '../core/table.js';
import type { Timestamp } from '../core/timestamp.js';
import type { Site } from './site.js';

export interface LogRow {
  readonly id: string;
  readonly item: Item;
}

const PAGE = 500;
const ENTRY = transactionPk('');

/**
 * Decided entries of one status with `from < at ≤ to`, in the order of their timestamps, a page at a time.
 *
 * Walks over the base table: what is copied, filled or compared must miss nothing, and an index may lag.
 */
export async function* logRows(
  site: Site,
  status: Entry['status'],
  from: Timestamp,
  to?: Timestamp,
): AsyncGenerator<readonly LogRow[]> {
  const found: { readonly at: Timestamp; readonly id: string }[] = [];
  let after: string | undefined;
  do {
    const page = await site.tables.scan({ prefix: ENTRY, ...(after === undefined ? {} : { after }) });
    for (const { key, item } of page.rows) {
      const at = item['at'];
      if (key.sk !== 'entry' || item['status'] !== status || typeof at !== 'string') continue;
      if (at > from && (to === undefined || at <= to)) found.push({ at, id: key.pk.slice(ENTRY.length) });
    }
    after = page.next;
  } while (after !== undefined);
  found.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1));
  for (let start = 0; start < found.length; start += PAGE) {
    const ids = found.slice(start, start + PAGE).map(({ id }) => id);
    const items = await site.tables.get(ids.map(entryKey));
    yield items.flatMap((item, index) => (item ? [{ id: ids[index] ?? '', item }] : []));
  }
}
