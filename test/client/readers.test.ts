import * as fc from 'fast-check';
import { directTransport, LockstepClient, memoryCheckpoints } from '../../src/client/index.js';
import type { CheckpointStore } from '../../src/client/index.js';
import { fakeService } from '../http/support/fake-service.js';
import { Servers } from '../http/support/running.js';
import { refusal } from './support/scripted.js';

import { setUp } from './support/fake-stream.js';

describe('events', () => {
  test('come one by one, page after page, until caught up', async () => {
    const { stream, clock, read } = setUp(7);
    expect(await clock.run(read())).toEqual(stream.ids);
    expect(stream.asked).toEqual([
      { stream: 'orders', waitMs: 0, limit: 3 },
      { stream: 'orders', waitMs: 0, limit: 3, checkpoint: '3' },
      { stream: 'orders', waitMs: 0, limit: 3, checkpoint: '6' },
    ]);
  });

  test('are waited for at the server; site and wait are passed on', async () => {
    const { stream, clock, read } = setUp(1);
    await clock.run(read({ site: 'west', waitMs: 5_000 }));
    await clock.run(read({ until: undefined as never }, 1));
    expect(stream.asked).toMatchObject([{ site: 'west', waitMs: 5_000 }, { waitMs: 10_000 }]);
  });

  test('go on from the given checkpoint, whatever the store says', async () => {
    const { stream, clock, read } = setUp(5);
    const checkpointStore = memoryCheckpoints();
    await clock.run(read({ checkpointStore }));
    expect(await clock.run(read({ checkpointStore, from: '2' }))).toEqual(stream.ids.slice(2));
  });

  test('come after every transient failure, however long it lasts, without a pause longer than the bound', async () => {
    const { stream, clock, read } = setUp(5);
    let failures = 100;
    stream.disturb = () => {
      if (failures-- > 0) throw refusal('Unavailable');
    };
    expect(await clock.run(read())).toEqual(stream.ids);
    expect(Math.max(...clock.slept)).toBeLessThanOrEqual(2_000);
    expect(stream.asked.length).toBeGreaterThan(100);
  });

  test('give up after the time that the caller sets', async () => {
    const { stream, clock, read } = setUp(1);
    stream.disturb = () => {
      throw refusal('Unavailable');
    };
    await expect(clock.run(read({ retryForMs: 500 }))).rejects.toMatchObject({ code: 'Unavailable' });
  });

  test.each(['Gap', 'UnknownStream', 'InvalidCheckpoint'] as const)('end with %s at once', async (code) => {
    const { stream, clock, read } = setUp(1);
    stream.disturb = () => {
      throw refusal(code, { from: 'a', to: 'b' });
    };
    await expect(clock.run(read())).rejects.toMatchObject({ code, extras: { from: 'a', to: 'b' } });
    expect(stream.asked).toHaveLength(1);
  });

  test('are not asked for in a rush where the replica is behind', async () => {
    const { stream, clock, read } = setUp(2);
    stream.behind = true;
    stream.disturb = () => {
      if (stream.asked.length > 20) stream.behind = false;
    };
    const startedAt = clock.now();
    expect(await clock.run(read())).toEqual(stream.ids);
    expect(clock.now() - startedAt).toBeGreaterThan(10_000);
    expect(Math.max(...clock.slept)).toBe(1_000);
  });
});

