import type {
  Conflict,
  Fault,
  HealthAnswer,
  Incident,
  PredictionsAnswer,
  Reconciliation,
  RouteAnswer,
  StreamAnswer,
  TransactionLogEntry,
} from '../../src/core/api.js';
import { Api, anyText, event, eventually, ISO, refusal, type RunningApi, startApi } from './support/api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
  await api.done('PUT', '/streams/orders', { shards: 2 });
  await api.done('PUT', '/streams/payments');
});
afterEach(async () => {
  await fault();
  await inSync(api, 2);
}, 30_000);
afterAll(() => api.close());

const route = async () => (await api.get<RouteAnswer>('/route')).body;
const fault = (...faults: readonly Fault[]) => api.put<{ faults: readonly Fault[] }>('/local/faults', { faults });
const commit = (id: string, ...events: readonly object[]) => api.post('/commits', { id, events });

async function inSync(of: Api, count: number): Promise<void> {
  await eventually(
    `${count} sites in sync`,
    async () => (await of.get<RouteAnswer>('/route')).body,
    (seen) => seen.inSync.length === count && seen.phase === 'serving',
    20_000,
  );
}

test('GET /route tells home, who is in sync, where streams are active, and where sites are reached', async () => {
  expect(await route()).toEqual({
    term: 1,
    epoch: expect.any(Number),
    phase: 'serving',
    home: 'east',
    inSync: ['east', 'west'],
    joining: {},
    active: { orders: 'east', payments: 'east' },
    sites: ['east', 'west'].map((name) => ({ name, region: name, endpoint: `${api.url}/sites/${name}` })),
  });
});

describe('POST /streams/{name}/switchover', () => {
  test('moves a stream and tells what happened; where it is already, it says so', async () => {
    await commit('switch-1', event('orders', 'k', 1));
    const moved = await api.post<Incident>('/streams/orders/switchover', { to: 'west' });
    expect(moved).toMatchObject({
      status: 200,
      body: {
        kind: 'switchover',
        stream: 'orders',
        startedAt: ISO,
        endedAt: ISO,
        timeline: [{ at: ISO, what: anyText(/west/) }],
      },
    });
    expect((await route()).active).toEqual({ orders: 'west', payments: 'east' });
    const again = await api.post<Incident>('/streams/orders/switchover', { to: 'west' });
    expect(again).toMatchObject({
      status: 200,
      body: { kind: 'switchover', timeline: [{ what: anyText(/already/) }] },
    });
    await commit('switch-2', event('orders', 'k', 2));
    expect((await api.readAll('orders')).map(({ data }) => data)).toEqual([1, 2]);
    expect((await api.get<StreamAnswer>('/streams/orders')).body).toMatchObject({
      active: 'west',
      mirrors: [{ site: 'east', status: 'in-sync' }],
    });
    // Without a wish it goes to another one.
    expect(await api.post('/streams/orders/switchover')).toMatchObject({ status: 200 });
    expect((await route()).active).toMatchObject({ orders: 'east' });
  });

  test('goes to no replica that is behind, unless it is forced', async () => {
    await fault({ site: 'west', stream: 'payments', kind: 'down' });
    await commit('behind-1', event('payments', 'k', 'waits'));
    const refused = await api.post('/streams/payments/switchover', { to: 'west' });
    expect(refused).toMatchObject(refusal(409, 'ReplicaBehind', { retryable: true }));
    expect(await api.post('/streams/payments/switchover')).toMatchObject(refusal(409, 'ReplicaBehind'));
    expect((await route()).active).toMatchObject({ payments: 'east' });
    expect((await api.get<StreamAnswer>('/streams/payments')).body.mirrors).toMatchObject([{ status: 'behind' }]);
    expect(await api.post('/streams/payments/switchover', { to: 'west', force: true })).toMatchObject({ status: 200 });
    await fault();
    await eventually(
      'the backlog is drained',
      () => api.readAll('payments', 'site=west'),
      (events) => events.some(({ transactionid }) => transactionid === 'behind-1'),
    );
    await eventually(
      'it can go back',
      () => api.post('/streams/payments/switchover', { to: 'east' }),
      ({ status }) => status === 200,
    );
  }, 30_000);

  test('of what is not there is refused', async () => {
    expect(await api.post('/streams/nowhere/switchover')).toMatchObject(refusal(404, 'UnknownStream'));
    expect(await api.post('/streams/orders/switchover', { to: 'south' })).toMatchObject(refusal(400, 'InvalidRequest'));
  });

  test('happens by itself when the active replica takes no records, in the very request that met it', async () => {
    await fault({ site: 'east', stream: 'orders', kind: 'down' });
    expect(await commit('self-1', event('orders', 'k', 'self'))).toMatchObject({ status: 200, body: { replicas: 2 } });
    expect((await route()).active).toMatchObject({ orders: 'west' });
    const read = await api.readAll('orders');
    expect(read.map(({ transactionid }) => transactionid)).toContain('self-1');
    const { body } = await api.get<{ incidents: Incident[] }>('/incidents?limit=1');
    expect(body.incidents).toMatchObject([{ kind: 'switchover', stream: 'orders', site: 'east' }]);
    await fault();
    await eventually(
      'it can go back',
      () => api.post('/streams/orders/switchover', { to: 'east' }),
      ({ status }) => status === 200,
    );
    expect((await api.readAll('orders', 'site=east')).map(({ transactionid }) => transactionid)).toContain('self-1');
  }, 30_000);
});

