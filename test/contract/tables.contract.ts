import fc from 'fast-check';
import {
  type Comparison,
  ConditionFailed,
  type Condition,
  type Item,
  type Key,
  type RangeQuery,
  type Row,
  type Tables,
  type Write,
} from '../../src/ports/tables.js';
import { byUtf8, caught, unique } from './support.js';
import { Model, bytesOf, condition, item, put, text } from './tables-model.js';

export interface TablesUnderTest {
  readonly tables: Tables;
  close(): Promise<void>;
}

export interface TablesContractOptions {
  /** Runs per property: fewer where each call is slow. @default 60 */
  readonly runs?: number;
}

/** A row as text; an item's attributes have no order. */
function textOf({ key, item: attributes }: Row): string {
  return JSON.stringify([key, Object.entries(attributes).toSorted(([a], [b]) => byUtf8(a, b))]);
}

/** All pages of a query, each as large as `limit`. */
async function allPages(
  run: (query: RangeQuery) => Promise<{ rows: readonly Row[]; next?: string }>,
  query: RangeQuery,
) {
  const rows: Row[] = [];
  for (let after = query.after; ;) {
    const page = await run(after === undefined ? query : { ...query, after });
    rows.push(...page.rows);
    expect(page.rows.length).toBeLessThanOrEqual(query.limit ?? 1000);
    if (page.next === undefined) return rows;
    expect(page.rows.length).toBeGreaterThan(0);
    after = page.next;
  }
}

