import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { EmbeddedControlStore } from '../../src/adapters/embedded/control-store.js';
import { LmdbStore } from '../../src/adapters/embedded/lmdb-store.js';
import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import type { BeforeCommit, OrderedStore } from '../../src/adapters/embedded/ordered-store.js';
import { EmbeddedStreams } from '../../src/adapters/embedded/streams.js';
import { EmbeddedTables } from '../../src/adapters/embedded/tables.js';
import { VirtualClock } from '../../src/adapters/embedded/virtual-clock.js';
import { PortFull } from '../../src/ports/failures.js';
import { type PutRecord, compareSequences } from '../../src/ports/streams.js';
import { ConditionFailed, type Key, type Write, WriteConflict } from '../../src/ports/tables.js';
import { caught } from './support.js';
import { Model, condition, item } from './tables-model.js';

const record = (partitionKey: string): PutRecord => ({ partitionKey, data: Uint8Array.of(1, 2, 3) });
const at = (sk: string): Key => ({ pk: 'p', sk });

/** A disk that can be full, and of which a process can be restarted. */
interface Machine {
  store: OrderedStore;
  full: boolean;
  restart(): Promise<void>;
}

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

function memoryMachine(): Machine {
  const machine: Machine = { store: undefined as unknown as OrderedStore, full: false, restart: async () => undefined };
  machine.store = new MemoryStore({ beforeCommit: refuseWhenFull(machine) });
  return machine;
}

function lmdbMachine(): Machine {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep.restart-'));
  const machine: Machine = {
    store: undefined as unknown as OrderedStore,
    full: false,
    restart: async () => {
      await machine.store.close();
      machine.store = new LmdbStore(directory, { beforeCommit: refuseWhenFull(machine) });
    },
  };
  machine.store = new LmdbStore(directory, { beforeCommit: refuseWhenFull(machine) });
  cleanUps.push(async () => {
    await machine.store.close();
    rmSync(directory, { recursive: true });
  });
  return machine;
}

function refuseWhenFull(machine: Machine): BeforeCommit {
  return () => {
    if (machine.full) throw new PortFull('the disk is full');
  };
}

