import { encodeHeartbeat } from '../../src/core/record.js';
import { Bench, part, ts } from './reader-records.js';

const two = { s: 2 };

describe('what goes out', () => {
  it('is a transaction as a whole, by number, once its last part is met', () => {
    const bench = new Bench().add({ id: 't', at: ts(1), key: 'a', numbers: [1, 2], parts: two });
    expect(bench.take()).toEqual([]);
    expect(bench.reader.pendingCount).toBe(1);
    expect(bench.add({ id: 't', at: ts(1), key: 'b', numbers: [0], parts: two }).take()).toEqual(['t:0', 't:1', 't:2']);
    expect(bench.reader.pendingCount).toBe(0);
    expect(bench.reader.heldBytes).toBe(0);
  });

  it('waits for the parts on the streams that are read, and for no others', () => {
    const parts = { a: 1, b: 1, elsewhere: 3 };
    const bench = new Bench(['a', 'b']).add({ id: 't', at: ts(1), stream: 'a', parts });
    expect(bench.take()).toEqual([]);
    expect(bench.add({ id: 't', at: ts(1), stream: 'b', numbers: [1], parts }).take()).toEqual(['t:0', 't:1']);
  });

  it('counts the same record once, before and after it went out', () => {
    const bench = new Bench();
    const first = { id: 't', at: ts(1), key: 'a', parts: two };
    expect(bench.add(first, first).take()).toEqual([]);
    expect(bench.add({ ...first, key: 'b', numbers: [1] }).take()).toEqual(['t:0', 't:1']);
    expect(bench.add(first, { ...first, key: 'b', numbers: [1] }).take()).toEqual([]);
    expect(
      bench
        .resume()
        .add(first, { ...first, key: 'b', numbers: [1] })
        .take(),
    ).toEqual([]);
  });

  it('drops what is at or below the closed timestamp of the checkpoint', () => {
    const bench = new Bench().add({ id: 't', at: ts(5) }).close(ts(5));
    expect(bench.take()).toEqual(['t:0']);
    expect(bench.reader.checkpoint()).toMatchObject({ closed: ts(5), emitted: new Set() });
    expect(bench.add({ id: 't', at: ts(5) }).take()).toEqual([]);
    expect(
      bench
        .resume()
        .add({ id: 't', at: ts(5) }, { id: 'u', at: ts(6) })
        .take(),
    ).toEqual(['u:0']);
  });

  it('knows what was emitted at a replica that was further on, until this one is as far', () => {
    const ahead = { id: 'ahead', at: ts(60) };
    const bench = new Bench().add(ahead).close(ts(50));
    expect(bench.take()).toEqual(['ahead:0']);
    bench.resume().close(ts(55)).take();
    expect(bench.add(ahead).take()).toEqual([]);
    bench.close(ts(60)).take();
    expect(bench.reader.checkpoint().emitted.size).toBe(0);
  });

  it('compares the term first: the clock of a new home may be behind', () => {
    const bench = new Bench().close(ts(900, 1));
    bench.take();
    expect(bench.reader.closed).toBe(ts(900, 1));
    expect(
      bench
        .resume()
        .add({ id: 't', at: ts(100, 2) })
        .take(),
    ).toEqual(['t:0']);
  });

  it('passes over what it cannot read, and counts it', () => {
    const { reader } = new Bench();
    const closed = ts(7);
    reader.add('s', 's0', Buffer.from('not ours'));
    reader.add('s', 's0', encodeHeartbeat('test', 'other', 'east', ts(8), closed));
    reader.addDecoded('s', 's0', part({ id: 't', at: ts(1), parts: { other: 1 } }), 10);
    expect(reader.unreadable).toBe(3);
    expect(reader.add('s', 's0', encodeHeartbeat('test', 's', 'east', ts(8), closed))).toBe(closed);
    expect(reader.pendingCount).toBe(0);
  });

  it('tells how far a shard was read in commit time', () => {
    const { reader } = new Bench();
    expect(reader.addDecoded('s', 's0', part({ id: 't', at: ts(5), closed: ts(3) }), 10)).toBe(ts(5));
    expect(reader.addDecoded('s', 's0', part({ id: 'u', at: ts(2), closed: ts(4) }), 10)).toBe(ts(4));
  });
});