/** What every implementation of the tables port must do. */
export function describeTables(
  name: string,
  makeAdapter: () => Promise<TablesUnderTest>,
  { runs = 60 }: TablesContractOptions = {},
): void {
  describe(`tables: ${name}`, () => {
    let tables: Tables;
    let close: () => Promise<void>;

    beforeAll(async () => {
      const made = await makeAdapter();
      tables = made.tables;
      close = () => made.close();
    });
    afterAll(() => close());

    describe('transact', () => {
      it('writes, deletes and checks several items at once', async () => {
        const [a, b, c] = ['a', 'b', 'c'].map((sk) => ({ pk: unique(), sk })) as [Key, Key, Key];
        await tables.transact([put(a, { n: 1 }), put(b, { n: 2 })]);
        await tables.transact([
          { kind: 'check', key: a, when: [[{ attribute: 'n', is: '=', value: 1 }]] },
          { kind: 'delete', key: b },
          put(c, { n: 3 }, ['absent']),
        ]);
        expect(await tables.get([a, b, c])).toEqual([{ n: 1 }, undefined, { n: 3 }]);
      });

      it('writes nothing where one condition does not hold, and says which, with the items as they stand', async () => {
        const [a, b, c] = ['a', 'b', 'c'].map((sk) => ({ pk: unique(), sk })) as [Key, Key, Key];
        await tables.transact([put(a, { n: 1, bytes: bytesOf(1, 2) })]);
        const error = await caught(
          tables.transact([put(a, { n: 2 }, ['absent']), put(b, { n: 2 }), { kind: 'check', key: c, when: [[]] }]),
        );
        expect(error).toBeInstanceOf(ConditionFailed);
        expect((error as ConditionFailed).failed).toEqual(
          new Map<number, Item | undefined>([
            [0, { n: 1, bytes: bytesOf(1, 2) }],
            [2, undefined],
          ]),
        );
        expect(await tables.get([a, b])).toEqual([{ n: 1, bytes: bytesOf(1, 2) }, undefined]);
      });

      it('goes ahead when any clause holds', async () => {
        const key = { pk: unique(), sk: '-' };
        const absentOrOld: Condition = ['absent', [{ attribute: 'term', is: '<', value: 5 }]];
        await tables.transact([put(key, { term: 4 }, absentOrOld)]);
        await tables.transact([put(key, { term: 5 }, absentOrOld)]);
        expect(await caught(tables.transact([put(key, { term: 6 }, absentOrOld)]))).toBeInstanceOf(ConditionFailed);
        expect(await tables.get([key])).toEqual([{ term: 5 }]);
      });

      it('refuses a key that is named twice, and changes nothing', async () => {
        const key = { pk: unique(), sk: '-' };
        const other = { pk: key.pk, sk: 'other' };
        const error = await caught(
          tables.transact([put(other, { n: 0 }), put(key, { n: 1 }), { kind: 'delete', key }]),
        );
        expect(error).toBeInstanceOf(Error);
        expect(error).not.toBeInstanceOf(ConditionFailed);
        expect(await tables.get([key, other])).toEqual([undefined, undefined]);
      });

      it('takes as many items as it says', async () => {
        const pk = unique();
        const keys = Array.from({ length: Math.min(tables.maxItems, 500) }, (_, i) => ({ pk, sk: String(i) }));
        await tables.transact(keys.map((key, n) => put(key, { n })));
        expect((await tables.get(keys)).map((row) => row?.['n'])).toEqual(keys.map((_, n) => n));
      });

      it('takes items as large as it says, and refuses larger ones before anything is written', async () => {
        const pk = unique();
        const large = 'x'.repeat(tables.maxItemBytes - 2048);
        await tables.transact([put({ pk, sk: 'large' }, { large })]);
        expect(await tables.get([{ pk, sk: 'large' }])).toEqual([{ large }]);
        const error = await caught(
          tables.transact([put({ pk, sk: 'small' }, { n: 1 }), put({ pk, sk: 'huge' }, { huge: `${large}${large}` })]),
        );
        expect(error).toBeInstanceOf(Error);
        expect(await tables.get([{ pk, sk: 'small' }])).toEqual([undefined]);
      });

      it('is isolated: of concurrent transactions on a counter, each success adds one', async () => {
        const key = { pk: unique(), sk: 'counter' };
        const log = (n: number): Key => ({ pk: key.pk, sk: `entry-${String(n).padStart(5, '0')}` });
        await tables.transact([put(key, { n: 0 })]);
        const add = async (): Promise<void> => {
          for (let attempt = 0; attempt < 200; attempt += 1) {
            const [row] = await tables.get([key]);
            const n = Number(row?.['n']);
            const error = await caught(
              tables.transact([
                put(key, { n: n + 1 }, [[{ attribute: 'n', is: '=', value: n }]]),
                put(log(n + 1), { n: n + 1 }, ['absent']),
              ]),
            );
            if (error === undefined) return;
          }
          throw new Error('never got through');
        };
        await Promise.all(Array.from({ length: 12 }, () => add()));
        expect(await tables.get([key])).toEqual([{ n: 12 }]);
        const { rows } = await tables.query({ pk: key.pk, from: 'entry-' });
        expect(rows.map((row) => row.item['n'])).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
      });

      it('keeps concurrent transactions on other items apart', async () => {
        const pk = unique();
        const keys = Array.from({ length: 60 }, (_, i) => ({ pk, sk: String(i) }));
        const outcomes = await Promise.all(
          keys.map((key, n) => caught(tables.transact([put(key, { n }, n % 3 === 0 ? [[]] : ['absent'])]))),
        );
        expect(outcomes.map((error) => error === undefined)).toEqual(keys.map((_, n) => n % 3 !== 0));
        expect(await tables.get(keys)).toEqual(keys.map((_, n) => (n % 3 === 0 ? undefined : { n })));
      });

      it('never tells two rivals for a new item that both have it', async () => {
        const key = { pk: unique(), sk: '-' };
        const rivals = Array.from({ length: 10 }, (_, n) => caught(tables.transact([put(key, { n }, ['absent'])])));
        const winners = (await Promise.all(rivals)).flatMap((error, n) => (error === undefined ? [n] : []));
        expect(winners).toHaveLength(1);
        expect(await tables.get([key])).toEqual([{ n: winners[0] }]);
      });
    });

    describe('writeEach', () => {
      it('answers for each write whether its condition held', async () => {
        const [a, b, c] = ['a', 'b', 'c'].map((sk) => ({ pk: unique(), sk })) as [Key, Key, Key];
        await tables.transact([put(a, { n: 1 }), put(b, { n: 1 })]);
        const held = await tables.writeEach([
          put(a, { n: 2 }, ['absent']),
          { kind: 'delete', key: b, when: [[{ attribute: 'n', is: '>=', value: 1 }]] },
          put(c, { n: 3 }),
        ]);
        expect(held).toEqual([false, true, true]);
        expect(await tables.get([a, b, c])).toEqual([{ n: 1 }, undefined, { n: 3 }]);
      });

      it('takes many', async () => {
        const pk = unique();
        const keys = Array.from({ length: 150 }, (_, i) => ({ pk, sk: String(i).padStart(4, '0') }));
        expect(await tables.writeEach(keys.map((key) => put(key, {})))).toEqual(keys.map(() => true));
        expect((await tables.query({ pk })).rows).toHaveLength(150);
      });
    });

    describe('values', () => {
      it('come back as they were, bytes as bytes', async () => {
        await fc.assert(
          fc.asyncProperty(item(), async (value) => {
            const key = { pk: unique(), sk: '-' };
            await tables.transact([put(key, value)]);
            const [row] = await tables.get([key]);
            expect(row).toEqual(value);
            for (const attribute of Object.values(row ?? {})) {
              if (attribute instanceof Uint8Array) expect(attribute.constructor).toBe(Uint8Array);
            }
          }),
          { numRuns: runs },
        );
      });

      it('belong to the caller: changing them changes nothing in the table', async () => {
        const key = { pk: unique(), sk: '-' };
        const given = bytesOf(1, 2, 3);
        await tables.transact([put(key, { given })]);
        given.fill(9);
        const [first] = await tables.get([key]);
        (first?.['given'] as Uint8Array).fill(7);
        expect(await tables.get([key])).toEqual([{ given: bytesOf(1, 2, 3) }]);
      });

      it('compare as texts by their UTF-8 bytes', async () => {
        const key = { pk: unique(), sk: '-' };
        const ascending = ['', '\0', 'a', 'ab', 'b', 'é', '\uffee', '😀'];
        for (const [i, s] of ascending.entries()) {
          await tables.transact([put(key, { s })]);
          for (const [j, value] of ascending.entries()) {
            const is = j < i ? '>' : j > i ? '<' : '=';
            await tables.transact([{ kind: 'check', key, when: [[{ attribute: 's', is, value }]] }]);
          }
        }
      });

      it('compare only with values of the same type', async () => {
        const key = { pk: unique(), sk: '-' };
        await tables.transact([put(key, { n: 5, s: '5', flag: true })]);
        const held = (attribute: string, is: Comparison['is'], value: string | number | boolean) =>
          caught(tables.transact([{ kind: 'check', key, when: [[{ attribute, is, value }]] }])).then(
            (e) => e === undefined,
          );
        expect(await held('n', '=', 5)).toBe(true);
        expect(await held('n', '=', '5')).toBe(false);
        expect(await held('n', '<', 'x')).toBe(false);
        expect(await held('s', '>=', 0)).toBe(false);
        expect(await held('flag', '=', true)).toBe(true);
        expect(await held('flag', '=', 1)).toBe(false);
        expect(await held('missing', '<=', 5)).toBe(false);
      });
    });

    describe('get and query', () => {
      it('answer nothing for nothing', async () => {
        expect(await tables.get([])).toEqual([]);
        expect(await tables.get([{ pk: unique(), sk: '-' }])).toEqual([undefined]);
        expect(await tables.query({ pk: unique() })).toEqual({ rows: [] });
        expect(await tables.queryIndex({ pk: unique() })).toEqual({ rows: [] });
      });

      it('read what was written before them, in the order of the keys asked for', async () => {
        const pk = unique();
        const keys = ['b', 'a', 'c'].map((sk) => ({ pk, sk }));
        await tables.transact(keys.map((key) => put(key, { sk: key.sk })));
        expect(await tables.get([...keys, { pk, sk: 'd' }])).toEqual([
          { sk: 'b' },
          { sk: 'a' },
          { sk: 'c' },
          undefined,
        ]);
      });

      it('page through more rows than fit', async () => {
        const pk = unique();
        const rows = Array.from({ length: 25 }, (_, i) => ({
          key: { pk, sk: String(i).padStart(3, '0') },
          item: { i },
        }));
        await tables.writeEach(rows.map((row) => put(row.key, row.item)));
        const query = (q: RangeQuery) => tables.query(q);
        expect(await allPages(query, { pk, limit: 10 })).toEqual(rows);
        expect(await allPages(query, { pk, limit: 25 })).toEqual(rows);
        expect(await allPages(query, { pk, limit: 7, reverse: true })).toEqual(rows.toReversed());
        expect(await allPages(query, { pk, limit: 4, from: '005', to: '012' })).toEqual(rows.slice(5, 12));
        expect((await tables.query({ pk, limit: 25 })).next).toBeUndefined();
      });
    });

    describe('the secondary index', () => {
      const indexed = (pk: string, sk: string, indexPk: string, indexSk: string): Write =>
        put({ pk, sk }, { indexPk, indexSk, of: sk });
      const found = async (q: RangeQuery): Promise<unknown[]> =>
        (await allPages((query) => tables.queryIndex(query), q)).map((row) => row.item['of']);

      it('follows puts, changes and deletes', async () => {
        const pk = unique();
        const [open, done] = [unique(), unique()];
        await tables.transact([
          indexed(pk, 'a', open, '2'),
          indexed(pk, 'b', open, '1'),
          put({ pk, sk: 'c' }, { of: 'c' }),
        ]);
        expect(await found({ pk: open })).toEqual(['b', 'a']);
        await tables.transact([
          indexed(pk, 'a', done, '2'),
          put({ pk, sk: 'b' }, { of: 'b' }),
          indexed(pk, 'c', open, '0'),
        ]);
        expect(await found({ pk: open })).toEqual(['c']);
        expect(await found({ pk: done })).toEqual(['a']);
        await tables.writeEach([{ kind: 'delete', key: { pk, sk: 'c' } }]);
        expect(await found({ pk: open })).toEqual([]);
      });

      it('gives the whole items under their own keys', async () => {
        const [pk, open] = [unique(), unique()];
        await tables.transact([indexed(pk, 'a', open, '2')]);
        const { rows } = await tables.queryIndex({ pk: open });
        expect(rows).toEqual([{ key: { pk, sk: 'a' }, item: { indexPk: open, indexSk: '2', of: 'a' } }]);
      });

      it('pages through items of equal index keys', async () => {
        const [pk, open] = [unique(), unique()];
        const sks = Array.from({ length: 17 }, (_, i) => String(i).padStart(2, '0'));
        await tables.writeEach(sks.map((sk) => indexed(pk, sk, open, 'same')));
        await tables.writeEach([indexed(pk, 'before', open, 'sam'), indexed(pk, 'behind', open, 'same0')]);
        for (const limit of [1, 5, 16, 17, 18]) {
          const rows = await found({ pk: open, limit });
          expect([rows[0], rows.at(-1)]).toEqual(['before', 'behind']);
          expect(rows.slice(1, -1).toSorted()).toEqual(sks);
          const reverse = await found({ pk: open, limit, reverse: true });
          expect(reverse.toSorted()).toEqual(rows.toSorted());
        }
      });
    });

    it('is the same as a map, whatever is written, read and paged', async () => {
      const sk = fc.oneof(fc.constantFrom('', 'a', 'b', 'ab', 'a\0', 'é', '\uffee', '😀'), text());
      const indexing = fc.option(
        fc.record({ indexPk: fc.constantFrom('x', 'y'), indexSk: sk.filter((s) => s !== '') }),
        { nil: {} },
      );
      const write = fc.record({
        kind: fc.constantFrom('put', 'delete', 'check'),
        sk,
        item: item(),
        when: fc.option(condition()),
        indexing,
      });
      const bounds = fc.record({
        from: fc.option(sk, { nil: undefined }),
        to: fc.option(sk, { nil: undefined }),
        after: fc.option(sk, { nil: undefined }),
        reverse: fc.boolean(),
        limit: fc.integer({ min: 1, max: 7 }),
      });
      const step = fc.record({
        each: fc.boolean(),
        writes: fc.uniqueArray(write, { maxLength: 5, selector: (w) => w.sk }),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 12 }),
          fc.array(bounds, { maxLength: 3 }),
          async (steps, ranges) => {
            const pk = unique();
            const model = new Model();
            for (const { each, writes: raw } of steps) {
              const writes = raw.map(({ kind, sk: name_, item: value, when, indexing: index }): Write => {
                const key = { pk, sk: name_ };
                const indexPk = 'indexPk' in index ? { indexPk: `${pk}/${index.indexPk}` } : {};
                if (kind === 'put') return put(key, { ...value, ...index, ...indexPk }, when ?? undefined);
                if (kind === 'delete') return when === null ? { kind, key } : { kind, key, when };
                return { kind: 'check', key, when: when ?? [[]] };
              });
              const held = writes.map((w) => model.holds(w));
              if (each) {
                expect(await tables.writeEach(writes)).toEqual(held);
                for (const [i, w] of writes.entries()) if (held[i] === true) model.apply(w);
              } else {
                const error = await caught(tables.transact(writes));
                const failed = new Map(
                  writes.flatMap((w, i) => (held[i] === true ? [] : [[i, model.item(w.key)] as const])),
                );
                expect(error === undefined ? new Map() : (error as ConditionFailed).failed).toEqual(failed);
                if (failed.size === 0) for (const w of writes) model.apply(w);
              }
            }
            for (const range of ranges) {
              const query = Object.fromEntries(
                Object.entries({ ...range, pk }).filter(([, v]) => v !== undefined),
              ) as unknown as RangeQuery;
              expect(await allPages((q) => tables.query(q), query)).toEqual(model.query(query));
              for (const index of ['x', 'y']) {
                const indexQuery = { ...query, pk: `${pk}/${index}` };
                const rows = await allPages((q) => tables.queryIndex(q), indexQuery);
                const sks = (all: readonly Row[]): unknown[] => all.map((row) => row.item['indexSk']);
                const keys = (all: readonly Row[]): string[] => all.map(textOf).toSorted();
                expect(sks(rows)).toEqual(sks(model.queryIndex(indexQuery)));
                expect(keys(rows)).toEqual(keys(model.queryIndex(indexQuery)));
              }
            }
          },
        ),
        { numRuns: runs },
      );
    });
  });
}
