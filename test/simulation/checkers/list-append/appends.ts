import { type Anomaly, type Append, type ListAppendTransaction, anomaly } from './history.js';

/** Who appended what. */
export class Appends {
  readonly #byKey = new Map<string, Map<string, readonly Append[]>>();

  constructor(history: readonly ListAppendTransaction[]) {
    for (const by of history) {
      for (const [place, operation] of by.operations.entries()) {
        if (operation.kind === 'append') this.#add({ by, place, key: operation.key, value: operation.value });
      }
    }
  }

  of(key: string, value: string): readonly Append[] {
    return this.#byKey.get(key)?.get(value) ?? [];
  }

  /** What was appended twice is an error of the workload, reported as such: nothing else follows from that value. */
  only(key: string, value: string): Append | undefined {
    const [append, ...others] = this.of(key, value);
    return others.length === 0 ? append : undefined;
  }

  onlyOf(key: string): Append[] {
    return [...(this.#byKey.get(key)?.values() ?? [])].filter(({ length }) => length === 1).flat();
  }

  duplicates(): Anomaly[] {
    return [...this.#byKey.values()]
      .flatMap((values) => [...values.values()])
      .flatMap((appends) => {
        const [first] = appends;
        if (first === undefined || appends.length < 2) return [];
        const parties = appends.map(({ by }) => by);
        const names = parties.map(({ id }) => id).join(' and ');
        return [anomaly('duplicate', parties, `${names} appended the same ${first.value} to ${first.key}`)];
      });
  }

  #add(append: Append): void {
    const values = this.#byKey.get(append.key) ?? new Map<string, readonly Append[]>();
    this.#byKey.set(append.key, values.set(append.value, [...(values.get(append.value) ?? []), append]));
  }
}

/**
 * The transactions that took place: all committed, and each of unknown outcome of which one that counts read an append.
 * Nobody saw anything of the others, so that nothing follows from them.
 */
export function countedOf(
  history: readonly ListAppendTransaction[],
  appends: Appends,
): ReadonlySet<ListAppendTransaction> {
  const counted = new Set(history.filter(({ outcome }) => outcome === 'committed'));
  const looked = new Map<string, readonly string[]>();
  // The set grows while it is walked: what is added here is looked at too.
  for (const { operations } of counted) {
    for (const operation of operations) {
      if (operation.kind !== 'read') continue;
      const { key, values } = operation;
      const known = looked.get(key) ?? [];
      const news = values.filter((value, place) => value !== known[place]);
      for (const { by } of news.flatMap((value) => appends.of(key, value))) {
        if (by.outcome === 'unknown') counted.add(by);
      }
      if (values.length > known.length) looked.set(key, values);
    }
  }
  return counted;
}
