import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { LmdbStore } from '../../src/adapters/embedded/lmdb-store.js';
import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import {
  type KeyRange,
  MAX_KEY_BYTES,
  type OrderedStore,
  type OrderedStoreOptions,
} from '../../src/adapters/embedded/ordered-store.js';
import { PortFull, PortUnavailable } from '../../src/ports/failures.js';
import { caught } from './support.js';

const value = (text: string): Buffer => Buffer.from(text);

function dump(store: OrderedStore, range: KeyRange = { from: '', to: '\xff\xff' }, limit = Infinity): string[][] {
  const rows: string[][] = [];
  if (limit > 0) {
    store.scan(range, (key, bytes) => {
      rows.push([key, bytes.toString()]);
      return rows.length < limit;
    });
  }
  return rows;
}

const directories: string[] = [];
const stores: OrderedStore[] = [];
function onDisk(options?: OrderedStoreOptions): LmdbStore {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep.store-'));
  directories.push(directory);
  return new LmdbStore(directory, options);
}
afterAll(async () => {
  for (const store of stores) await store.close();
  for (const directory of directories) rmSync(directory, { recursive: true });
});

describe.each([
  ['in memory', (options?: OrderedStoreOptions): OrderedStore => new MemoryStore(options)],
  ['lmdb', onDisk],
])('an ordered store %s', (_, make) => {
  const open = (options?: OrderedStoreOptions): OrderedStore => {
    const store = make(options);
    stores.push(store);
    return store;
  };

  it('shows what is staged only to `latest`, and everything once it is committed', async () => {
    const store = open();
    store.put('a', value('1'));
    expect(store.latest('a')).toEqual(value('1'));
    expect(store.get('a')).toBeUndefined();
    expect(dump(store)).toEqual([]);
    await store.commit();
    expect(store.get('a')).toEqual(value('1'));
    expect(dump(store)).toEqual([['a', '1']]);
    store.remove('a');
    expect(store.latest('a')).toBeUndefined();
    expect(store.get('a')).toEqual(value('1'));
    await store.commit();
    expect(store.get('a')).toBeUndefined();
  });

  it('resolves a commit of nothing', async () => {
    await open().commit();
  });

  it('writes one batch at a time, in order, while the next one gathers', async () => {
    const batches: string[][] = [];
    let release: () => void = () => undefined;
    const store = open({
      beforeCommit: (batch) => {
        batches.push([...batch.keys()]);
        return new Promise((resolve) => (release = resolve));
      },
    });
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    store.put('a', value('1'));
    const first = store.commit();
    await turn();
    store.put('b', value('2'));
    store.put('a', value('3'));
    const second = store.commit();
    await turn();
    expect(batches).toEqual([['a']]);
    expect(store.latest('a')).toEqual(value('3'));
    release();
    await first;
    expect(dump(store)).toEqual([['a', '1']]);
    while (batches.length < 2) await turn();
    expect(batches).toEqual([['a'], ['b', 'a']]);
    release();
    await second;
    expect(dump(store)).toEqual([
      ['a', '3'],
      ['b', '2'],
    ]);
  });

  it('drops a failed batch and what gathered behind it, tells so, and works on', async () => {
    let failing = false;
    let fail: () => void = () => undefined;
    const store = open({
      beforeCommit: () => {
        if (failing) return new Promise((_resolve, reject) => (fail = () => reject(new PortFull('full'))));
        return undefined;
      },
    });
    let dropped = 0;
    store.onDropped(() => {
      dropped += 1;
      expect(store.latest('b')).toBeUndefined();
    });
    store.put('a', value('1'));
    await store.commit();
    failing = true;
    store.put('b', value('2'));
    const written = caught(store.commit());
    await new Promise((resolve) => setImmediate(resolve));
    store.remove('a');
    store.put('b', value('3'));
    const gathered = caught(store.commit());
    failing = false;
    fail();
    expect(await written).toBeInstanceOf(PortFull);
    expect(await gathered).toBeInstanceOf(PortFull);
    expect(dropped).toBe(1);
    expect(store.latest('a')).toEqual(value('1'));
    store.put('c', value('4'));
    await store.commit();
    expect(dump(store)).toEqual([
      ['a', '1'],
      ['c', '4'],
    ]);
  });

  it('makes a failure that is not about room an unavailable store', async () => {
    const store = open({ beforeCommit: () => Promise.reject(new Error('broken')) });
    store.put('a', value('1'));
    expect(await caught(store.commit())).toBeInstanceOf(PortUnavailable);
  });

  it('takes keys of the greatest length, and refuses longer ones and empty values', async () => {
    const store = open();
    const key = '\xfe'.repeat(MAX_KEY_BYTES);
    store.put(key, value('x'));
    expect(() => store.put(`${key}x`, value('x'))).toThrow('at most 1978');
    expect(() => store.put('a', Buffer.alloc(0))).toThrow('empty');
    await store.commit();
    expect(store.get(key)).toEqual(value('x'));
    expect(dump(store)).toEqual([[key, 'x']]);
  });

  it('keeps values of any size', async () => {
    const store = open();
    const large = Buffer.alloc(3_000_000, 7);
    store.put('large', large);
    store.put('small', value('x'));
    await store.commit();
    expect(store.get('large')?.equals(large)).toBe(true);
    expect(store.get('small')).toEqual(value('x'));
    expect(dump(store).map(([key, bytes]) => [key, bytes?.length])).toEqual([
      ['large', 3_000_000],
      ['small', 1],
    ]);
  });

  it('is crowded while much waits for the disk', async () => {
    const store = open({ maxPendingBytes: 100 });
    store.put('a', Buffer.alloc(101));
    expect(store.crowded).toBe(true);
    await store.commit();
    expect(store.crowded).toBe(false);
  });

  it('finishes what is staged when it is closed, and takes nothing more', async () => {
    const store = open();
    store.put('a', value('1'));
    const written = store.commit();
    await Promise.all([store.close(), written]);
    expect(() => store.put('b', value('2'))).toThrow(PortUnavailable);
    await store.close();
  });
});

