import type { EventOut, EventPage, WholeTransaction, WholeTransactionPage } from '../../src/core/api.js';
import { event, eventually, ISO, refusal, type RunningApi, startApi } from './support/api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
  await api.done('PUT', '/streams/orders', { shards: 3 });
  await api.done('PUT', '/streams/payments');
  await api.done('PUT', '/streams/ledger', { ordering: 'versioned' });
});
afterAll(() => api.close());

const commit = (id: string, ...events: readonly object[]) => api.done('POST', '/commits', { id, events });
const after = ({ checkpoint }: { readonly checkpoint: string }) => `checkpoint=${encodeURIComponent(checkpoint)}`;
const page = (query: string, stream = 'orders') => api.done<EventPage>('GET', `/streams/${stream}/events?${query}`);
const idsOf = (events: readonly EventOut[]) => events.map(({ id }) => id);

describe('GET /streams/{name}/events', () => {
  test('of an empty stream is an empty page with a checkpoint, and caught up', async () => {
    await api.put('/streams/empty');
    const first = await page('', 'empty');
    expect(first).toEqual({ events: [], checkpoint: expect.any(String), caughtUp: true });
    expect(first.checkpoint.length).toBeGreaterThan(0);
    await commit('empty-1', event('empty', 'k', 'later'));
    expect((await page(after(first), 'empty')).events.map(({ data }) => data)).toEqual(['later']);
  });

  test('in pages of any size gives each event once, also where a page ends inside of a transaction', async () => {
    const wide = Array.from({ length: 20 }, (_, i) => event('orders', `key-${i}`, i));
    await commit('wide-1', ...wide);
    await commit('wide-2', ...wide);
    const whole = await page('limit=1000');
    expect(whole).toMatchObject({ caughtUp: true });
    for (const limit of [1, 7, 19]) {
      const read: EventOut[] = [];
      let query = `limit=${limit}`;
      for (;;) {
        const next = await page(query);
        expect(next.events.length).toBeLessThanOrEqual(limit);
        expect(Buffer.byteLength(next.checkpoint)).toBeLessThanOrEqual(4_096);
        read.push(...next.events);
        // Never said while there is more.
        if (read.length < whole.events.length && next.events.length > 0) expect(next.caughtUp).toBe(false);
        if (next.caughtUp) break;
        query = `limit=${limit}&${after(next)}`;
      }
      expect(idsOf(read).sort()).toEqual(idsOf(whole.events).sort());
    }
  });

  test('the same checkpoint gives the same again, at every replica', async () => {
    const start = await page('limit=1000');
    const ids = Array.from({ length: 10 }, (_, i) => `again-${i}`);
    for (const id of ids) await commit(id, event('orders', id));
    for (const site of ['', '&site=east', '&site=west', '']) {
      const next = await page(`limit=1000&${after(start)}${site}`);
      expect(idsOf(next.events).sort()).toEqual(ids.map((id) => `${id}:0`).sort());
      expect(next.caughtUp).toBe(true);
      expect((await page(`${after(next)}&site=west`)).events).toEqual([]);
    }
  });

  test('waits for the first event, and not longer than it is told', async () => {
    const start = await page('limit=1000');
    const sentAt = Date.now();
    const waiting = page(`waitMs=15000&${after(start)}`);
    await eventually(
      'it waits',
      async () => Date.now() - sentAt,
      (ms) => ms > 300,
    );
    const committedAt = Date.now();
    await commit('wait-1', event('orders', 'k', 'awaited'));
    const { events } = await waiting;
    expect(events.map(({ data }) => data)).toEqual(['awaited']);
    expect(Date.now() - committedAt).toBeLessThan(3_000);

    const tip = await page('limit=1000');
    const emptyFrom = Date.now();
    expect(await page(`waitMs=700&${after(tip)}`)).toMatchObject({ events: [], caughtUp: true });
    expect(Date.now() - emptyFrom).toBeGreaterThanOrEqual(690);
  });

  test('waits at another site too, across a distance', async () => {
    await api.put('/local/network', { roundTripMs: 20 });
    try {
      const start = await page('limit=1000&site=west');
      const idleFrom = Date.now();
      expect(await page(`site=west&waitMs=1500&${after(start)}`)).toMatchObject({ events: [] });
      expect(Date.now() - idleFrom).toBeGreaterThanOrEqual(1_490);
      const waiting = api.at('west').done<EventPage>('GET', `/streams/orders/events?waitMs=10000&${after(start)}`);
      await eventually(
        'it waits',
        async () => Date.now() - idleFrom,
        (ms) => ms > 2_200,
      );
      await commit('wait-2', event('orders', 'k', 'far'));
      expect((await waiting).events.map(({ data }) => data)).toEqual(['far']);
    } finally {
      await api.put('/local/network', { roundTripMs: 0 });
    }
  }, 30_000);

  test('has caught up when everything acknowledged before has been given', async () => {
    for (let round = 0; round < 10; round += 1) {
      const id = `caught-${round}`;
      await commit(id, event('orders', id), event('payments', id));
      for (const stream of ['orders', 'payments']) {
        for (const site of ['east', 'west']) {
          const { events, caughtUp } = await page(`limit=1000&site=${site}`, stream);
          // What says that it has caught up must have it.
          if (caughtUp) expect(idsOf(events).filter((each) => each.startsWith(`${id}:`))).toHaveLength(1);
          else expect(site).toBe('west');
        }
      }
    }
  });

  test('gives versions in order on every replica', async () => {
    for (let i = 0; i < 20; i += 2) {
      await commit(`order-${i}`, event('ledger', 'v', i, { expectedVersion: i }), event('ledger', 'v', i + 1));
    }
    for (const site of ['east', 'west']) {
      const events = await api.readAll('ledger', `site=${site}`, 3);
      expect(events.map(({ version, data }) => [version, data])).toEqual(
        Array.from({ length: 20 }, (_, i) => [i + 1, i]),
      );
    }
  });

  test('refuses what is no checkpoint, no stream, no replica', async () => {
    const { checkpoint } = await page('limit=1');
    const flipped = checkpoint.slice(0, -4) + (checkpoint.endsWith('AAAA') ? 'BBBB' : 'AAAA');
    const bad = ['x', 'AAAA', '%7B%7D', 'a'.repeat(4_097), checkpoint.slice(0, 10), `${checkpoint}AAAA`, flipped];
    for (const each of bad) {
      expect([each, await api.get(`/streams/orders/events?checkpoint=${each}`)]).toMatchObject([
        each,
        refusal(400, 'InvalidCheckpoint', { retryable: false }),
      ]);
    }
    // Of another stream.
    expect(await api.get(`/streams/payments/events?checkpoint=${encodeURIComponent(checkpoint)}`)).toMatchObject(
      refusal(400, 'InvalidCheckpoint'),
    );
    expect(await api.get('/streams/nowhere/events')).toMatchObject(refusal(404, 'UnknownStream'));
    expect(await api.get('/streams/orders/events?site=south')).toMatchObject(refusal(400, 'InvalidRequest'));
  });
});

