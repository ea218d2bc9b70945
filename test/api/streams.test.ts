import type { BeginAnswer, EventOut, EventPage, RouteAnswer, StreamAnswer, StreamPolicy } from '../../src/core/api.js';
import { anyText, event, eventually, ISO, refusal, type RunningApi, startApi } from './support/api.js';

const DEFAULTS: StreamPolicy = {
  shards: 1,
  mirrors: { count: 1, create: 'now' },
  ordering: 'arrival',
  conflict: { policy: 'last-write-wins', by: 'commit' },
  failback: 'stay',
  retentionHours: 24,
};

describe('streams', () => {
  let api: RunningApi;
  beforeAll(async () => {
    api = await startApi({ sites: ['east', 'west', 'north'] });
  });
  afterAll(() => api.close());

  const show = (name: string) => api.get<StreamAnswer>(`/streams/${name}`);

  test('PUT creates one with every default told, GET shows it, and the list has it', async () => {
    const { status, body } = await api.put<StreamAnswer>('/streams/orders');
    expect([status, body]).toEqual([
      200,
      {
        name: 'orders',
        active: 'east',
        status: 'in-sync',
        shards: [expect.any(String)],
        mirrors: [
          {
            stream: 'orders',
            site: 'west',
            physicalName: anyText(/orders/),
            shards: [expect.any(String)],
            replicationFactor: 1,
            status: 'in-sync',
            completeFrom: ISO,
          },
        ],
        policy: DEFAULTS,
      },
    ]);
    expect((await show('orders')).body).toEqual(body);
    const { streams } = await api.done<{ streams: readonly StreamAnswer[] }>('GET', '/streams');
    expect(streams.filter(({ name }) => name === 'orders')).toEqual([body]);
    expect((await api.get<RouteAnswer>('/route')).body.active).toMatchObject({ orders: 'east' });
  });

  test('PUT again changes what is given and keeps the rest', async () => {
    await api.put('/streams/changing', { ordering: 'versioned', retentionHours: 48 });
    const changed = await api.put<StreamAnswer>('/streams/changing', {
      failback: 'automatic',
      conflict: { policy: 'last-write-wins', by: 'event' },
    });
    const policy = {
      ...DEFAULTS,
      ordering: 'versioned',
      retentionHours: 48,
      failback: 'automatic',
      conflict: { policy: 'last-write-wins', by: 'event' },
    };
    expect(changed.body.policy).toEqual(policy);
    expect((await api.put<StreamAnswer>('/streams/changing')).body.policy).toEqual(policy);
  });

  test('a name that is not there is 404, one that is none is 400', async () => {
    expect(await show('nowhere')).toMatchObject(refusal(404, 'UnknownStream', { detail: anyText(/nowhere/) }));
    expect(await show('no%20name')).toMatchObject(refusal(400, 'InvalidRequest'));
    expect(await api.put('/streams/no%20name')).toMatchObject(refusal(400, 'InvalidRequest'));
    expect(await api.put('/streams/many', { mirrors: { count: 3 } })).toMatchObject(refusal(400, 'InvalidRequest'));
    expect(await show('many')).toMatchObject(refusal(404, 'UnknownStream'));
  });

  test('more mirrors, by the policy or by a transaction, are complete from the first event on', async () => {
    await api.put('/streams/growing', { mirrors: { count: 0 } });
    await api.put('/streams/asked', {});
    const [first, second] = [event('growing', 'k', 'first'), event('asked', 'k', 'first')];
    await api.post('/commits', { events: [first, second] });
    expect((await show('growing')).body.mirrors).toEqual([]);
    expect(await api.get('/streams/growing/events?site=west')).toMatchObject(refusal(400, 'InvalidRequest'));

    await api.put('/streams/growing', { mirrors: { count: 2 } });
    const begun = await api.post<BeginAnswer>('/transactions', { streams: ['asked'], mirrors: 2 });
    expect(begun.status).toBe(201);
    for (const stream of ['growing', 'asked']) {
      const { body } = await eventually(
        `two mirrors of ${stream} are in sync`,
        () => show(stream),
        ({ body: { mirrors } }) => mirrors.length === 2 && mirrors.every(({ status }) => status === 'in-sync'),
      );
      expect(body.mirrors.map(({ site, replicationFactor }) => [site, replicationFactor]).sort()).toEqual([
        ['north', 2],
        ['west', 2],
      ]);
      for (const site of ['east', 'west', 'north']) {
        expect((await api.readAll(stream, `site=${site}`)).map(({ data }) => data)).toEqual(['first']);
      }
    }
  });

  test('shards are split and merged while it is written and read, and a reader gets each event once, in order', async () => {
    await api.put('/streams/resharded', { shards: 1 });
    const keys = Array.from({ length: 16 }, (_, i) => `key-${i}`);
    const read: EventOut[] = [];
    const written = new AbortController();
    const reading = (async () => {
      let checkpoint = '';
      for (;;) {
        // Before the page is asked for: only then does `caughtUp` speak of all that was written.
        const isLast = written.signal.aborted;
        const path = `/streams/resharded/events?limit=7&waitMs=200${checkpoint}`;
        const page = await api.done<EventPage>('GET', path);
        read.push(...page.events);
        checkpoint = `&checkpoint=${encodeURIComponent(page.checkpoint)}`;
        if (isLast && page.caughtUp && page.events.length === 0) return;
      }
    })();
    let rounds = 0;
    for (const shards of [4, 2, 8, 3, 1]) {
      const { body } = await api.put<StreamAnswer>('/streams/resharded', { shards });
      expect(body.policy.shards).toBe(shards);
      for (let round = 0; round < 3; round += 1) {
        await api.done('POST', '/commits', { events: keys.map((key) => event('resharded', key, rounds)) });
        rounds += 1;
      }
      await eventually(
        `${shards} shards everywhere`,
        () => show('resharded'),
        ({ body: stream }) =>
          stream.shards.length === shards && stream.mirrors.every((mirror) => mirror.shards.length === shards),
      );
    }
    written.abort();
    await reading;
    const expected = Array.from({ length: rounds }, (_, i) => i);
    for (const key of keys)
      expect(read.filter(({ subject }) => subject === key).map(({ data }) => data)).toEqual(expected);
    expect(read).toHaveLength(rounds * keys.length);
    const west = await api.readAll('resharded', 'site=west');
    expect(west.map(({ id }) => id).sort()).toEqual(read.map(({ id }) => id).sort());
  }, 60_000);
});

