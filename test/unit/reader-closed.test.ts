import { MAX_EMITTED, START, encodeCheckpoint } from '../../src/core/checkpoint.js';
import { Reader } from '../../src/core/reader.js';
import { Page } from '../../src/core/reading/page.js';
import { NEVER } from '../../src/core/timestamp.js';
import { Bench, ts } from './reader-records.js';

const two = { s: 2 };

describe('the closed timestamp', () => {
  it('is the lowest over shards and streams', () => {
    const reader = new Reader(['a', 'b'], START);
    const bench = new Bench(['a', 'b']);
    bench.reader = reader;
    reader.open('a', '1', []);
    reader.open('a', '2', []);
    reader.open('b', '1', []);
    const beat = (stream: string, shard: string, closed: string) =>
      reader.addDecoded(stream, shard, { kind: 'heartbeat', stream, closed }, 1);
    beat('a', '1', ts(5));
    beat('b', '1', ts(9));
    bench.take();
    expect(reader.closed).toBe(NEVER);
    beat('a', '2', ts(4));
    beat('a', '2', ts(3));
    bench.take();
    expect(reader.closed).toBe(ts(4));
    reader.grant('a', '1', ts(8));
    reader.grant('a', '2', ts(8));
    bench.take();
    expect(reader.closed).toBe(ts(8));
  });

  it('is not known while a stream shows no shards', () => {
    const reader = new Reader(['a', 'b'], START);
    reader.open('a', '1', []);
    reader.addDecoded('a', '1', { kind: 'heartbeat', stream: 'a', closed: ts(5) }, 1);
    reader.takeEvents(new Page(1));
    expect(reader.closed).toBe(NEVER);
  });

  it('is inherited by children from records, not from what was granted', () => {
    const bench = new Bench();
    const { reader } = bench;
    bench.close(ts(5));
    reader.grant('s', 's0', ts(8));
    reader.open('s', 'child', ['s0']);
    reader.finish('s', 's0');
    bench.take();
    expect(reader.closed).toBe(ts(5));
    reader.addDecoded('s', 'child', { kind: 'heartbeat', stream: 's', closed: ts(6) }, 1);
    bench.take();
    expect(reader.closed).toBe(ts(6));
  });

  it('is inherited from both parents of a merge', () => {
    const bench = new Bench();
    const { reader } = bench;
    reader.open('s', 's1', []);
    bench.close(ts(5));
    reader.open('s', 'child', ['s0', 's1']);
    reader.finish('s', 's0');
    bench.take();
    expect(reader.closed).toBe(NEVER);
    reader.addDecoded('s', 's1', { kind: 'heartbeat', stream: 's', closed: ts(3) }, 1);
    reader.finish('s', 's1');
    bench.take();
    expect(reader.closed).toBe(ts(3));
  });

  it('gives up what is not whole by then: silently from the oldest on, as a gap behind a checkpoint', () => {
    const torn = { id: 't', at: ts(15), key: 'a', parts: two };
    const fresh = new Bench().add(torn).close(ts(20));
    expect(fresh.take()).toEqual([]);
    expect(fresh.reader.gap).toBeUndefined();
    expect(fresh.reader).toMatchObject({ closed: ts(20), pendingCount: 0, heldBytes: 0 });
    const resumed = new Bench().close(ts(10));
    resumed.take();
    resumed.resume().add(torn).close(ts(20)).take();
    expect(resumed.reader.gap?.to).toBe(ts(20));
    expect(resumed.reader.gap!.from < ts(15)).toBe(true);
  });
});

describe('a checkpoint', () => {
  const names = Array.from({ length: 1000 }, (_, i) => ({ id: `t${i}`, at: ts(10 + i), key: `k${i}` }));

  it('never names more transactions than it can hold', () => {
    const bench = new Bench().add(...names);
    let count = bench.take().length;
    expect(count).toBeGreaterThan(100);
    expect(bench.reader.checkpoint().emitted.size).toBeLessThanOrEqual(MAX_EMITTED);
    expect(encodeCheckpoint(bench.reader.checkpoint(), ['s']).length).toBeLessThanOrEqual(4096);
    expect(
      bench
        .resume()
        .add(...names)
        .take(),
    ).toEqual([]);
    for (const closed of [700, 5000]) {
      count += bench.close(ts(closed)).take().length;
      expect(bench.reader.checkpoint().emitted.size).toBeLessThanOrEqual(MAX_EMITTED);
    }
    expect(count).toBe(1000);
    expect(bench.reader.checkpoint()).toMatchObject({ closed: ts(5000), emitted: new Set() });
  });

  it('full as it is, lets the earliest commit go before what arrived before it', () => {
    const bench = new Bench().add(...names, { id: 'late', at: ts(1), key: 'k999' });
    const before = bench.take();
    // 'late' waits for t999, which there is no room for: arrival order yields, or nothing would go on.
    expect(bench.close(ts(9)).take()).toEqual(['late:0']);
    expect(bench.close(ts(5000)).take().length + before.length).toBe(1000);
  });

  it('otherwise what arrived before goes first, although it was committed later', () => {
    const bench = new Bench().add(...names.slice(0, 50), { id: 'late', at: ts(1), key: 'k40' }).close(ts(9));
    expect(bench.take(2)).toEqual(['t40:0', 'late:0']);
  });
});

describe('letting go of what is too much', () => {
  const names = Array.from({ length: 100 }, (_, i) => ({ id: `t${i}`, at: ts(10 + i), key: `k${i}` }));

  it('loses nothing: the rest goes out, and a new reader goes on', () => {
    const bench = new Bench().add(...names).close(ts(100));
    const got = bench.take(10);
    bench.reader.shed();
    expect(bench.reader.pendingCount).toBeLessThan(90);
    bench.close(ts(200));
    got.push(...bench.take());
    expect(bench.reader.isSpent).toBe(true);
    got.push(
      ...bench
        .resume()
        .add(...names)
        .close(ts(200))
        .take(),
    );
    expect(got).toEqual(names.map(({ id }) => `${id}:0`));
  });

  it('does not lose what a page had cut', () => {
    const cut = { id: 'cut', at: ts(100), numbers: [0, 1, 2] };
    const bench = new Bench().close(ts(50));
    bench.take();
    expect(bench.resume().add(cut).take(1)).toEqual(['cut:0']);
    bench.add(...names.slice(60, 80)).reader.shed();
    expect(bench.close(ts(75)).take()).toHaveLength(10);
    expect(bench.reader.gap).toBeUndefined();
    expect(bench.resume().add(cut).take()).toEqual(['cut:1', 'cut:2']);
  });
});