describe('a signal', () => {
  test('ends the iteration without an error, also while it waits or was sent before', async () => {
    const { stream, client } = setUp(0);
    const stop = new AbortController();
    const never = fakeService({ readEvents: () => new Promise(() => undefined) });
    const other = new LockstepClient({ transport: directTransport(never) });
    const ended = Promise.all(
      [client, other].map(async (each) => {
        for await (const event of each.events({ stream: 'orders', signal: stop.signal })) expect(event).toBe(undefined);
        return 'ended';
      }),
    );
    while (stream.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    stop.abort();
    expect(await ended).toEqual(['ended', 'ended']);
    for await (const _ of other.events({ stream: 'orders', signal: stop.signal })) expect(_).toBe(undefined);
  });

  test('ends the request itself over HTTP', async () => {
    const servers = new Servers();
    const never = fakeService({ readEvents: () => new Promise(() => undefined) });
    const { url } = await servers.start(never, { graceMs: 60_000 });
    const stop = new AbortController();
    const client = new LockstepClient({ endpoints: [url] });
    const reading = client.pages({ stream: 'orders', signal: stop.signal, waitMs: 20_000 }).next();
    while (never.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    stop.abort();
    expect(await reading).toEqual({ done: true, value: undefined });
    // Were the request still there, the server would wait for it.
    await servers.close();
  });
});

describe('a group', () => {
  test('goes on behind the last page that it finished', async () => {
    const { stream, clock, read } = setUp(7);
    const checkpointStore = memoryCheckpoints();
    expect(await clock.run(read({ checkpointStore }))).toEqual(stream.ids);
    stream.append(2);
    expect(await clock.run(read({ checkpointStore }))).toEqual(stream.ids.slice(7));
    expect(await clock.run(read({ checkpointStore, group: 'other' }))).toEqual(stream.ids);
  });

  test('gets the page again in whose middle it stopped', async () => {
    const { stream, clock, read } = setUp(7);
    const checkpointStore = memoryCheckpoints();
    expect(await clock.run(read({ checkpointStore }, 5))).toEqual(stream.ids.slice(0, 5));
    expect(await clock.run(read({ checkpointStore }))).toEqual(stream.ids.slice(3));
  });

  test('gets nothing twice and nothing never, whenever it crashes, when it keeps pages and checkpoints together', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.record({ pages: fc.nat(4), lost: fc.boolean() }), { maxLength: 6 }),
        async (count, limit, lives) => {
          const { stream, client, clock } = setUp(count);
          let kept: { from?: string; ids: string[] } = { ids: [] };
          const live = async (pages: number) => {
            const from = kept.from === undefined ? {} : { from: kept.from };
            let left = pages;
            for await (const page of client.pages({ stream: 'orders', limit, until: 'caught-up', ...from })) {
              if (left-- === 0) return;
              kept = { from: page.checkpoint, ids: [...kept.ids, ...page.items.map(({ id }) => id)] };
            }
          };
          for (const { pages, lost } of lives) {
            stream.disturb = () => {
              if (!lost) return;
              stream.disturb = () => undefined;
              throw refusal('Unavailable');
            };
            await clock.run(live(pages));
          }
          await clock.run(live(Infinity));
          expect(kept.ids).toEqual(stream.ids);
        },
      ),
    );
  });
});

describe('pages', () => {
  test('are saved by commit and by nothing else, and never backward', async () => {
    const { client, clock } = setUp(9);
    const saved: string[] = [];
    const checkpointStore: CheckpointStore = {
      load: async () => undefined,
      save: async (name, checkpoint) => void saved.push(`${name} ${checkpoint}`),
    };
    const pages: { commit(): Promise<void> }[] = [];
    const read = async () => {
      const options = { stream: 'orders', group: 'g', limit: 3, until: 'caught-up', checkpointStore } as const;
      for await (const page of client.pages(options)) pages.push(page);
    };
    await clock.run(read());
    expect(saved).toEqual([]);
    await Promise.all([pages[1]!.commit(), pages[0]!.commit(), pages[1]!.commit(), pages[2]!.commit()]);
    expect(saved).toEqual(['g/events/orders 6', 'g/events/orders 9']);
  });

  test('of transactions are whole, over streams in any order', async () => {
    const { stream, client, clock } = setUp(5);
    const checkpointStore = memoryCheckpoints();
    const read = async (streams: string[]) => {
      const ids: string[] = [];
      const options = { streams, until: 'caught-up', limit: 2, checkpointStore } as const;
      for await (const { id, events } of client.transactions(options)) {
        ids.push(id);
        expect(events.map((event) => event.stream)).toEqual(['a', 'b']);
      }
      return ids;
    };
    expect(await clock.run(read(['b', 'a']))).toEqual(stream.events.map(({ transactionid }) => transactionid));
    expect(await clock.run(read(['a', 'b']))).toEqual([]);
  });

  test('whose checkpoint cannot be saved say so, and the next one can', async () => {
    const { client, clock } = setUp(6);
    let broken = true;
    const saved: string[] = [];
    const checkpointStore: CheckpointStore = {
      load: async () => undefined,
      save: async (_, checkpoint) => {
        if (broken) throw new Error('disk full');
        saved.push(checkpoint);
      },
    };
    const read = async () => {
      for await (const page of client.pages({ stream: 'orders', limit: 3, until: 'caught-up', checkpointStore })) {
        if (broken) await expect(page.commit()).rejects.toThrow('disk full');
        else await page.commit();
        broken = false;
      }
    };
    await clock.run(read());
    expect(saved).toEqual(['6']);
  });
});