describe('a stream that leaves its mirrors to the first transaction', () => {
  const CREATION_MS = 1_200;
  let api: RunningApi;
  beforeAll(async () => {
    api = await startApi({ creationMs: CREATION_MS });
  });
  afterAll(() => api.close());

  const show = () => api.get<StreamAnswer>('/streams/late');

  test('begin answers at once with mirrors being created, commits go on, and later the mirror is complete', async () => {
    await api.put('/streams/late', { mirrors: { create: 'on-begin' } });
    await eventually('the primary is there', show, ({ body }) => body.shards.length === 1);
    expect((await show()).body.mirrors).toEqual([]);

    const startedAt = Date.now();
    const { status, body } = await api.post<BeginAnswer>('/transactions', { id: 'late-1', streams: ['late'] });
    const tookMs = Date.now() - startedAt;
    expect(status).toBe(201);
    expect(tookMs).toBeLessThan(CREATION_MS / 2);
    expect(body.streams[0]!.mirrors).toMatchObject([{ stream: 'late', site: 'west', status: 'creating' }]);

    const written = await api.done<{ events: { digest: string }[] }>('POST', '/transactions/late-1/events', {
      events: [event('late', 'k', 'interactive')],
    });
    const digests = written.events.map(({ digest }) => digest);
    expect(await api.post('/transactions/late-1/commit', { digests })).toMatchObject({
      status: 200,
      body: { replicas: 2, atRisk: false },
    });
    for (let i = 0; i < 5; i += 1) {
      await api.done('POST', '/commits', { id: `late-early-${i}`, events: [event('late', `k${i}`, i)] });
    }
    // All that was acknowledged before the mirror was there, is on the primary meanwhile.
    expect(await api.readAll('late')).toHaveLength(6);
    expect((await show()).body.mirrors).toMatchObject([{ status: 'creating' }]);

    await eventually('the mirror is in sync', show, ({ body: { mirrors } }) => mirrors[0]?.status === 'in-sync');
    await api.done('POST', '/commits', { id: 'late-after', events: [event('late', 'k', 'after')] });
    const [east, west] = [await api.readAll('late', 'site=east'), await api.readAll('late', 'site=west')];
    expect(west).toHaveLength(7);
    expect(west.map(({ id }) => id).sort()).toEqual(east.map(({ id }) => id).sort());
    expect((await show()).body.mirrors[0]).toMatchObject({ replicationFactor: 1, shards: [expect.any(String)] });
  }, 30_000);
});
