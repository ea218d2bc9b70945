import type { Conflict, Fault, Incident, StreamAnswer } from '../../src/core/api.js';
import { anyText, event, eventually, ISO, refusal, type RunningApi, startApi } from './support/api.js';

const KEYS = ['a', 'b', 'c', 'd', 'e'];

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
  await api.done('PUT', '/streams/orders');
});
afterAll(() => api.close());

const fault = (...faults: readonly Fault[]) => api.done('PUT', '/local/faults', { faults });
const commit = (id: string, key: string) => api.done('POST', '/commits', { id, events: [event('orders', key, id)] });

test('a forced takeover is told, and what both sides wrote is listed with both versions, page by page', async () => {
  await fault({ site: 'west', kind: 'down' });
  for (const key of [...KEYS, 'only-east']) await commit(`east-${key}`, key);
  await fault({ site: 'east', kind: 'down' });
  const clean = await api.post('/route/home', { to: 'west' });
  expect(clean).toMatchObject(refusal(409, 'ReplicaBehind', { retryable: true }));
  const forced = await api.post<Incident>('/route/home', { to: 'west', force: true });
  expect(forced).toMatchObject({ status: 200, body: { kind: 'unclean-takeover', startedAt: ISO } });
  for (const key of [...KEYS, 'only-west']) await commit(`west-${key}`, key);
  await fault();
  await eventually(
    'east is back, and its replica filled anew',
    () => api.get<StreamAnswer>('/streams/orders'),
    ({ body }) => body.mirrors[0]?.site === 'east' && body.mirrors[0].status === 'in-sync',
    20_000,
  );

  const paged: Conflict[] = [];
  let query = '';
  do {
    const { body } = await api.get<{ conflicts: Conflict[]; cursor?: string }>(`/conflicts?limit=2${query}`);
    expect(body.conflicts.length).toBeLessThanOrEqual(2);
    paged.push(...body.conflicts);
    query = body.cursor === undefined ? '' : `&cursor=${encodeURIComponent(body.cursor)}`;
  } while (query !== '');
  expect(paged.map(({ key }) => key).sort()).toEqual(KEYS);
  for (const { key, winner, loser, ...rest } of paged) {
    expect(rest).toMatchObject({ stream: 'orders', policy: anyText(/last-write-wins/), resolvedAt: ISO });
    // The later commit wins, and that was west's.
    expect([winner.transactionId, winner.site]).toEqual([`west-${key}`, 'west']);
    expect([loser.site, loser.events.map(({ data }) => data)]).toEqual(['east', [`east-${key}`]]);
  }
  const [east, west] = [await api.readAll('orders', 'site=east'), await api.readAll('orders', 'site=west')];
  expect(west.map(({ data }) => data)).toEqual(expect.arrayContaining(['east-only-east', 'west-only-west']));
  expect(west.map(({ data }) => data)).toEqual(expect.arrayContaining(KEYS.map((key) => `west-${key}`)));
  expect(new Set(west.map(({ id }) => id)).size).toBe(west.length);
  expect(east.map(({ id }) => id).sort()).toEqual(west.map(({ id }) => id).sort());
}, 60_000);

test('a server that is closed while a site comes back does not wait until it is back', async () => {
  const other = await startApi({ creationMs: 5_000 });
  await other.done('PUT', '/streams/orders', { mirrors: { count: 0 } });
  await other.done('PUT', '/streams/orders', { mirrors: { count: 1 } });
  await other.done('PUT', '/local/faults', { faults: [{ site: 'west', kind: 'down' }] });
  await other.done('POST', '/commits', { events: [event('orders', 'k')] });
  await other.done('PUT', '/local/faults', { faults: [] });
  await eventually(
    'west begins to come back',
    () => other.get<{ incidents: Incident[] }>('/incidents?limit=1'),
    ({ body }) => body.incidents[0]?.kind === 'return',
  );
  const closedAt = Date.now();
  await other.close();
  expect(Date.now() - closedAt).toBeLessThan(3_000);
}, 40_000);
