import { MAX_ANCHORS, MAX_ANCHOR_IDENTITIES, START, encodeCheckpoint } from '../../src/core/checkpoint.js';
import { Bench, ts } from './reader-records.js';

/** Unclean takeovers: what the lost home alone had is decided once more, and must be told from what is new. */

/** Stood at (1, 50), with one above it, when term 2 began uncleanly. */
function crossed(): Bench {
  const bench = new Bench(['s'], START, [2]).add({ id: 'low', at: ts(40) }, { id: 'high', at: ts(60) }).close(ts(50));
  expect(bench.take()).toEqual(['low:0', 'high:0']);
  bench.resume().add({ id: 'new', at: ts(80, 2) });
  bench.close(ts(90, 2));
  expect(bench.take()).toEqual(['new:0']);
  expect(bench.reader.closed).toBe(ts(90, 2));
  return bench;
}

describe('a decision that is taken over', () => {
  it.each([
    ['was closed', 'low', 40, []],
    ['was named', 'high', 60, []],
    ['was not delivered', 'missed', 55, ['missed:0']],
  ])('that %s', (_, id, from, events) => {
    const bench = crossed().resume();
    expect(bench.add({ id, at: ts(100, 2), takenFrom: ts(from) }).take()).toEqual(events);
    // Successors know it by its new timestamp.
    bench.add({ id: 'next', at: ts(101, 2), version: 2, after: { at: ts(100, 2), id } });
    expect(bench.take()).toEqual(['next:0']);
  });

  it('is recognised before the change is closed', () => {
    const bench = new Bench(['s'], START, [2]).add({ id: 'low', at: ts(40) }, { id: 'high', at: ts(60) }).close(ts(50));
    bench.take();
    bench.resume();
    bench.add({ id: 'low', at: ts(100, 2), takenFrom: ts(40) }, { id: 'high', at: ts(101, 2), takenFrom: ts(60) });
    expect(bench.take()).toEqual([]);
    expect(bench.add({ id: 'missed', at: ts(102, 2), takenFrom: ts(55) }).take()).toEqual(['missed:0']);
  });

  it('is recognised on the replica that had the old one, above what was closed there', () => {
    const [one, two] = [
      { id: 'one', at: ts(60) },
      { id: 'two', at: ts(70) },
    ];
    const bench = new Bench(['s'], START, [2]).close(ts(50)).add(one);
    expect(bench.take()).toEqual(['one:0']);
    bench.add(two, { id: 'three', at: ts(80) }).close(ts(90, 2));
    expect(bench.take(1)).toEqual(['two:0']);
    expect(bench.take()).toEqual(['three:0']);
    bench.resume();
    for (const [id, ms] of [['one', 60] as const, ['two', 70] as const, ['three', 80] as const]) {
      expect(bench.add({ id, at: ts(100 + ms, 2), takenFrom: ts(ms) }).take()).toEqual([]);
    }
  });

  it('is known to its successors by its new timestamp, when the old one is forgotten', () => {
    const bench = new Bench(['s'], START, [2]).close(ts(50)).add({ id: 't', at: ts(60) });
    bench.take();
    bench
      .add({ id: 't', at: ts(100, 2), takenFrom: ts(60) })
      .close(ts(90, 2))
      .take();
    bench.add({ id: 'next', at: ts(101, 2), version: 2, after: { at: ts(100, 2), id: 't' } });
    expect(bench.take()).toEqual(['next:0']);
  });

  it('goes out once where both stand on one stream, whichever way round', () => {
    const old = { id: 't', at: ts(60) };
    const anew = { id: 't', at: ts(100, 2), takenFrom: ts(60) };
    const between = { id: 'u', at: ts(90, 2) };
    for (const records of [
      [old, anew, between],
      [anew, old, between],
    ]) {
      const bench = new Bench(['s'], START, [2]).add(...records).close(ts(200, 2));
      expect(bench.take().sort()).toEqual(['t:0', 'u:0']);
      expect(bench.add(...records).take()).toEqual([]);
    }
  });

  it('goes on where a page had cut it', () => {
    const numbers = [0, 1, 2];
    const bench = new Bench(['s'], START, [2]).add({ id: 't', at: ts(60), numbers }).close(ts(50));
    expect(bench.take(1)).toEqual(['t:0']);
    bench.resume().close(ts(90, 2));
    // It is lost here, so another one may be cut.
    expect(bench.add({ id: 'u', at: ts(70, 2), numbers }).take(1)).toEqual(['u:0']);
    expect(bench.take()).toEqual(['u:1', 'u:2']);
    expect(bench.reader.gap).toBeUndefined();
    bench.resume().add({ id: 't', at: ts(100, 2), numbers, takenFrom: ts(60) });
    expect(bench.take()).toEqual(['t:1', 't:2']);
  });

  it('is held against the first change after it, not against a later one', () => {
    const bench = new Bench(['s'], START, [2, 5]);
    for (const closed of [ts(50), ts(90, 2), ts(70, 4), ts(80, 5)]) {
      bench.close(closed).take();
      bench.resume();
    }
    expect(bench.reader.checkpoint().anchors.map(({ term, closed }) => [term, closed])).toEqual([
      [2, ts(50)],
      [5, ts(70, 4)],
    ]);
    bench.add({ id: 'old', at: ts(100, 5), takenFrom: ts(60) }, { id: 'seen', at: ts(101, 5), takenFrom: ts(60, 4) });
    expect(bench.take()).toEqual(['old:0']);
  });
});