describe('pages', () => {
  const whole = { id: 't', at: ts(1), numbers: [0, 1, 2, 3, 4] };

  it('cut a transaction and go on behind the cut, here and anywhere', () => {
    const bench = new Bench().add(whole).close(ts(9));
    expect(bench.take(2)).toEqual(['t:0', 't:1']);
    expect(bench.reader.closed < ts(1)).toBe(true);
    expect(bench.take(1)).toEqual(['t:2']);
    expect(
      bench
        .resume()
        .add({ id: 'u', at: ts(2) }, whole)
        .close(ts(9))
        .take(),
    ).toEqual(['t:3', 't:4', 'u:0']);
    expect(bench.reader.checkpoint().partial).toBeUndefined();
  });

  it('cut one transaction at a time: another one goes out whole or not yet', () => {
    const bench = new Bench().add(whole);
    bench.take(2);
    const other = { id: 'u', at: ts(2), numbers: [0, 1] };
    expect(bench.resume().add(other).take(1)).toEqual([]);
    expect(bench.take(2)).toEqual(['u:0', 'u:1']);
    expect(bench.add(whole).take()).toEqual(['t:2', 't:3', 't:4']);
  });

  it('of whole transactions count transactions', () => {
    const bench = new Bench().add(whole, { id: 'u', at: ts(2) }, { id: 'v', at: ts(3) });
    expect(bench.takeWhole(2).map(({ id, events }) => [id, events.length])).toEqual([
      ['t', 5],
      ['u', 1],
    ]);
    expect(bench.takeWhole(2)).toMatchObject([{ id: 'v', committedAt: '1970-01-01T00:00:00.003Z' }]);
  });

  it('that leave something whole behind are not closed past it', () => {
    const bench = new Bench().add({ id: 't', at: ts(1) }, { id: 'u', at: ts(2) }, { id: 'v', at: ts(3) }).close(ts(9));
    expect(bench.take(2)).toEqual(['t:0', 'u:0']);
    expect(bench.reader.closed >= ts(2) && bench.reader.closed < ts(3)).toBe(true);
    bench.take();
    expect(bench.reader.closed).toBe(ts(9));
  });
});

describe('version order', () => {
  const first = { id: 't1', at: ts(1), version: 1 };
  const second = { id: 't2', at: ts(2), version: 2, after: { at: ts(1), id: 't1' } };
  const third = { id: 't3', at: ts(3), version: 3, after: { at: ts(2), id: 't2' } };

  it('holds a version until its predecessor is out', () => {
    const bench = new Bench().add(third, second);
    expect(bench.take()).toEqual([]);
    expect(bench.add(first).take(2)).toEqual(['t1:0', 't2:0']);
    expect(bench.resume().add(third).take()).toEqual(['t3:0']);
  });

  it('holds it while the predecessor is not whole', () => {
    const bench = new Bench().add({ ...first, parts: two }, second);
    expect(bench.take()).toEqual([]);
    expect(bench.add({ id: 't1', at: ts(1), key: 'b', numbers: [1], parts: two }).take()).toEqual([
      't1:0',
      't1:1',
      't2:0',
    ]);
  });

  it('takes two versions of one transaction', () => {
    expect(new Bench().add({ ...first, numbers: [0, 1] }).take()).toEqual(['t1:0', 't1:1']);
  });

  it('does not wait for what is closed, or is not kept any more', () => {
    expect(new Bench().add(third).close(ts(2)).take()).toEqual(['t3:0']);
    const bench = new Bench().add(third);
    expect(bench.take()).toEqual([]);
    expect(bench.close(ts(2)).take()).toEqual(['t3:0']);
  });
});

describe('arrival order of one (stream, key)', () => {
  const parts = two;
  const early = { id: 'e', at: ts(1), key: 'a', parts };
  const late = { id: 'l', at: ts(2), key: 'a' };

  it('holds what arrived behind something that is not whole yet', () => {
    const bench = new Bench().add(early, late, { id: 'o', at: ts(3), key: 'other' });
    expect(bench.take()).toEqual(['o:0']);
    expect(bench.add({ ...early, key: 'b', numbers: [1] }).take()).toEqual(['e:0', 'e:1', 'l:0']);
  });

  it('counts, not the order of commits', () => {
    expect(new Bench().add(late, { ...early, parts: { s: 1 } }).take()).toEqual(['l:0', 'e:0']);
    const incomplete = { ...late, parts };
    const bench = new Bench().add(incomplete, { ...early, parts: { s: 1 } });
    expect(bench.take()).toEqual([]);
    expect(bench.add({ ...incomplete, key: 'b', numbers: [1] }).take()).toEqual(['l:0', 'l:1', 'e:0']);
  });

  it('in a circle gives way to the order of commits, once those are closed', () => {
    const bench = new Bench();
    bench.add(
      { ...late, parts },
      early,
      { ...early, key: 'b', numbers: [1] },
      { ...late, key: 'b', numbers: [1], parts },
    );
    expect(bench.take()).toEqual([]);
    expect(bench.close(ts(2)).take()).toEqual(['e:0', 'e:1', 'l:0', 'l:1']);
  });

  it('does not wait for what is given up', () => {
    expect(new Bench().add(early, late).close(ts(1)).take()).toEqual(['l:0']);
  });
});