test('POST /route/home moves home there and back, with clients at work', async () => {
  const begun = await api.post('/transactions', { id: 'move-open', streams: ['orders'] });
  expect(begun.status).toBe(201);
  const written = await api.done<{ events: { digest: string }[] }>('POST', '/transactions/move-open/events', {
    events: [event('orders', 'k', 'open')],
  });
  const before = await route();
  const over = new AbortController();
  const committed: string[] = [];
  const work = (async () => {
    for (let i = 0; !over.signal.aborted; i += 1) {
      const { status } = await commit(`move-${i}`, event('orders', `k${i}`), event('payments', `k${i}`));
      if (status === 200) committed.push(`move-${i}`);
      else expect(status).toBe(503);
    }
  })();
  const moved = await api.post<Incident>('/route/home', { to: 'west' });
  expect(moved).toMatchObject({ status: 200, body: { kind: 'planned-move', startedAt: ISO } });
  expect(await route()).toMatchObject({
    term: before.term + 1,
    home: 'west',
    inSync: expect.arrayContaining(['east', 'west']),
  });
  expect(await api.post('/route/home', { to: 'west' })).toMatchObject({
    status: 200,
    body: { kind: 'planned-move', timeline: [{ what: anyText(/already/) }] },
  });
  // What was open goes on under the new home.
  const digests = written.events.map(({ digest }) => digest);
  expect(await api.post('/transactions/move-open/commit', { digests })).toMatchObject({
    status: 200,
    body: { events: 1 },
  });
  await api.done('POST', '/route/home', { to: 'east' });
  expect(await route()).toMatchObject({ term: before.term + 2, home: 'east', phase: 'serving' });
  over.abort();
  await work;
  expect(committed.length).toBeGreaterThan(3);
  for (const site of ['east', 'west']) {
    const ids = (await api.readAll('orders', `site=${site}`)).map(({ transactionid }) => transactionid);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining([...committed, 'move-open']));
  }
  expect(await api.post('/route/home', { to: 'south' })).toMatchObject(refusal(400, 'InvalidRequest'));
}, 30_000);

