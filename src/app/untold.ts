import type { Proof } from '../core/api.js';
import type { Key, Write } from '../core/table.js';
import { ConditionFailed, WriteConflict } from '../ports/tables.js';
import type { Site } from './site.js';

/**
 * What was done here for the sake of a return and that no proof has told yet. It stands in the tables: an attempt that
 * breaks off has overruled and copied, too, and the next one finds none of it any more.
 */
export type Untold = Pick<Proof, 'overruled' | 'conflicts' | 'copied'>;

const UNTOLD = 'untold';
const COPIED: Key = { pk: UNTOLD, sk: 'copied' };
const OVERRULED = 'overruled#';
const CONFLICT = 'conflict#';
const RACES = 16;

/** Written in the transaction that deletes the decision. */
export const untoldOverruled = (id: string): Write => noted(OVERRULED, id);

/** These met others, and what became of them is recorded. */
export async function keepConflicts(site: Site, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await site.tables.writeEach(ids.map((id) => noted(CONFLICT, id)));
}

const noted = (kind: string, id: string): Write => ({ kind: 'put', key: { pk: UNTOLD, sk: kind + id }, item: { id } });

/** So many entries more were copied. @returns how many there are now */
export async function keepCopied(site: Site, more: number): Promise<number> {
  for (let race = 0; race < RACES; race += 1) {
    const [before] = await site.tables.get([COPIED]);
    const count = Number(before?.['count'] ?? 0);
    if (more === 0) return count;
    const when = [before ? [{ attribute: 'count', is: '=', value: count } as const] : ('absent' as const)];
    try {
      await site.tables.transact([{ kind: 'put', key: COPIED, item: { count: count + more }, when }]);
      return count + more;
    } catch (error) {
      if (!(error instanceof ConditionFailed) && !(error instanceof WriteConflict)) throw error;
    }
  }
  throw new Error('what is copied here is counted by too many at once');
}

export async function readUntold(site: Site): Promise<Untold> {
  const untold = { overruled: [] as string[], conflicts: [] as string[], copied: 0 };
  let after: string | undefined;
  do {
    const page = await site.tables.query({ pk: UNTOLD, ...(after === undefined ? {} : { after }) });
    for (const { key, item } of page.rows) {
      if (key.sk === COPIED.sk) untold.copied = Number(item['count']);
      else (key.sk.startsWith(CONFLICT) ? untold.conflicts : untold.overruled).push(String(item['id']));
    }
    after = page.next;
  } while (after !== undefined);
  return untold;
}

/** A proof has told it. */
export async function forgetTold(site: Site, { overruled, conflicts, copied }: Untold): Promise<void> {
  const notes = [...overruled.map((id) => OVERRULED + id), ...conflicts.map((id) => CONFLICT + id)];
  const keys = notes.map((sk): Key => ({ pk: UNTOLD, sk }));
  const when = [[{ attribute: 'count', is: '=', value: copied } as const]];
  await site.tables.writeEach([
    ...keys.map((key): Write => ({ kind: 'delete', key })),
    ...(copied === 0 ? [] : [{ kind: 'delete', key: COPIED, when } as const]),
  ]);
}