describe('an unclean takeover', () => {
  it('leaves behind what the lost home had put in part: no gap', () => {
    const bench = new Bench(['s'], START, [2]).close(ts(50));
    bench.take();
    bench.resume().add({ id: 't', at: ts(60), parts: { s: 2 } });
    bench.close(ts(90, 2)).take();
    expect(bench.reader.gap).toBeUndefined();
    const clean = new Bench().close(ts(50));
    clean.take();
    clean.resume().add({ id: 't', at: ts(60), parts: { s: 2 } });
    clean.close(ts(90, 2)).take();
    expect(clean.reader.gap).toBeDefined();
  });

  it('is told to the caller as a gap, when it was clean, where the rest of a cut transaction never comes', () => {
    const bench = new Bench().close(ts(50)).add({ id: 't', at: ts(60), numbers: [0, 1] });
    expect(bench.take(1)).toEqual(['t:0']);
    bench.resume().close(ts(90, 2)).take();
    expect(bench.reader.gap).toEqual({ from: ts(50), to: ts(90, 2) });
  });

  it('keeps a checkpoint within its bounds, however many there were', () => {
    const terms = Array.from({ length: 12 }, (_, i) => i + 2);
    const bench = new Bench(['s'], START, terms);
    for (const term of terms) {
      const names = Array.from({ length: 100 }, (_, i) => ({
        id: `t${term}-${i}`,
        at: ts(60 + i, term - 1),
        key: `${i}`,
      }));
      bench.add(...names).close(ts(50, term - 1));
      bench.take();
      bench.resume().close(ts(10, term)).take();
      const checkpoint = bench.reader.checkpoint();
      expect(encodeCheckpoint(checkpoint, ['s']).length).toBeLessThanOrEqual(4096);
      expect(checkpoint.anchors.at(-1)).toMatchObject({ term, closed: ts(50, term - 1) });
      expect(checkpoint.anchors.at(-1)!.emitted.size).toBe(100);
    }
    const { anchors } = bench.reader.checkpoint();
    expect(anchors).toHaveLength(MAX_ANCHORS);
    expect(anchors.reduce((sum, { emitted }) => sum + emitted.size, 0)).toBe(MAX_ANCHOR_IDENTITIES);
  });
});
