import type { Clause, Comparison, Condition, Item, Key, Write } from '../../../src/core/table.js';
import { ConditionFailed } from '../../../src/ports/tables.js';
import type { Site } from '../../../src/app/site.js';

/** A site's tables as a value: items by `pk|sk`. Nothing is ever changed in place. */
export type Items = Readonly<Record<string, Item>>;

export const nameOf = ({ pk, sk }: Key): string => `${pk}|${sk}`;

export const itemAt = (items: Items, key: Key): Item | undefined => items[nameOf(key)];

/** What the writes make of the items, all or none; or which of them do not hold. */
export function evaluate(
  items: Items,
  writes: readonly Write[],
): { readonly items: Items } | { readonly failed: ReadonlySet<number> } {
  const failed = new Set(
    writes.flatMap((write, index) => (holds(itemAt(items, write.key), write.when) ? [] : [index])),
  );
  if (failed.size > 0) return { failed };
  const next: Record<string, Item> = { ...items };
  for (const write of writes) {
    if (write.kind === 'put') next[nameOf(write.key)] = write.item;
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a copy of our own, keyed by what is deleted
    if (write.kind === 'delete') delete next[nameOf(write.key)];
  }
  return { items: next };
}

function holds(item: Item | undefined, when: Condition | undefined): boolean {
  return when === undefined || when.some((clause) => clauseHolds(item, clause));
}

function clauseHolds(item: Item | undefined, clause: Clause): boolean {
  if (clause === 'absent') return item === undefined;
  return item !== undefined && clause.every((comparison) => compares(item, comparison));
}

function compares(item: Item, { attribute, is, value }: Comparison): boolean {
  const stands = item[attribute];
  if (typeof stands !== typeof value || stands === undefined || stands instanceof Uint8Array) return false;
  if (is === '=') return stands === value;
  if (is === '<') return stands < value;
  if (is === '<=') return stands <= value;
  return is === '>' ? stands > value : stands >= value;
}

/**
 * What a use case that only rewrites a site's items makes of them: guards, by the functions of `src/app/guards.ts`, for
 * which this stands in for the site.
 */
export async function afterwards<T>(
  items: Items,
  work: (site: Site) => Promise<T>,
): Promise<{ readonly items: Items; readonly answer: T }> {
  let now = items;
  const tables = {
    get: (keys: readonly Key[]) => Promise.resolve(keys.map((key) => itemAt(now, key))),
    transact: (writes: readonly Write[]) => {
      const end = evaluate(now, writes);
      if ('failed' in end)
        return Promise.reject(new ConditionFailed(new Map([...end.failed].map((at) => [at, undefined]))));
      now = end.items;
      return Promise.resolve();
    },
  };
  const answer = await work({ copies: COPIES, tables } as unknown as Site);
  return { items: now, answer };
}

/** Copies of the guard, and buckets of marks. */
export const COPIES = 1;
