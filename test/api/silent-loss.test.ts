import type { Fault, Incident, RouteAnswer } from '../../src/core/api.js';
import { event, eventually, type RunningApi, startApi } from './support/api.js';

/** What the contract promises of the local server. */
const NOTICED_MS = 2_000;
const IN_SYNC_AGAIN_MS = 20_000;

let api: RunningApi;
beforeEach(async () => {
  api = await startApi({ roundTripMs: 10 });
  await api.done('PUT', '/streams/orders');
  await api.done('POST', '/commits', { id: 'before', events: [event('orders', 'k', 'before')] });
});
afterEach(() => api.close());

const fault = (...faults: readonly Fault[]) => api.done('PUT', '/local/faults', { faults });
const incidents = async () => (await api.get<{ incidents: Incident[] }>('/incidents')).body.incidents;

async function routeWith(what: string, holds: (route: RouteAnswer) => boolean, withinMs: number): Promise<RouteAnswer> {
  const look = async () => (await api.at('west').get<RouteAnswer>('/route')).body;
  return eventually(what, look, holds, withinMs);
}

async function mend(): Promise<void> {
  await fault();
  await routeWith('all sites are in sync again', ({ inSync }) => inSync.length === 2, IN_SYNC_AGAIN_MS);
  const [east, west] = [await api.readAll('orders', 'site=east'), await api.readAll('orders', 'site=west')];
  expect(east.map(({ id }) => id).sort()).toEqual(west.map(({ id }) => id).sort());
  expect(new Set(east.map(({ id }) => id)).size).toBe(east.length);
}

test('home falls silent: a request at the other site is answered there, within the time that a loss is noticed in', async () => {
  await fault({ site: 'east', kind: 'partition' });
  const sentAt = Date.now();
  const request = { id: 'during', events: [event('orders', 'k', 'during')] };
  const committed = await eventually(
    'west takes over and commits',
    () => api.at('west').post('/commits', request),
    ({ status }) => status === 200,
  );
  const tookMs = Date.now() - sentAt;
  expect(committed.body).toMatchObject({ replicas: 1, atRisk: true });
  expect(await api.at('west').get('/route')).toMatchObject({ body: { home: 'west', term: 2, phase: 'serving' } });
  expect(tookMs).toBeLessThan(NOTICED_MS + 1_000);
  await mend();
  expect((await api.readAll('orders')).map(({ data }) => data)).toEqual(['before', 'during']);
  expect((await incidents()).map(({ kind }) => kind)).toContain('takeover');
}, 60_000);

test('home falls silent and nobody asks: the other site takes over by itself', async () => {
  const faultedAt = Date.now();
  await fault({ site: 'east', kind: 'partition' });
  await routeWith('west is home', ({ home, phase }) => home === 'west' && phase === 'serving', 10_000);
  const takeover = (await incidents()).find(({ kind }) => kind === 'takeover');
  expect(Date.parse(takeover!.startedAt) - faultedAt).toBeLessThan(NOTICED_MS);
  await mend();
}, 60_000);

test('a follower falls silent and nobody asks: home leaves it', async () => {
  const faultedAt = Date.now();
  await fault({ site: 'west', kind: 'partition' });
  const look = async () => (await api.at('east').get<RouteAnswer>('/route')).body;
  await eventually('west is left', look, ({ inSync }) => inSync.length === 1, 10_000);
  const shrink = (await incidents()).find(({ kind }) => kind === 'shrink');
  expect(Date.parse(shrink!.startedAt) - faultedAt).toBeLessThan(NOTICED_MS);
  const alone = await api.post('/commits', { id: 'alone', events: [event('orders', 'k', 'alone')] });
  expect(alone).toMatchObject({ status: 200, body: { replicas: 1, atRisk: true } });
  await mend();
}, 60_000);

test('the front door finds the site that answers, whatever is lost', async () => {
  const lost: readonly Fault[] = [
    { site: 'east', kind: 'down' },
    { site: 'east', part: 'tables', kind: 'down' },
    { site: 'east', part: 'api', kind: 'down' },
  ];
  for (const [i, one] of lost.entries()) {
    await api.done('POST', '/route/home', { to: 'east' });
    await fault(one);
    const request = { id: `front-${i}`, events: [event('orders', 'k', i)] };
    const sentAt = Date.now();
    const committed = await eventually(
      `a commit with ${JSON.stringify(one)}`,
      () => api.post('/commits', request),
      ({ status }) => status === 200,
    );
    expect(committed.status).toBe(200);
    expect(Date.now() - sentAt).toBeLessThan(NOTICED_MS + 1_000);
    expect(await api.get(`/transactions/front-${i}`)).toMatchObject({ status: 200, body: { status: 'committed' } });
    await mend();
  }
  expect((await api.readAll('orders')).map(({ data }) => data)).toEqual(['before', 0, 1, 2]);
}, 120_000);
