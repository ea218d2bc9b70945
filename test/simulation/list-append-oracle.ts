import type { ListAppendTransaction } from './checkers/list-append.js';

type Lists = ReadonlyMap<string, readonly string[]>;

/**
 * Whether some order of these transactions, one at a time, gives all reads; those of unknown outcome may be left out.
 * Strict: nobody comes before one who had ended when he began. Tries all orders: for a handful of transactions.
 */
export function isSerialisable(history: readonly ListAppendTransaction[], { strict }: { strict: boolean }): boolean {
  const search = (rest: readonly ListAppendTransaction[], lists: Lists): boolean =>
    rest.every(({ outcome }) => outcome === 'unknown') ||
    rest.some((next) => {
      if (strict && rest.some((other) => endsBefore(other, next))) return false;
      const after = applied(next, lists);
      return (
        after !== undefined &&
        search(
          rest.filter((other) => other !== next),
          after,
        )
      );
    });
  return search(
    history.filter(({ outcome }) => outcome !== 'aborted'),
    new Map(),
  );
}

function endsBefore({ outcome, completedAt }: ListAppendTransaction, { invokedAt }: ListAppendTransaction): boolean {
  return outcome === 'committed' && completedAt !== undefined && completedAt < invokedAt;
}

/** Undefined where a read shows something else. */
function applied({ operations }: ListAppendTransaction, before: Lists): Lists | undefined {
  const lists = new Map(before);
  for (const operation of operations) {
    const list = lists.get(operation.key) ?? [];
    if (operation.kind === 'append') lists.set(operation.key, [...list, operation.value]);
    else if (JSON.stringify(list) !== JSON.stringify(operation.values)) return undefined;
  }
  return lists;
}
