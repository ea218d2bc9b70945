import fc from 'fast-check';
import { type EventOut, consumer } from '../../../src/lambda/index.js';
import type { DecidedEntry } from '../../../src/core/entry.js';
import { timestamp } from '../../../src/core/timestamp.js';
import { noAnswer } from '../aws/scripted.js';
import { AT_MS, CONTEXT, batchOf, delivered, heartbeat, part } from './records.js';
import { FakeTable } from './table.js';

const failing = (...values: unknown[]) => {
  const seen: unknown[] = [];
  const handle = ({ data }: EventOut) => {
    seen.push(data);
    if (values.includes(data)) throw new Error('it cannot be handled');
  };
  return { seen, handle };
};
const quiet = { onFailure: () => undefined, onUnreadable: () => undefined };

describe('a consumer without a table', () => {
  it('gets every event in the order of its shard, all of a part, and no heartbeats', async () => {
    const { seen, handle } = failing();
    const answer = await consumer(handle)(batchOf(part('t1', [1, 2]), heartbeat(), part('t2', [3])), CONTEXT);
    expect(seen).toEqual([1, 2, 3]);
    expect(answer).toEqual({ batchItemFailures: [] });
  });

  it('that fails gets the record of that event and what is behind it again, and nothing before it', async () => {
    const { seen, handle } = failing(3);
    const batch = batchOf(part('t1', [1]), part('t2', [2, 3, 4]), part('t3', [5]));
    expect(await consumer(handle, quiet)(batch, CONTEXT)).toEqual({ batchItemFailures: [{ itemIdentifier: '1' }] });
    expect(seen).toEqual([1, 2, 3]);
  });

  it('passes over what is none of ours, and says so', async () => {
    const told: string[] = [];
    const { seen, handle } = failing();
    const batch = batchOf(Buffer.from('{"not": "ours"}'), part('t1', [1]));
    const onUnreadable = (_: unknown, sequence: string) => void told.push(sequence);
    expect(await consumer(handle, { onUnreadable })(batch, CONTEXT)).toEqual({ batchItemFailures: [] });
    expect([seen, told]).toEqual([[1], ['0']]);
  });
});

