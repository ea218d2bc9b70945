import { EmbeddedControlStore } from '../../src/adapters/embedded/control-store.js';
import { type Fault, FaultBoard } from '../../src/adapters/embedded/fault-board.js';
import { faultyControl, faultyTables } from '../../src/adapters/embedded/faults.js';
import { faultyStreams } from '../../src/adapters/embedded/faulty-streams.js';
import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import { EmbeddedStreams } from '../../src/adapters/embedded/streams.js';
import { EmbeddedTables } from '../../src/adapters/embedded/tables.js';
import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { PortThrottled, PortUnavailable } from '../../src/ports/failures.js';
import type { PutRecord } from '../../src/ports/streams.js';

const SHARDS = ['shardId-000000000000', 'shardId-000000000001'] as const;
const record = (partitionKey: string): PutRecord => ({ partitionKey, data: Uint8Array.of(1) });
const RECORDS = Array.from({ length: 20 }, (_, i) => record(`key-${i}`));
const unavailable = expect.any(PortUnavailable);
const throttled = expect.any(PortThrottled);

async function setUp() {
  const clock = new VirtualClock();
  const board = new FaultBoard();
  const world = { clock, board, random: seededRandom(3) };
  const store = new MemoryStore();
  const plain = {
    tables: new EmbeddedTables(store),
    streams: new EmbeddedStreams(store, clock),
    control: new EmbeddedControlStore(store),
  };
  await plain.streams.create('orders', 2);
  await plain.streams.create('audit', 1);
  const tables = faultyTables('eu', plain.tables, world);
  const streams = faultyStreams('eu', plain.streams, world);
  const control = faultyControl('eu', plain.control, world);
  /** What a call came to, and how long it took. */
  const outcome = async <T>(promise: Promise<T>): Promise<unknown[]> => {
    const start = clock.now();
    const result = await clock.run(promise.catch((error: unknown) => error));
    return [result, clock.now() - start];
  };
  const failure = async (promise: Promise<unknown>): Promise<unknown> => (await outcome(promise))[0];
  const set = (...faults: Partial<Fault>[]): void => {
    board.set(faults.map((fault) => ({ site: 'eu', kind: 'down', ...fault })));
  };
  const stored = async (name = 'orders'): Promise<string[]> => {
    const all: string[] = [];
    for (const { shardId } of (await plain.streams.describe(name))?.shards ?? []) {
      const { records } = await plain.streams.read(name, shardId, 'oldest', 1000);
      all.push(...records.map((one) => one.partitionKey));
    }
    return all;
  };
  return { clock, board, world, plain, tables, streams, control, outcome, failure, set, stored };
}

const write = (sk: string) => [{ kind: 'put', key: { pk: 'p', sk }, item: { sk } }] as const;

describe('the fault board', () => {
  it('holds one list, as given, until another replaces it', () => {
    const board = new FaultBoard();
    expect(board.list()).toEqual([]);
    expect(board.quiet).toBe(true);
    const faults: Fault[] = [{ site: 'eu', kind: 'slow', delayMs: 5 }];
    board.set(faults);
    expect(board.list()).toEqual(faults);
    expect(board.quiet).toBe(false);
    board.set([]);
    expect(board.affecting('eu', 'tables')).toEqual([]);
  });

  it('tells which faults meet what', () => {
    const board = new FaultBoard();
    const all: Fault = { site: 'eu', kind: 'down' };
    const api: Fault = { site: 'eu', part: 'api', kind: 'slow' };
    const stream: Fault = { site: 'eu', stream: 'orders', kind: 'flaky' };
    const shard: Fault = { site: 'eu', stream: 'orders', shardId: 's', kind: 'flaky' };
    const partition: Fault = { site: 'eu', kind: 'partition' };
    board.set([all, api, stream, shard, partition, { site: 'us', kind: 'down' }]);
    expect(board.affecting('eu', 'tables')).toEqual([all]);
    expect(board.affecting('eu', 'api')).toEqual([all, api]);
    expect(board.affectingAll('eu')).toEqual([all]);
    expect(board.affectingStream('eu', 'orders')).toEqual([all, stream, shard]);
    expect(board.affectingStream('eu', 'audit')).toEqual([all]);
    expect(board.affecting('ap', 'tables')).toEqual([]);
  });
});

