import { type Anomaly, type ListAppendTransaction, anomaly, show, startsWith } from './history.js';

/** What a transaction must see of a key: what it last read, if it did, and then what it appended since. */
interface Known {
  read: readonly string[] | undefined;
  appended: string[];
}

/** Reads that contradict what the same transaction read and appended before: no other is needed to see that. */
export function internalAnomalies(transaction: ListAppendTransaction): Anomaly[] {
  const known = new Map<string, Known>();
  return transaction.operations.flatMap((operation) => {
    const { key } = operation;
    const { read, appended } = known.get(key) ?? { read: undefined, appended: [] };
    if (operation.kind === 'append') {
      known.set(key, { read, appended: [...appended, operation.value] });
      return [];
    }
    const { values } = operation;
    known.set(key, { read: values, appended: [] });
    const before = values.slice(0, Math.max(values.length - appended.length, 0));
    const seesItsAppends = startsWith(values, [...before, ...appended]);
    if (seesItsAppends && (read === undefined ? !holdsAny(before, ownOf(transaction, key)) : same(before, read))) {
      return [];
    }
    const expected = `${read === undefined ? 'what others left' : show(read)} and then its own ${show(appended)}`;
    return [anomaly('internal', [transaction], `${transaction.id} read in ${key} ${show(values)}, not ${expected}`)];
  });
}

/** Later appends as well: nobody reads what he will append. */
function ownOf({ operations }: ListAppendTransaction, key: string): ReadonlySet<string> {
  return new Set(
    operations.flatMap((operation) => (operation.kind === 'append' && operation.key === key ? [operation.value] : [])),
  );
}

function holdsAny(values: readonly string[], some: ReadonlySet<string>): boolean {
  return some.size > 0 && values.some((value) => some.has(value));
}

function same(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && startsWith(left, right);
}