describe('reconciliations', () => {
  test('compare two sites and give a proof that all is equal', async () => {
    for (let i = 0; i < 10; i += 1) await commit(`proof-${i}`, event('orders', `k${i}`), event('payments', `k${i}`));
    const started = await api.post<{ id: string }>('/reconciliations', { site: 'west' });
    expect(started).toMatchObject({ status: 202, body: { id: anyText(/^[A-Za-z0-9_-]{1,64}$/) } });
    const show = () => api.get<Reconciliation>(`/reconciliations/${started.body.id}`);
    const { body } = await eventually('it is done', show, ({ body: seen }) => seen.status !== 'running', 20_000);
    expect(body).toMatchObject({
      id: started.body.id,
      site: 'west',
      status: 'done',
      progress: 1,
      startedAt: ISO,
      endedAt: ISO,
      proof: { copied: 0, overruled: [], conflicts: [], gaps: [] },
    });
    const { proof } = body;
    expect([...(proof?.sites ?? [])].sort()).toEqual(['east', 'west']);
    expect(new Set(proof?.windows.map(({ stream }) => stream))).toEqual(new Set(['orders', 'payments']));
    for (const { after } of proof?.windows ?? []) {
      expect(Object.keys(after).sort()).toEqual(['east', 'west']);
      expect(after['east']).toEqual(after['west']);
      expect(after['east']!.log).toBe(after['east']!.stream);
    }
  }, 30_000);

  test('of some streams, from any entrance; of what is not there they are refused', async () => {
    const { body } = await api
      .at('west')
      .post<{ id: string }>('/reconciliations', { site: 'east', streams: ['payments'] });
    const { body: done } = await eventually(
      'it is done',
      () => api.get<Reconciliation>(`/reconciliations/${body.id}`),
      ({ body: seen }) => seen.status !== 'running',
    );
    expect(new Set(done.proof?.windows.map(({ stream }) => stream))).toEqual(new Set(['payments']));
    expect(await api.get('/reconciliations/nothing')).toMatchObject(refusal(404, 'NotFound'));
    expect(await api.post('/reconciliations', { site: 'south' })).toMatchObject(refusal(400, 'InvalidRequest'));
    expect(await api.post('/reconciliations', { site: 'west', streams: ['nowhere'] })).toMatchObject(
      refusal(404, 'UnknownStream'),
    );
  }, 30_000);
});

describe('incidents and conflicts', () => {
  test('come newest first, each once, over pages', async () => {
    const all = (await api.get<{ incidents: Incident[]; cursor?: string }>('/incidents?limit=1000')).body;
    expect(all.cursor).toBeUndefined();
    expect(all.incidents.length).toBeGreaterThan(3);
    expect(all.incidents.map(({ startedAt }) => startedAt)).toEqual(
      all.incidents
        .map(({ startedAt }) => startedAt)
        .sort()
        .reverse(),
    );
    const paged: Incident[] = [];
    let query = '';
    do {
      const { body } = await api.get<{ incidents: Incident[]; cursor?: string }>(`/incidents?limit=2${query}`);
      expect(body.incidents.length).toBeLessThanOrEqual(2);
      paged.push(...body.incidents);
      query = body.cursor === undefined ? '' : `&cursor=${encodeURIComponent(body.cursor)}`;
    } while (query !== '');
    expect(paged.map(({ id }) => id)).toEqual(all.incidents.map(({ id }) => id));
  });

  test('are empty where nothing happened, and refuse what is no cursor', async () => {
    expect((await api.get<{ conflicts: Conflict[] }>('/conflicts')).body).toEqual({ conflicts: [] });
    for (const path of ['/incidents', '/conflicts']) {
      expect(await api.get(`${path}?cursor=${encodeURIComponent('../x y')}`)).toMatchObject(
        refusal(400, 'InvalidRequest'),
      );
    }
  });
});

describe('GET /health', () => {
  const health = () => api.get<HealthAnswer>('/health');

  test('tells each site, stream and shard', async () => {
    await commit('health-1', event('orders', 'k'), event('payments', 'k'));
    const { body } = await eventually('all is well again', health, (seen) => seen.body.status === 'ok');
    expect(body.sites.map(({ site, state }) => [site, state])).toEqual([
      ['east', 'well'],
      ['west', 'well'],
    ]);
    for (const { streams } of body.sites) {
      expect(streams.map(({ stream, shards }) => [stream, shards.length]).sort()).toEqual([
        ['orders', 2],
        ['payments', 1],
      ]);
    }
  });

  test('is degraded while a site is gone, and 503 when all are', async () => {
    await fault({ site: 'west', kind: 'down' });
    expect(await health()).toMatchObject({
      status: 200,
      body: {
        status: 'degraded',
        sites: [
          { site: 'east', state: 'well' },
          { site: 'west', state: 'failed' },
        ],
      },
    });
    await fault({ site: 'west', part: 'tables', kind: 'down' }, { site: 'east', part: 'tables', kind: 'down' });
    const down = await health();
    expect(down).toMatchObject({ status: 503, body: { status: 'down' } });
    const refused = await commit('health-2', event('orders', 'k'));
    expect(refused).toMatchObject({ status: 503, body: { retryable: true } });
    await fault({ site: 'west', kind: 'down' }, { site: 'east', kind: 'down' });
    expect(await health()).toMatchObject({
      status: 503,
      body: {
        status: 'down',
        sites: [
          { site: 'east', state: 'failed' },
          { site: 'west', state: 'failed' },
        ],
      },
    });
    await fault();
    await eventually('it is well again', health, ({ body }) => body.status === 'ok', 20_000);
  }, 40_000);
});