describe.each([
  ['in memory', memoryMachine],
  ['lmdb', lmdbMachine],
])('embedded adapters %s', (_, boot) => {
  let machine: Machine;
  let clock: VirtualClock;
  beforeEach(() => {
    machine = boot();
    clock = new VirtualClock();
  });
  const tables = (): EmbeddedTables => new EmbeddedTables(machine.store, { namespace: 'eu' });
  const streams = (options = {}): EmbeddedStreams =>
    new EmbeddedStreams(machine.store, clock, { namespace: 'eu', ...options });
  const control = (): EmbeddedControlStore => new EmbeddedControlStore(machine.store, { namespace: 'eu' });

  describe('over a restart', () => {
    it('keep everything that was acknowledged', async () => {
      const written = Array.from({ length: 300 }, (__, n) =>
        tables().transact([{ kind: 'put', key: at(String(n)), item: { n, indexPk: 'all', indexSk: String(n) } }]),
      );
      await Promise.all(written);
      const before = streams();
      await before.create('orders', 2);
      const outcomes = await before.put('orders', [record('a'), record('b')]);
      await control().compareAndSet('route', 0, { term: 1 });
      await machine.restart();
      const found = await tables().get(Array.from({ length: 300 }, (__, n) => at(String(n))));
      expect(found.map((item) => item?.['n'])).toEqual(Array.from({ length: 300 }, (__, n) => n));
      expect((await tables().queryIndex({ pk: 'all' })).rows).toHaveLength(300);
      const after = streams();
      for (const outcome of outcomes) {
        const page = await after.read('orders', outcome.shardId ?? '', 'oldest', 10);
        expect(page.records.map((one) => one.sequence)).toContain(outcome.ok ? outcome.sequence : '');
      }
      expect(await control().get('route')).toEqual({ value: { term: 1 }, version: 1 });
    });

    it('give only greater sequences, also when all records were trimmed', async () => {
      await streams().create('orders', 1);
      let last = '0';
      for (let round = 0; round < 3; round += 1) {
        const [outcome] = await streams().put('orders', [record('a')]);
        const sequence = outcome?.ok === true ? outcome.sequence : '';
        expect(compareSequences(last, sequence)).toBeLessThan(0);
        last = sequence;
        await clock.advance(25 * 3_600_000);
        expect(await streams().trim()).toBe(1);
        await machine.restart();
      }
    });

    it('finish the creation of a stream when it is due', async () => {
      await streams({ creationMs: 30_000 }).create('orders', 1);
      await clock.advance(20_000);
      await machine.restart();
      const after = streams({ creationMs: 30_000 });
      expect(await after.describe('orders')).toMatchObject({ status: 'creating' });
      expect(await after.put('orders', [record('a')])).toEqual([{ ok: false, reason: 'unavailable' }]);
      await clock.advance(10_000);
      expect(await after.describe('orders')).toMatchObject({ status: 'active' });
      expect(await after.put('orders', [record('a')])).toMatchObject([{ ok: true }]);
    });

    it('remember splits, merges and removals', async () => {
      const before = streams();
      await before.create('orders', 1);
      await before.create('gone', 1);
      await before.put('orders', [record('a')]);
      await before.split('orders', 'shardId-000000000000');
      await before.remove('gone');
      const description = await before.describe('orders');
      await machine.restart();
      expect(await streams().describe('orders')).toEqual(description);
      expect(await streams().describe('gone')).toBeUndefined();
    });
  });

  describe('with a full disk', () => {
    it('reject transactions, show nothing of them, and go on when there is room', async () => {
      const table = tables();
      await table.transact([{ kind: 'put', key: at('a'), item: { n: 1 } }]);
      machine.full = true;
      const failing = [1, 2, 3].map((n) =>
        caught(
          table.transact([
            { kind: 'put', key: at('a'), item: { n: n + 1 }, when: [[{ attribute: 'n', is: '=', value: n }]] },
          ]),
        ),
      );
      for (const error of await Promise.all(failing)) expect(error).toBeInstanceOf(PortFull);
      expect(await caught(table.writeEach([{ kind: 'delete', key: at('a') }]))).toBeInstanceOf(PortFull);
      expect(await table.get([at('a')])).toEqual([{ n: 1 }]);
      machine.full = false;
      await table.transact([
        { kind: 'put', key: at('a'), item: { n: 2 }, when: [[{ attribute: 'n', is: '=', value: 1 }]] },
      ]);
      await machine.restart();
      expect(await tables().get([at('a')])).toEqual([{ n: 2 }]);
    });

    it('do not answer by what was only staged: no refusal, no lost race', async () => {
      const table = tables();
      const store = control();
      machine.full = true;
      const put = { kind: 'put', key: at('a'), item: { n: 1 }, when: ['absent'] } as const;
      const [first, second, check] = [
        caught(table.transact([put])),
        caught(table.transact([put])),
        caught(table.transact([{ kind: 'check', key: at('a'), when: [[]] }])),
      ];
      const [won, lost] = [caught(store.compareAndSet('route', 0, 1)), caught(store.compareAndSet('route', 0, 2))];
      for (const error of await Promise.all([first, second, check, won, lost])) expect(error).toBeInstanceOf(PortFull);
    });

    it('put no records, and forget streams and shards that were not made', async () => {
      const stream = streams();
      await stream.create('orders', 1);
      await stream.put('orders', [record('a')]);
      machine.full = true;
      const failures = [
        stream.put('orders', [record('b')]),
        stream.create('new', 1),
        stream.split('orders', 'shardId-000000000000'),
      ];
      for (const error of await Promise.all(failures.map(caught))) expect(error).toBeInstanceOf(PortFull);
      machine.full = false;
      expect(await stream.describe('new')).toBeUndefined();
      expect((await stream.describe('orders'))?.shards).toHaveLength(1);
      expect(await stream.put('orders', [record('c')])).toMatchObject([{ ok: true, shardId: 'shardId-000000000000' }]);
      const { records } = await stream.read('orders', 'shardId-000000000000', 'oldest', 10);
      expect(records.map((one) => one.partitionKey)).toEqual(['a', 'c']);
    });

    it('never give a sequence again whose reservation was lost', async () => {
      machine.full = true;
      const first = streams();
      await caught(first.create('orders', 1));
      machine.full = false;
      await first.create('orders', 1);
      const [outcome] = await first.put('orders', [record('a')]);
      await machine.restart();
      const [next] = await streams().put('orders', [record('a')]);
      const sequences = [outcome, next].map((one) => (one?.ok === true ? one.sequence : ''));
      expect(compareSequences(sequences[0] ?? '', sequences[1] ?? '')).toBeLessThan(0);
    });
  });

  describe('retention', () => {
    it('hides what is too old, trims it in steps, and forgets closed shards without records', async () => {
      const stream = streams();
      await stream.create('orders', 1);
      await stream.put('orders', [record('old-1')]);
      await stream.put('orders', [record('old-2')]);
      await stream.split('orders', 'shardId-000000000000');
      await clock.advance(23 * 3_600_000);
      await stream.put('orders', [record('young')]);
      expect((await stream.describe('orders'))?.shards).toHaveLength(3);
      await clock.advance(2 * 3_600_000);
      const page = await stream.read('orders', 'shardId-000000000000', 'oldest', 10);
      expect(page).toEqual({ records: [], atTip: true });
      expect((await stream.describe('orders'))?.shards).toHaveLength(2);
      expect(await stream.trim(1)).toBe(1);
      expect(await stream.trim(10)).toBe(1);
      expect(await stream.trim(10)).toBe(0);
      expect((await streams().describe('orders'))?.shards.map((shard) => shard.open)).toEqual([true, true]);
      expect(await stream.read('orders', 'shardId-000000000000', { after: '7' }, 10)).toEqual({
        records: [],
        atTip: true,
      });
      await stream.setRetention('orders', 1);
      await clock.advance(1);
      expect(await stream.trim()).toBe(1);
    });

    it('trims removed streams', async () => {
      const stream = streams();
      await stream.create('orders', 1);
      for (const text of ['a', 'b', 'c']) await stream.put('orders', [record(text)]);
      await stream.remove('orders');
      await stream.create('orders', 1);
      await stream.put('orders', [record('d')]);
      expect(await stream.trim(2)).toBe(2);
      expect(await stream.trim(2)).toBe(1);
      expect(await stream.trim(2)).toBe(0);
      expect((await stream.read('orders', 'shardId-000000000000', 'oldest', 10)).records).toHaveLength(1);
    });
  });

  describe('a clock that jumps', () => {
    it('never lets arrival times fall: who starts at a time finds all that came after it', async () => {
      await streams().create('orders', 1);
      const shardId = 'shardId-000000000000';
      await streams().put('orders', [record('a')]);
      const before = clock.now();
      clock.jump(-3_600_000);
      await machine.restart();
      await streams().put('orders', [record('b')]);
      const { records } = await streams().read('orders', shardId, { atMs: before }, 10);
      expect(records.map((one) => [one.partitionKey, one.arrivedAtMs])).toEqual([
        ['a', before],
        ['b', before],
      ]);
      clock.jump(7_200_000);
      await streams().put('orders', [record('c')]);
      const later = await streams().read('orders', shardId, { atMs: before + 1 }, 10);
      expect(later.records.map((one) => one.partitionKey)).toEqual(['c']);
    });
  });

  describe('injected trouble', () => {
    it('refuses single records', async () => {
      const stream = streams({
        refuse: (__: string, ___: string, { partitionKey }: PutRecord) =>
          partitionKey === 'b' ? 'throttled' : undefined,
      });
      await stream.create('orders', 1);
      expect(await stream.put('orders', [record('a'), record('b'), record('c')])).toMatchObject([
        { ok: true },
        { ok: false, shardId: 'shardId-000000000000', reason: 'throttled' },
        { ok: true },
      ]);
    });

    it('makes transactions conflict', async () => {
      let conflicts = 2;
      const table = new EmbeddedTables(machine.store, { conflict: () => (conflicts -= 1) >= 0 });
      const write = [{ kind: 'put', key: at('a'), item: { n: 1 } }] as const;
      expect(await caught(table.transact(write))).toBeInstanceOf(WriteConflict);
      expect(await caught(table.transact(write))).toBeInstanceOf(WriteConflict);
      expect(await table.get([at('a')])).toEqual([undefined]);
      await table.transact(write);
      expect(await table.get([at('a')])).toEqual([{ n: 1 }]);
    });
  });

  describe('waiting for records', () => {
    it('ends after the time-out, and leaves nothing behind', async () => {
      const stream = streams();
      await stream.create('orders', 1);
      const start = clock.now();
      await clock.run(stream.awaitRecords('orders', 2500));
      expect(clock.now() - start).toBe(2500);
      await clock.run(stream.awaitRecords('orders', 0));
      for (let i = 0; i < 50; i += 1) {
        const waiting = stream.awaitRecords('orders', 20_000);
        await stream.put('orders', [record('a')]);
        await waiting;
      }
      await clock.advance(1000);
      expect(clock.sleeping).toBe(0);
    });
  });

  describe('calls that are made without waiting for each other', () => {
    it('come out as if one was made after the other', async () => {
      const sk = fc.constantFrom('a', 'b', 'c');
      const write = fc.record({ kind: fc.constantFrom('put', 'delete', 'check'), sk, item: item(), when: condition() });
      const writes = fc.uniqueArray(write, { minLength: 1, maxLength: 3, selector: (one) => one.sk });
      const pause = fc.constantFrom('none', 'none', 'none', 'turn', 'settled');
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(writes, pause), { maxLength: 25 }), async (calls) => {
          const model = new Model();
          const pk = `round-${(round += 1)}`;
          const expected: unknown[] = [];
          const running: Promise<unknown>[] = [];
          for (const [raw, then] of calls) {
            const named = raw.map((one): Write => ({ ...one, key: { pk, sk: one.sk } }));
            const failed = named.flatMap((one, i) => (model.holds(one) ? [] : [[i, model.item(one.key)]]));
            expected.push(failed);
            if (failed.length === 0) for (const one of named) model.apply(one);
            running.push(
              caught(tables().transact(named)).then((error) =>
                error instanceof ConditionFailed ? [...error.failed] : (error ?? []),
              ),
            );
            if (then === 'turn') await new Promise((resolve) => setImmediate(resolve));
            if (then === 'settled') await Promise.all(running);
          }
          expect(await Promise.all(running)).toEqual(expected);
          expect((await tables().query({ pk })).rows).toEqual(model.query({ pk }));
        }),
        { numRuns: 60 },
      );
    });

    it('write what they were given at the time', async () => {
      const given = Uint8Array.of(1, 2, 3);
      const value = { list: [1] };
      const stream = streams();
      await stream.create('orders', 1);
      const running = [
        tables().transact([{ kind: 'put', key: at('a'), item: { given } }]),
        stream.put('orders', [{ partitionKey: 'k', data: given }]),
        control().compareAndSet('route', 0, value),
      ];
      given.fill(9);
      value.list.push(2);
      await Promise.all(running);
      expect(await tables().get([at('a')])).toEqual([{ given: Uint8Array.of(1, 2, 3) }]);
      const { records } = await stream.read('orders', 'shardId-000000000000', 'oldest', 1);
      expect(records[0]?.data).toEqual(Uint8Array.of(1, 2, 3));
      expect((await control().get('route'))?.value).toEqual({ list: [1] });
    });
  });

  describe('what breaks the rules of keys and values', () => {
    it.each([
      ['half a surrogate pair in a key', { key: { pk: 'p', sk: '\ud800' }, item: {} }],
      ['half a surrogate pair in a value', { key: at('a'), item: { s: '\udfff!' } }],
      ['a key that is too long', { key: { pk: 'p'.repeat(1000), sk: 's'.repeat(1000) }, item: {} }],
      [
        'an index key that is too long',
        { key: at('a'), item: { indexPk: 'p'.repeat(1000), indexSk: 's'.repeat(1000) } },
      ],
      ['a number that is none', { key: at('a'), item: { n: NaN } }],
      ['an attribute that is undefined', { key: at('a'), item: { n: undefined as unknown as number } }],
      ['a null', { key: at('a'), item: { n: null as unknown as number } }],
    ])('is refused before anything is written: %s', async (__, write) => {
      const error = await caught(
        tables().transact([
          { kind: 'put', key: at('other'), item: {} },
          { kind: 'put', ...write },
        ]),
      );
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(ConditionFailed);
      expect(await tables().get([at('other')])).toEqual([undefined]);
      await machine.store.commit();
      expect(await tables().get([at('other')])).toEqual([undefined]);
    });

    it('takes keys of a kilobyte, and indexes them', async () => {
      const key = { pk: 'ü'.repeat(256), sk: '😀'.repeat(128) };
      await tables().transact([
        { kind: 'put', key, item: { indexPk: 'ü'.repeat(250), indexSk: 'x'.repeat(500), n: 1 } },
      ]);
      const { rows } = await tables().queryIndex({ pk: 'ü'.repeat(250) });
      expect(rows.map((row) => row.key)).toEqual([key]);
    });
  });
});
