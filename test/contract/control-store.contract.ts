import fc from 'fast-check';
import type { ControlStore } from '../../src/ports/control-store.js';
import { byUtf8, unique } from './support.js';

export interface ControlStoreUnderTest {
  readonly control: ControlStore;
  close(): Promise<void>;
}

export interface ControlStoreContractOptions {
  /** Runs per property: fewer where each call is slow. @default 50 */
  readonly runs?: number;
}

/** What every implementation of the control store port must do. */
export function describeControlStore(
  title: string,
  makeAdapter: () => Promise<ControlStoreUnderTest>,
  { runs = 50 }: ControlStoreContractOptions = {},
): void {
  describe(`control store: ${title}`, () => {
    let control: ControlStore;
    let close: () => Promise<void>;

    beforeAll(async () => {
      const made = await makeAdapter();
      control = made.control;
      close = () => made.close();
    });
    afterAll(() => close());

    it('has no record before it is written', async () => {
      expect(await control.get(unique())).toBeUndefined();
      expect(await control.list(unique())).toEqual([]);
    });

    it('creates with version 0, and counts each write', async () => {
      const name = unique();
      expect(await control.compareAndSet(name, 0, { term: 1, inSync: ['eu'] })).toBe(true);
      expect(await control.get(name)).toEqual({ value: { term: 1, inSync: ['eu'] }, version: 1 });
      expect(await control.compareAndSet(name, 1, { term: 2 })).toBe(true);
      expect(await control.get(name)).toEqual({ value: { term: 2 }, version: 2 });
    });

    it('refuses another version, and changes nothing', async () => {
      const name = unique();
      expect(await control.compareAndSet(name, 1, 'too early')).toBe(false);
      expect(await control.get(name)).toBeUndefined();
      await control.compareAndSet(name, 0, 'first');
      expect(await control.compareAndSet(name, 0, 'again')).toBe(false);
      expect(await control.compareAndSet(name, 2, 'too late')).toBe(false);
      expect(await control.get(name)).toEqual({ value: 'first', version: 1 });
    });

    it('lets one of several rivals win, in each round', async () => {
      const name = unique();
      for (let version = 0; version < 5; version += 1) {
        const rivals = Array.from({ length: 8 }, (_, rival) => control.compareAndSet(name, version, { rival }));
        const winners = (await Promise.all(rivals)).flatMap((won, rival) => (won ? [rival] : []));
        expect(winners).toHaveLength(1);
        expect(await control.get(name)).toEqual({ value: { rival: winners[0] }, version: version + 1 });
      }
    });

    it('keeps values from being changed from outside', async () => {
      const name = unique();
      const value = { list: [1] };
      await control.compareAndSet(name, 0, value);
      value.list.push(2);
      const read = (await control.get(name))?.value as { list: number[] };
      try {
        read.list.push(3);
      } catch {
        // Frozen is as good.
      }
      expect((await control.get(name))?.value).toEqual({ list: [1] });
    });

    it('lists by prefix, in order, in pages, either way', async () => {
      const prefix = unique();
      const names = ['a', 'b', 'b/1', 'c'].map((rest) => `${prefix}/${rest}`);
      for (const name of names) await control.compareAndSet(name, 0, name);
      await control.compareAndSet(`${prefix}0`, 0, 'another prefix');
      const list = async (...options: Parameters<ControlStore['list']>): Promise<unknown[]> =>
        (await control.list(...options)).map((row) => row.name);
      expect(await control.list(`${prefix}/`)).toEqual(
        names.map((name) => ({ name, record: { value: name, version: 1 } })),
      );
      expect(await list(`${prefix}/`, { limit: 2 })).toEqual(names.slice(0, 2));
      expect(await list(`${prefix}/`, { after: `${prefix}/b` })).toEqual(names.slice(2));
      expect(await list(`${prefix}/`, { after: `${prefix}/b`, limit: 1 })).toEqual(names.slice(2, 3));
      expect(await list(`${prefix}/`, { reverse: true })).toEqual(names.toReversed());
      expect(await list(`${prefix}/`, { reverse: true, after: `${prefix}/b/1`, limit: 1 })).toEqual([names[1]]);
      expect(await list(`${prefix}/`, { after: `${prefix}/c` })).toEqual([]);
      expect(await list(`${prefix}/b`)).toEqual(names.slice(1, 3));
    });

    it('is the same as a map', async () => {
      const name = fc.constantFrom('route', 'streams/a', 'streams/b', 'streams/é', 'streams/😀', 'streams/\uffee');
      const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
      const write = fc.record({ name, lag: fc.constantFrom(0, 0, 0, 1), value: json });
      await fc.assert(
        fc.asyncProperty(fc.array(write, { maxLength: 15 }), async (writes) => {
          const prefix = `${unique()}/`;
          const model = new Map<string, { value: unknown; version: number }>();
          for (const { name: rest, lag, value } of writes) {
            const version = model.get(prefix + rest)?.version ?? 0;
            const expected = version - lag;
            const written = expected < 0 ? false : await control.compareAndSet(prefix + rest, expected, value);
            expect(written).toBe(lag === 0);
            if (written) model.set(prefix + rest, { value, version: version + 1 });
          }
          const rows = [...model]
            .map(([key, record]) => ({ name: key, record }))
            .toSorted((a, b) => byUtf8(a.name, b.name));
          expect(await control.list(prefix)).toEqual(rows);
          for (const [key, record] of model) expect(await control.get(key)).toEqual(record);
        }),
        { numRuns: runs },
      );
    });
  });
}