test('GET /predictions tells who foresees, and what became of it', async () => {
  const { body } = await api.get<PredictionsAnswer>('/predictions');
  expect(body.model).toMatchObject({ name: 'predictor', version: expect.any(String) });
  const { written, confirmed, wrong, expired } = body.counts;
  expect(confirmed + wrong + expired).toBeLessThanOrEqual(written);
});

test('/sites/{site} enters at that site, with the same answers', async () => {
  const west = api.at('west');
  expect(await west.post('/commits', { id: 'enter-1', events: [event('orders', 'k')] })).toMatchObject({ status: 200 });
  expect(await api.get<TransactionLogEntry>('/transactions/enter-1')).toMatchObject({ body: { status: 'committed' } });
  expect((await west.get('/transactions/enter-1')).body).toEqual((await api.get('/transactions/enter-1')).body);
  expect((await west.get('/streams')).body).toEqual((await api.get('/streams')).body);
  expect((await west.get<RouteAnswer>('/route')).body).toEqual(await route());
  expect(await api.at('south').get('/route')).toMatchObject(refusal(404, 'NotFound'));
  // The switches stand in front of the sites, and are not theirs.
  expect(await west.get('/local/faults')).toMatchObject(refusal(404, 'NotFound'));
});

test('a site whose API is down answers nobody, and its clients find another one', async () => {
  await fault({ site: 'east', part: 'api', kind: 'down' });
  expect(await api.at('east').get('/route')).toMatchObject(refusal(503, 'Unavailable', { retryable: true }));
  expect(await api.at('east').post('/commits', { events: [event('orders', 'k')] })).toMatchObject({ status: 503 });
  expect(await commit('api-1', event('orders', 'k'))).toMatchObject({ status: 200 });
}, 30_000);

test('GET /openapi.json is OpenAPI 3.1 of all this', async () => {
  const { status, body } = await api.get<{ openapi: string; paths: object }>('/openapi.json');
  expect([status, body.openapi]).toEqual([200, anyText(/^3\.1\.\d$/)]);
  expect(Object.keys(body.paths)).toEqual(
    expect.arrayContaining([
      '/transactions',
      '/commits/batch',
      '/streams/{name}/events',
      '/route/home',
      '/local/faults',
    ]),
  );
});

