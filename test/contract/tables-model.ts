import fc from 'fast-check';
import type {
  Clause,
  Comparison,
  Condition,
  Item,
  Key,
  RangeQuery,
  Row,
  Scalar,
  Write,
} from '../../src/ports/tables.js';
import { byUtf8 } from './support.js';

export const bytesOf = (...values: number[]): Uint8Array => Uint8Array.from(values);
export const put = (key: Key, item: Item, when?: Condition): Write =>
  when === undefined ? { kind: 'put', key, item } : { kind: 'put', key, item, when };

/** Any text that a key or value may hold: ASCII, NUL, beyond U+FFFF. */
export const text = (): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\x01', 'é', '\uffee', '😀'), maxLength: 5 }),
  );
const scalar = (): fc.Arbitrary<Scalar> =>
  fc.oneof(
    text(),
    fc.integer(),
    // DynamoDB knows no numbers nearer to zero than 1e-130.
    fc
      .double({ noNaN: true, noDefaultInfinity: true, min: -1e100, max: 1e100 })
      .map((x) => (Math.abs(x) < 1e-100 ? 0 : x)),
    fc.boolean(),
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
  );
const NAMES = ['n', 's', 'flag', 'größe', 'term', 'a-rather-long-attribute-name'] as const;
export const item = (): fc.Arbitrary<Item> => fc.dictionary(fc.constantFrom(...NAMES), scalar(), { maxKeys: 5 });

const comparison = (): fc.Arbitrary<Comparison> =>
  fc.record({
    attribute: fc.constantFrom(...NAMES),
    is: fc.constantFrom('=', '<', '<=', '>', '>='),
    value: fc.oneof(text(), fc.integer({ min: -3, max: 3 })),
  });
const clause = (): fc.Arbitrary<Clause> =>
  fc.oneof(fc.constant<Clause>('absent'), fc.array(comparison(), { maxLength: 2 }));
export const condition = (): fc.Arbitrary<Condition> => fc.array(clause(), { minLength: 1, maxLength: 2 });

/** What a table is, without any storage. */
export class Model {
  readonly rows = new Map<string, Row>();

  item(key: Key): Item | undefined {
    return this.rows.get(JSON.stringify([key.pk, key.sk]))?.item;
  }

  holds(write: Write): boolean {
    const current = this.item(write.key);
    if (write.when === undefined || write.when.length === 0) return true;
    return write.when.some((clauseOf) =>
      clauseOf === 'absent'
        ? current === undefined
        : current !== undefined && clauseOf.every((c) => compares(c, current)),
    );
  }

  apply(write: Write): void {
    const name = JSON.stringify([write.key.pk, write.key.sk]);
    if (write.kind === 'put') this.rows.set(name, { key: write.key, item: write.item });
    if (write.kind === 'delete') this.rows.delete(name);
  }

  query(query: RangeQuery): Row[] {
    const rows = [...this.rows.values()].filter((row) => row.key.pk === query.pk && within(row.key.sk, query));
    rows.sort((a, b) => byUtf8(a.key.sk, b.key.sk));
    return query.reverse === true ? rows.reverse() : rows;
  }

  queryIndex(query: RangeQuery): Row[] {
    const sk = (row: Row): string => String(row.item['indexSk']);
    const rows = [...this.rows.values()].filter(
      (row) => row.item['indexPk'] === query.pk && 'indexSk' in row.item && within(sk(row), query),
    );
    rows.sort((a, b) => byUtf8(sk(a), sk(b)));
    return query.reverse === true ? rows.reverse() : rows;
  }
}

function within(sk: string, { from, to, after, reverse }: RangeQuery): boolean {
  if (from !== undefined && byUtf8(sk, from) < 0) return false;
  if (to !== undefined && byUtf8(sk, to) >= 0) return false;
  if (after === undefined) return true;
  return reverse === true ? byUtf8(sk, after) < 0 : byUtf8(sk, after) > 0;
}

function compares({ attribute, is, value }: Comparison, current: Item): boolean {
  const actual = current[attribute];
  if (typeof actual !== typeof value) return false;
  const order = typeof actual === 'string' ? byUtf8(actual, String(value)) : Number(actual) - Number(value);
  return { '=': order === 0, '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[is];
}