describe('a consumer with a table', () => {
  const opened = (table: FakeTable, handle: (event: EventOut) => void, name?: string) =>
    consumer(handle, { ...quiet, handled: table.open(name) });

  it('is not given again what it has handled: not the rest of a part, not by another process, not at another site', async () => {
    const table = new FakeTable(AT_MS);
    const first = failing(3);
    const batch = batchOf(part('t1', [1]), part('t2', [2, 3]));
    await opened(table, first.handle)(batch, CONTEXT);
    const second = failing();
    expect(await opened(table, second.handle)(batch, CONTEXT)).toEqual({ batchItemFailures: [] });
    expect([first.seen, second.seen]).toEqual([[1, 2, 3], [3]]);
  });

  it('is not given again what was taken over twice', async () => {
    const table = new FakeTable(AT_MS);
    const { seen, handle } = failing();
    const [first, second, third] = [1, 2, 3].map((term) => timestamp(term, (AT_MS + term * 7_200_000) * 1024));
    const lives = [
      { at: first },
      { at: second, takenFrom: first },
      { at: third, takenFrom: second, firstDecided: first },
    ] as readonly Partial<DecidedEntry>[];
    for (const life of lives) await opened(table, handle)(batchOf(part('t1', [1], life)), CONTEXT);
    expect(seen).toEqual([1]);
  });

  it('handles a record that stands twice in a batch once', async () => {
    const { seen, handle } = failing();
    await opened(new FakeTable(AT_MS), handle)(batchOf(part('t1', [1]), part('t1', [1])), CONTEXT);
    expect(seen).toEqual([1]);
  });

  it('knows an event that was taken over after an unclean takeover', async () => {
    const table = new FakeTable(AT_MS);
    const { seen, handle } = failing();
    const takenFrom = timestamp(1, AT_MS * 1024);
    const later = timestamp(2, (AT_MS + 7_200_000) * 1024);
    await opened(table, handle)(batchOf(part('t1', [1]), part('t1', [1], { at: later, takenFrom })), CONTEXT);
    expect(seen).toEqual([1]);
  });

  it('is given what another consumer has handled', async () => {
    const table = new FakeTable(AT_MS);
    const { seen, handle } = failing();
    for (const name of ['billing', 'mail']) await opened(table, handle, name)(batchOf(part('t1', [1])), CONTEXT);
    expect(seen).toEqual([1, 1]);
  });

  it('waits for a process that is at it, and begins anew once that one must have ended', async () => {
    const table = new FakeTable(AT_MS);
    const never = new Promise<void>(() => undefined);
    void consumer(() => never, { ...quiet, handled: table.open() })(batchOf(part('t1', [1])), CONTEXT);
    await new Promise((resolve) => setImmediate(resolve));
    const { seen, handle } = failing();
    const other = opened(table, handle);
    expect(await other(batchOf(part('t1', [1])), CONTEXT)).toEqual({ batchItemFailures: [{ itemIdentifier: '0' }] });
    table.clock.nowMs += 31_001;
    expect(await other(batchOf(part('t1', [1])), CONTEXT)).toEqual({ batchItemFailures: [] });
    expect(seen).toEqual([1]);
  });

  it('handles nothing while the table does not answer', async () => {
    const table = new FakeTable(AT_MS);
    table.before = () => {
      throw noAnswer();
    };
    const { seen, handle } = failing();
    await expect(opened(table, handle)(batchOf(part('t1', [1])), CONTEXT)).rejects.toThrow('does not answer');
    expect(seen).toEqual([]);
  });

  it('forgets what can come no more, hour by hour, and nothing else', async () => {
    const table = new FakeTable(AT_MS);
    const { handle } = failing();
    await opened(table, handle)(batchOf(part('old', [1])), CONTEXT);
    table.clock.nowMs += 40 * 3_600_000;
    const young = part('young', [2], { at: timestamp(1, table.clock.nowMs * 1024) });
    await opened(table, handle)(batchOf(young), CONTEXT);
    const ids = () => [...table.items.values()].flatMap(({ sk }) => (sk?.S === '-' ? [] : [sk?.S]));
    expect(ids()).toEqual(['old:0', 'young:0']);
    table.clock.nowMs += 10 * 3_600_000;
    await opened(table, handle)(batchOf(), CONTEXT);
    expect(ids()).toEqual(['young:0']);
  });

  it('forgets nothing while a site is out, nor until what it put when it returned has left its streams', async () => {
    const table = new FakeTable(AT_MS);
    const { seen, handle } = failing();
    const batch = batchOf(part('old', [1]));
    await opened(table, handle)(batch, CONTEXT);
    const after = async (hours: number, sites = table.sites) => {
      table.clock.nowMs += hours * 3_600_000;
      table.sites = sites;
      await opened(table, handle)(batchOf(), CONTEXT);
    };
    await after(30, { epoch: 2, allInSync: false });
    await after(70);
    await after(1, { epoch: 4, allInSync: true });
    // With the last moment at which the streams may still keep it.
    await after(24);
    await opened(table, handle)(batch, CONTEXT);
    expect(seen).toEqual([1]);
    await after(1);
    expect([...table.items.values()].map(({ sk }) => sk?.S)).toEqual(['-']);
  });

  it('forgets nothing when a site has been out and returned while there was nothing to handle', async () => {
    const table = new FakeTable(AT_MS);
    const { seen, handle } = failing();
    const batch = batchOf(part('old', [1]));
    await opened(table, handle)(batch, CONTEXT);
    table.clock.nowMs += 100 * 3_600_000;
    table.sites = { epoch: 4, allInSync: true };
    await opened(table, handle)(batchOf(part('new', [2])), CONTEXT);
    await opened(table, handle)(batch, CONTEXT);
    expect(seen).toEqual([1, 2]);
  });

  it('handles each event to its end once, whatever fails and however often it is delivered', async () => {
    const step = fc.record({
      site: fc.constantFrom('east', 'west'),
      from: fc.nat(5),
      fails: fc.nat(12),
      lost: fc.nat(30),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const table = new FakeTable(AT_MS);
        const ended: number[] = [];
        const records = [[1, 2], [3], [4, 5, 6], [7], [8], [9, 10]].map((data, n) =>
          delivered(String(n), part(`t${n}`, data)),
        );
        const sites = new Map(['east', 'west'].map((site) => [site, table.open()]));
        for (const { site, from, fails, lost } of [...steps, { site: 'west', from: 0, fails: 0, lost: 0 }]) {
          let calls = 0;
          // An answer that is lost: what was asked has been done.
          table.after = () => {
            if ((calls += 1) === lost) throw noAnswer();
          };
          const handle = ({ data }: EventOut) => {
            if (data === fails) throw new Error('not now');
            ended.push(data as number);
          };
          const handled = sites.get(site);
          if (!handled) throw new Error('no such site');
          await consumer(handle, { ...quiet, handled })({ Records: records.slice(from) }, CONTEXT);
        }
        expect([...ended].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      }),
      { numRuns: 80 },
    );
  });
});

describe('the example', () => {
  it('tells of each order once', async () => {
    const { handler } = await import('../../../examples/consumer.js');
    const told: string[] = [];
    const log = jest.spyOn(console, 'log').mockImplementation((line: string) => void told.push(line));
    const order = part('t1', [{ total: 40 }]);
    await handler(batchOf(order, heartbeat()), CONTEXT);
    log.mockRestore();
    expect(told.map((line) => JSON.parse(line) as unknown)).toEqual([{ reference: 't1:0', order: 'k', total: 40 }]);
  });
});