describe('faulty tables', () => {
  it('are the tables themselves while all is well, or something else is not', async () => {
    const { tables, set, failure } = await setUp();
    set(
      { part: 'streams' },
      { part: 'control' },
      { part: 'api' },
      { stream: 'orders' },
      { site: 'us' },
      { kind: 'partition' },
    );
    await tables.transact(write('a'));
    expect(await tables.get([{ pk: 'p', sk: 'a' }])).toEqual([{ sk: 'a' }]);
    expect(await tables.writeEach(write('b'))).toEqual([true]);
    expect((await tables.query({ pk: 'p' })).rows).toHaveLength(2);
    expect((await tables.queryIndex({ pk: 'p' })).rows).toHaveLength(0);
    expect(tables.maxItems).toBeGreaterThan(0);
    expect(await failure(tables.transact([...write('a'), ...write('a')]))).toBeInstanceOf(Error);
  });

  it('fail at once when they, or the site, are down', async () => {
    const { tables, plain, set, outcome } = await setUp();
    for (const fault of [{}, { part: 'tables' }] as const) {
      set(fault);
      expect(await outcome(tables.transact(write('a')))).toEqual([unavailable, 0]);
      expect(await outcome(tables.query({ pk: 'p' }))).toEqual([unavailable, 0]);
    }
    expect(await plain.tables.get([{ pk: 'p', sk: 'a' }])).toEqual([undefined]);
  });

  it('are slow by the sum of the delays', async () => {
    const { tables, set, outcome } = await setUp();
    set({ kind: 'slow', delayMs: 30 }, { kind: 'slow', part: 'tables', delayMs: 12 });
    expect(await outcome(tables.get([]))).toEqual([[], 42]);
  });

  it('fail before or after the effect when flaky', async () => {
    const { tables, plain, set, failure } = await setUp();
    set({ kind: 'flaky', rate: 0.4 });
    let failed = 0;
    let done = 0;
    for (let i = 0; i < 300; i += 1) {
      const result = await failure(tables.transact(write(String(i))));
      if (result === undefined) continue;
      failed += 1;
      expect(result).toEqual(unavailable);
      if ((await plain.tables.get([{ pk: 'p', sk: String(i) }]))[0] !== undefined) done += 1;
    }
    expect(failed).toBeGreaterThan(80);
    expect(failed).toBeLessThan(160);
    expect(done).toBeGreaterThan(25);
    expect(done).toBeLessThan(failed - 25);
  });

  it('are throttled, always unless a rate is given, without effect', async () => {
    const { tables, plain, set, failure } = await setUp();
    set({ kind: 'throttle' });
    expect(await failure(tables.transact(write('a')))).toEqual(throttled);
    expect(await plain.tables.get([{ pk: 'p', sk: 'a' }])).toEqual([undefined]);
    set({ kind: 'throttle', rate: 0 });
    await tables.transact(write('a'));
  });
});