describe('/local', () => {
  test('sets the whole list of faults and shows it', async () => {
    const faults: readonly Fault[] = [
      { site: 'west', stream: 'payments', shardId: 'shardId-000000000000', kind: 'flaky', rate: 0.1 },
      { site: 'west', part: 'tables', kind: 'slow', delayMs: 1 },
      { site: 'west', kind: 'throttle', rate: 0 },
    ];
    expect((await fault(...faults)).body).toEqual({ faults });
    expect((await api.get('/local/faults')).body).toEqual({ faults });
    expect((await fault()).body).toEqual({ faults: [] });
    expect((await api.get('/local/faults')).body).toEqual({ faults: [] });
  });

  test.each<[string, unknown]>([
    ['no list', {}],
    ['an unknown field', { faults: [{ site: 'east', kind: 'down', severity: 1 }] }],
    ['an unknown kind', { faults: [{ site: 'east', kind: 'burning' }] }],
    ['an unknown part', { faults: [{ site: 'east', part: 'roof', kind: 'down' }] }],
    ['a rate above 1', { faults: [{ site: 'east', kind: 'flaky', rate: 1.1 }] }],
    ['a negative delay', { faults: [{ site: 'east', kind: 'slow', delayMs: -1 }] }],
    ['no site', { faults: [{ kind: 'down' }] }],
    ['a site that is not there', { faults: [{ site: 'south', kind: 'down' }] }],
    ['a peer that is not there', { faults: [{ site: 'east', kind: 'partition', peer: 'south' }] }],
  ])('refuses faults with %s, and leaves those that are set', async (_, body) => {
    await fault({ site: 'west', kind: 'slow', delayMs: 1 });
    expect(await api.put('/local/faults', body)).toMatchObject(refusal(400, 'InvalidRequest'));
    expect((await api.get<{ faults: Fault[] }>('/local/faults')).body.faults).toHaveLength(1);
  });

  test('lets a part refuse load: 429 says when to come back', async () => {
    await fault({ site: (await route()).home, part: 'tables', kind: 'throttle', rate: 1 });
    const refused = await commit('throttled-1', event('orders', 'k'));
    expect(refused).toMatchObject(refusal(429, 'Throttled', { retryable: true }));
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await fault();
    expect(await commit('throttled-1', event('orders', 'k'))).toMatchObject({ status: 200 });
  });

  test('sets the distance', async () => {
    expect(await api.put('/local/network', { roundTripMs: 60 })).toMatchObject({
      status: 200,
      body: { roundTripMs: 60 },
    });
    const sentAt = Date.now();
    expect(await commit('far-1', event('orders', 'k'))).toMatchObject({ status: 200 });
    expect(Date.now() - sentAt).toBeGreaterThanOrEqual(55);
    expect(await api.put('/local/network', { roundTripMs: 0 })).toMatchObject({ status: 200 });
    for (const body of [
      {},
      { roundTripMs: -1 },
      { roundTripMs: 60_001 },
      { roundTripMs: '1' },
      { roundTripMs: 1, x: 1 },
    ]) {
      expect(await api.put('/local/network', body)).toMatchObject(refusal(400, 'InvalidRequest'));
    }
  });

  test('is never faulted itself', async () => {
    await fault({ site: 'east', kind: 'down' }, { site: 'west', kind: 'down' });
    expect((await api.get('/local/faults')).status).toBe(200);
    expect((await fault()).status).toBe(200);
  });
});

test('a site that home does not answer, alone, is told where home is: 421, and home answers there', async () => {
  const three = await startApi({ sites: ['east', 'west', 'north'] });
  try {
    await three.done('PUT', '/streams/orders', { mirrors: { count: 2 } });
    await three.put('/local/faults', { faults: [{ site: 'north', kind: 'partition', peer: 'east', oneWay: true }] });
    const north = three.at('north');
    const refused = await eventually(
      'north notices',
      () => north.post<{ endpoint?: string }>('/commits', { id: 'nothome-1', events: [event('orders', 'k')] }),
      ({ status }) => status !== 503,
    );
    expect(refused).toMatchObject(refusal(421, 'NotHome', { retryable: true, endpoint: `${three.url}/sites/east` }));
    // Nor is anybody kept waiting for what north has to read.
    const askedAt = Date.now();
    expect(await three.at('east').get('/streams/orders/events?site=north&waitMs=20000')).toMatchObject(
      refusal(503, 'Unavailable', { retryable: true }),
    );
    expect(Date.now() - askedAt).toBeLessThan(5_000);
    const home = new Api(refused.body.endpoint!);
    const committed = await home.post('/commits', { id: 'nothome-1', events: [event('orders', 'k')] });
    expect(committed).toMatchObject({ status: 200 });
    const seen = (await three.get<RouteAnswer>('/route')).body;
    expect([seen.home, seen.term]).toEqual(['east', 1]);
    await three.put('/local/faults', { faults: [] });
    await inSync(three, 3);
    expect(await three.readAll('orders', 'site=north')).toHaveLength(1);
  } finally {
    await three.close();
  }
}, 40_000);
