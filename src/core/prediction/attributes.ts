import type { FinishedContext } from './context.js';
import type { FeatureSchema } from './features.js';
import { type Leaf, takeApart } from './leaves.js';
import { END, type Symbols } from './symbols.js';

/** Fields of payloads that a network looks at, the most telling ones. */
const MAX_ATTRIBUTES = 12;
/** A field with more values names things; it does not tell kinds apart. */
const MAX_VALUES = 24;
/** So many transactions are enough to choose from. */
const SAMPLE = 2000;
/** Less than this about the next event, in nats, is noise. */
const LEAST = 0.005;

interface Counted {
  /** By value: how often each symbol followed. */
  readonly values: Map<Leaf, Map<number, number>>;
}

/**
 * The fields of payloads that tell the most about the next event (mutual information), among those with few values.
 */
export function chooseAttributes(
  transactions: readonly FinishedContext[],
  symbols: Pick<Symbols, 'find'>,
): FeatureSchema['attributes'] {
  const fields = new Map<string, Counted | 'too many'>();
  for (const { events } of transactions.slice(-SAMPLE)) {
    for (const [index, event] of events.entries()) {
      const leaves = takeApart(event);
      const next = events[index + 1];
      const followed = next === undefined ? END : symbols.find(next);
      for (const [at, path] of (leaves?.shape.paths ?? []).entries()) {
        if (path !== 'key') count(fields, path, leaves?.values[at] ?? null, followed);
      }
    }
  }
  return [...fields]
    .flatMap(([path, field]) =>
      field === 'too many' ? [] : [{ path, values: field.values, tells: information(field) }],
    )
    .filter(({ values, tells }) => values.size > 1 && tells > LEAST)
    .sort((a, b) => b.tells - a.tells)
    .slice(0, MAX_ATTRIBUTES)
    .map(({ path, values }) => ({ path, values: [...values.keys()] }));
}

function count(fields: Map<string, Counted | 'too many'>, path: string, value: Leaf, followed: number): void {
  const field = fields.get(path) ?? { values: new Map<Leaf, Map<number, number>>() };
  fields.set(path, field);
  if (field === 'too many') return;
  const row = field.values.get(value) ?? new Map<number, number>();
  field.values.set(value, row);
  row.set(followed, (row.get(followed) ?? 0) + 1);
  if (field.values.size > MAX_VALUES) fields.set(path, 'too many');
}

/** Between a field's value and what follows, nats. */
function information({ values }: Counted): number {
  const followed = new Map<number, number>();
  let total = 0;
  for (const row of values.values()) {
    for (const [symbol, times] of row) {
      followed.set(symbol, (followed.get(symbol) ?? 0) + times);
      total += times;
    }
  }
  let sum = 0;
  for (const row of values.values()) {
    const own = [...row.values()].reduce((all, times) => all + times, 0);
    for (const [symbol, times] of row) {
      sum += (times / total) * Math.log((times * total) / (own * (followed.get(symbol) ?? 1)));
    }
  }
  return sum;
}