describe('faulty streams', () => {
  it('fail as a whole, or one stream of them', async () => {
    const { streams, set, outcome, stored } = await setUp();
    set({ part: 'streams' });
    expect(await outcome(streams.put('orders', RECORDS))).toEqual([unavailable, 0]);
    expect(await outcome(streams.describe('audit'))).toEqual([unavailable, 0]);
    set({ stream: 'orders' });
    expect(await outcome(streams.put('orders', RECORDS))).toEqual([unavailable, 0]);
    expect(await outcome(streams.read('orders', SHARDS[0], 'oldest', 1))).toEqual([unavailable, 0]);
    expect((await streams.put('audit', RECORDS)).every((one) => one.ok)).toBe(true);
    expect(await stored()).toEqual([]);
  });

  it('know the stream by the name that the user gave it', async () => {
    const { plain, world, set, failure } = await setUp();
    const streams = faultyStreams('eu', plain.streams, world, {
      logicalName: (name) => (name === 'audit' ? 'orders' : 'other'),
    });
    set({ stream: 'orders' });
    expect(await failure(streams.describe('audit'))).toEqual(unavailable);
    expect(await failure(streams.describe('orders'))).toMatchObject({ name: 'orders' });
  });

  it('refuse the records that hash to a shard that is down, take the others, and do not read it', async () => {
    const { streams, set, failure, stored } = await setUp();
    set({ stream: 'orders', shardId: SHARDS[1] });
    const outcomes = await streams.put('orders', RECORDS);
    const taken = RECORDS.filter((_, i) => outcomes[i]?.ok === true);
    expect(outcomes.filter((one) => !one.ok)).toEqual(
      Array.from({ length: RECORDS.length - taken.length }, () => ({
        ok: false,
        shardId: SHARDS[1],
        reason: 'unavailable',
      })),
    );
    expect(taken.length).toBeGreaterThan(4);
    expect(taken.length).toBeLessThan(16);
    expect((await stored()).toSorted()).toEqual(taken.map((one) => one.partitionKey).toSorted());
    expect(await failure(streams.read('orders', SHARDS[1], 'oldest', 10))).toEqual(unavailable);
    expect((await streams.read('orders', SHARDS[0], 'oldest', 100)).records).toHaveLength(taken.length);
    expect(await failure(streams.split('orders', SHARDS[1]))).toEqual(unavailable);
    expect(await streams.describe('orders')).toMatchObject({ status: 'active' });
  });

  it('throttle single records, of a shard or of all', async () => {
    const { streams, set, stored } = await setUp();
    set({ kind: 'throttle', part: 'streams', rate: 0.5 });
    const outcomes = await streams.put('orders', RECORDS);
    const refused = outcomes.filter((one) => !one.ok);
    expect(refused.length).toBeGreaterThan(2);
    expect(new Set(refused.map((one) => one.reason))).toEqual(new Set(['throttled']));
    expect(await stored()).toHaveLength(RECORDS.length - refused.length);
    set({ kind: 'throttle', stream: 'orders', shardId: SHARDS[0] });
    for (const outcome of await streams.put('orders', RECORDS)) expect(outcome.ok).toBe(outcome.shardId === SHARDS[1]);
  });

  it('lose records, or the answers for them, of a flaky shard', async () => {
    const { streams, set, stored } = await setUp();
    set({ kind: 'flaky', stream: 'orders', shardId: SHARDS[0] });
    const outcomes = await streams.put('orders', RECORDS);
    const lost = RECORDS.filter((_, i) => outcomes[i]?.ok === false).map((one) => one.partitionKey);
    const kept = await stored();
    const lostAnswers = lost.filter((key) => kept.includes(key));
    expect(lostAnswers.length).toBeGreaterThan(0);
    expect(lostAnswers.length).toBeLessThan(lost.length);
  });

  it('are slow for records of a slow shard only', async () => {
    const { streams, set, outcome } = await setUp();
    set({ kind: 'slow', stream: 'orders', shardId: SHARDS[0], delayMs: 70 });
    const slow = RECORDS.map((one) => outcome(streams.put('orders', [one])));
    const times: unknown[] = [];
    for (const one of slow) times.push((await one)[1]);
    expect(new Set(times).size).toBeGreaterThan(1);
    expect((await outcome(streams.read('orders', SHARDS[0], 'oldest', 1)))[1]).toBe(70);
    expect((await outcome(streams.read('orders', SHARDS[1], 'oldest', 1)))[1]).toBe(0);
  });
});

describe('a faulty control store', () => {
  it('is reached while only other parts fail', async () => {
    const { control, set } = await setUp();
    set({ part: 'tables' }, { kind: 'partition', peer: 'us' });
    expect(await control.compareAndSet('route', 0, 1)).toBe(true);
    expect(await control.list('')).toHaveLength(1);
  });

  it('fails at once when it, or the site, is down', async () => {
    const { control, set, outcome } = await setUp();
    for (const fault of [{}, { part: 'control' }] as const) {
      set(fault);
      expect(await outcome(control.get('route'))).toEqual([unavailable, 0]);
    }
  });

  it('does not answer a site that is partitioned from all others, or from it', async () => {
    const { control, plain, set, outcome } = await setUp();
    for (const fault of [{}, { part: 'control' }] as const) {
      set({ ...fault, kind: 'partition' });
      expect(await outcome(control.compareAndSet('route', 0, 1))).toEqual([unavailable, 2000]);
    }
    expect(await plain.control.get('route')).toBeUndefined();
  });
});