describe('GET /transactions/stream', () => {
  const whole = (query: string) => api.done<WholeTransactionPage>('GET', `/transactions/stream?${query}`);

  async function readWhole(streams: string, limit: number): Promise<readonly WholeTransaction[]> {
    const read: WholeTransaction[] = [];
    let query = '';
    for (;;) {
      const next = await whole(`streams=${streams}&limit=${limit}${query}`);
      expect(next.transactions.length).toBeLessThanOrEqual(limit);
      read.push(...next.transactions);
      if (next.caughtUp) return read;
      query = `&${after(next)}`;
    }
  }

  test('gives transactions whole, once, with their events of these streams', async () => {
    await commit('whole-1', event('orders', 'w', 0), event('payments', 'w', 1), event('orders', 'x', 2));
    await commit('whole-2', event('payments', 'w', 0));
    await commit('whole-3', event('ledger', 'whole', 0), event('orders', 'w', 1));
    const all = await readWhole('orders,payments,ledger', 1000);
    const found = (id: string) => all.filter((each) => each.id === id);
    expect(found('whole-1')).toEqual([
      { id: 'whole-1', committedAt: ISO, events: [expect.anything(), expect.anything(), expect.anything()] },
    ]);
    expect(found('whole-1')[0]!.events.map(({ number, stream, data }) => [number, stream, data])).toEqual([
      [0, 'orders', 0],
      [1, 'payments', 1],
      [2, 'orders', 2],
    ]);
    expect(found('whole-2')[0]!.events).toHaveLength(1);
    expect(found('whole-3')[0]!.events).toHaveLength(2);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    for (const limit of [1, 5]) {
      const paged = await readWhole('ledger,orders,payments', limit);
      expect(paged.map(({ id }) => id).sort()).toEqual(all.map(({ id }) => id).sort());
    }
    const some = await readWhole('payments', 1000);
    expect(some.find(({ id }) => id === 'whole-1')?.events.map(({ number }) => number)).toEqual([1]);
    expect(some.map(({ id }) => id)).not.toContain('whole-3');
  });

  test('waits for the first one', async () => {
    const start = await whole('streams=orders,payments&limit=1000');
    const waiting = whole(`streams=orders,payments&waitMs=15000&${after(start)}`);
    await commit('whole-wait', event('orders', 'k', 1), event('payments', 'k', 2));
    expect((await waiting).transactions).toMatchObject([{ id: 'whole-wait', events: [{}, {}] }]);
  });

  test('refuses streams that are not there, and checkpoints that are none', async () => {
    expect(await api.get('/transactions/stream?streams=orders,nowhere')).toMatchObject(refusal(404, 'UnknownStream'));
    expect(await api.get('/transactions/stream?streams=orders&checkpoint=x')).toMatchObject(
      refusal(400, 'InvalidCheckpoint'),
    );
    const start = await whole('streams=orders');
    expect(await api.get(`/transactions/stream?streams=orders,payments&${after(start)}`)).toMatchObject(
      refusal(400, 'InvalidCheckpoint'),
    );
  });
});

test('a reader goes on across a switchover and a move of home, with the checkpoint that it has', async () => {
  const ids = Array.from({ length: 12 }, (_, i) => `across-${i}`);
  const start = await page('limit=1000');
  const read: string[] = [];
  let query = after(start);
  for (const [i, id] of ids.entries()) {
    if (i === 3) await api.done('POST', '/streams/orders/switchover', { to: 'west' });
    if (i === 6) await api.done('POST', '/route/home', { to: 'west' });
    if (i === 9) await api.done('POST', '/streams/orders/switchover', { to: 'east' });
    await commit(id, event('orders', id));
    const next = await page(`limit=2&${query}`);
    read.push(...next.events.map(({ transactionid }) => transactionid));
    query = after(next);
  }
  await eventually(
    'all of it is read',
    async () => {
      const next = await page(`limit=2&${query}`);
      read.push(...next.events.map(({ transactionid }) => transactionid));
      query = after(next);
      return read.length;
    },
    (count) => count >= ids.length,
  );
  expect([...read].sort()).toEqual([...ids].sort());
  await api.done('POST', '/route/home', { to: 'east' });
}, 30_000);
