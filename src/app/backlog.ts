import type { DecisionRef } from '../core/entry.js';
import { backlogKey } from '../core/items.js';
import type { Write } from '../core/table.js';
import { stillPending } from './log.js';
import type { Site } from './site.js';

/**
 * Lets decisions that were read in the log here wait for a replica, older before newer. Only those that every log has: to
 * stand in this log alone is not enough to stand on a stream.
 *
 * @returns those that are still pending: whoever applies them puts them
 */
export async function enqueueApplied(
  site: Site,
  stream: string,
  entries: readonly DecisionRef[],
): Promise<readonly DecisionRef[]> {
  if (entries.length === 0) return entries;
  const pending = await stillPending(
    site,
    entries.map(({ id }) => id),
  );
  const writes = entries
    .filter(({ id }) => !pending.has(id))
    .map(({ id, at }): Write => ({ kind: 'put', key: backlogKey(stream, at, id), item: { id } }));
  if (writes.length > 0) await site.tables.writeEach(writes);
  return entries.filter(({ id }) => pending.has(id));
}