it('is the same on lmdb and in memory, whatever the keys', async () => {
  const lmdb = onDisk();
  const memory = new MemoryStore();
  stores.push(lmdb, memory);
  const key = fc
    .array(fc.oneof(fc.constantFrom(0, 1, 97, 98, 254, 255), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    })
    .map((bytes) => String.fromCharCode(...bytes));
  const write = fc.record({ key, remove: fc.boolean() });
  const range = fc.record({ from: key, to: key, reverse: fc.boolean(), limit: fc.integer({ min: 1, max: 9 }) });
  let counter = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 40 }), fc.array(range, { maxLength: 8 }), async (writes, ranges) => {
      for (const { key: name, remove } of writes) {
        counter += 1;
        for (const store of [lmdb, memory]) {
          if (remove) store.remove(name);
          else store.put(name, value(String(counter)));
        }
      }
      await Promise.all([lmdb.commit(), memory.commit()]);
      for (const { limit, ...bounds } of ranges) {
        expect(dump(lmdb, bounds, limit)).toEqual(dump(memory, bounds, limit));
      }
      expect(dump(lmdb, { from: '\0', to: '\xff\xff\xff\xff\xff' })).toEqual(
        dump(memory, { from: '\0', to: '\xff\xff\xff\xff\xff' }),
      );
    }),
    { numRuns: 200 },
  );
});

describe('a full memory store', () => {
  it('refuses what would not fit, lets room be made, and counts what it holds', async () => {
    const store = new MemoryStore({ maxBytes: 20 });
    store.put('aa', Buffer.alloc(8));
    await store.commit();
    expect(store.bytes).toBe(10);
    store.put('b', Buffer.alloc(10));
    expect(await caught(store.commit())).toBeInstanceOf(PortFull);
    store.put('aa', Buffer.alloc(2));
    await store.commit();
    store.put('b', Buffer.alloc(10));
    await store.commit();
    expect(store.bytes).toBe(15);
    store.remove('aa');
    store.remove('b');
    await store.commit();
    expect(store.bytes).toBe(0);
  });

  it('keeps thousands of keys in order', async () => {
    const store = new MemoryStore();
    const keys = Array.from({ length: 5000 }, (_, i) => String((i * 7919) % 5000).padStart(4, '0'));
    for (const key of keys) store.put(key, value(key));
    await store.commit();
    for (const key of keys) if (Number(key) % 3 !== 0) store.remove(key);
    await store.commit();
    const left = keys.toSorted().filter((key) => Number(key) % 3 === 0);
    expect(dump(store).map(([key]) => key)).toEqual(left);
    expect(dump(store, { from: '0', to: '9', reverse: true }).map(([key]) => key)).toEqual(left.toReversed());
  });
});
