import fc from 'fast-check';
import type { Problem } from '../../src/core/api.js';
import { LOCAL_ROUTES } from '../../src/http/local-routes.js';
import { ROUTES } from '../../src/http/routes.js';
import { event, type RunningApi, startApi } from './support/api.js';

/** What the contract lets a server say that cannot do its work just now. */
const DOCUMENTED = ['NotEnoughReplicas', 'Undetermined', 'Unavailable'];
const RUNS = 60;

let api: RunningApi;
beforeAll(async () => {
  api = await startApi({ sites: ['east', 'west', 'north'] });
  await api.done('PUT', '/streams/orders');
  await api.done('PUT', '/streams/ledger', { ordering: 'versioned' });
  await api.done('POST', '/transactions', { id: 'open', streams: ['orders', 'ledger'], deadlineMs: 900_000 });
});
afterAll(() => api.close());

const EVENT = event('orders', 'k', { a: [1, null] }, { id: 'e', time: '2026-01-01T00:00:00Z', expectedVersion: 0 });

/** A good body of each request, to be spoilt. */
const GOOD: Readonly<Record<string, object>> = {
  begin: { id: 'open', streams: ['orders'], deadlineMs: 5_000, replication: 'eager', mirrors: 1 },
  write: { events: [EVENT, { ...EVENT, id: 'f', stream: 'ledger' }] },
  commit: { digests: ['ab'.repeat(32)] },
  abort: { reason: 'why' },
  commitOnce: { id: 'once', events: [EVENT, { ...EVENT, stream: 'ledger' }] },
  commitBatch: { commits: [{ id: 'one', events: [EVENT] }, { events: [{ ...EVENT, stream: 'ledger' }] }] },
  putStream: {
    shards: 2,
    mirrors: { count: 1, create: 'now' },
    ordering: 'arrival',
    conflict: { policy: 'last-write-wins', by: 'event' },
    failback: 'stay',
    retentionHours: 24,
  },
  switchover: { to: 'west', force: false },
  moveHome: { to: 'west', force: false },
  reconcile: { site: 'west', streams: ['orders'] },
  setNetwork: { roundTripMs: 0 },
  // Faults would have their effect on all that follows: only what is no list of faults is sent.
};

const strangeText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '',
    'open',
    'stream',
    '__proto__',
    'constructor',
    '../..',
    '\u0000',
    '\ud800',
    'orders',
    'west',
    'east',
  ),
);
const strange = fc.oneof(
  fc.jsonValue({ stringUnit: 'binary' }),
  strangeText,
  fc.constantFrom<unknown>(null, true, 0, -1, 0.5, 1e308, 2 ** 53, [], {}, [[]], 'x'.repeat(300)),
);

/** A good value with something in it replaced, left out or added. */
function spoilt(good: unknown): fc.Arbitrary<unknown> {
  if (typeof good !== 'object' || good === null) return strange;
  const members = Object.entries(good);
  const replaced = members.map(([name, value]) => spoilt(value).map((other) => withMember(good, name, other)));
  const leftOut = members.map(([name]) => fc.constant(withoutMember(good, name)));
  const added = fc.tuple(strangeText, strange).map(([name, value]) => withMember(good, name, value));
  return fc.oneof(
    { weight: 6, arbitrary: fc.oneof(...replaced, added) },
    { weight: 1, arbitrary: fc.oneof(...leftOut, strange) },
  );
}

function withMember(good: object, name: string, value: unknown): unknown {
  if (Array.isArray(good)) return Object.hasOwn(good, name) ? good.toSpliced(Number(name), 1, value) : [...good, value];
  return Object.fromEntries([...Object.entries(good).filter(([other]) => other !== name), [name, value]]);
}

function withoutMember(good: object, name: string): unknown {
  if (Array.isArray(good)) return good.toSpliced(Number(name), 1);
  return Object.fromEntries(Object.entries(good).filter(([other]) => other !== name));
}

async function expectNoCrash(method: 'GET' | 'POST' | 'PUT', path: string, body?: string): Promise<void> {
  const reply = await api.ask<Problem>(method, path, body);
  if (reply.status >= 500) expect([reply.status, DOCUMENTED]).toEqual([503, expect.arrayContaining([reply.body.code])]);
}

const WITH_BODY = [...ROUTES, ...LOCAL_ROUTES].filter(({ body }) => body !== undefined);

test.each(WITH_BODY.map((route) => [route.method, route.path, route] as const))(
  '%s %s answers any body with what the contract knows',
  async (method, path, { operation }) => {
    const named = path.replace('{id}', 'open').replace('{name}', 'orders');
    const good = GOOD[operation];
    const body = good === undefined ? strange : fc.oneof(strange, spoilt(good), spoilt(good), fc.constant(good));
    await fc.assert(
      fc.asyncProperty(body, async (value) => expectNoCrash(method, named, JSON.stringify(value))),
      { numRuns: RUNS, endOnFailure: true },
    );
    expect(await api.get('/health')).toMatchObject({ status: 200 });
  },
  60_000,
);

test('text that is almost JSON is answered on every route', async () => {
  const text = fc
    .tuple(
      fc.constantFrom(...Object.values(GOOD)),
      fc.nat(),
      fc.nat({ max: 3 }),
      fc.string({ unit: 'binary', maxLength: 3 }),
    )
    .map(([good, at, length, other]) => {
      const json = JSON.stringify(good);
      const start = at % json.length;
      return (json.slice(0, start) + other + json.slice(start + length)).toWellFormed();
    });
  const path = fc.constantFrom(
    '/commits',
    '/transactions',
    '/commits/batch',
    '/transactions/open/events',
    '/streams/orders',
  );
  await fc.assert(
    fc.asyncProperty(path, text, async (where, body) => {
      await expectNoCrash(where === '/streams/orders' ? 'PUT' : 'POST', where, body);
    }),
    { numRuns: 200, endOnFailure: true },
  );
}, 60_000);

test('any path and query is answered', async () => {
  const segment = strangeText.map((text) => encodeURIComponent(text.toWellFormed()));
  const query = fc
    .array(
      fc.tuple(
        fc.constantFrom('checkpoint', 'limit', 'cursor', 'status', 'site', 'streams', 'olderThanMs', 'x'),
        segment,
      ),
      {
        maxLength: 3,
      },
    )
    .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('&'));
  const template = fc.constantFrom(...ROUTES.filter(({ method }) => method === 'GET').map(({ path }) => path));
  await fc.assert(
    fc.asyncProperty(template, segment, query, fc.boolean(), async (where, name, search, isKnown) => {
      const path = where.replaceAll(/\{\w+\}/g, isKnown ? 'orders' : name);
      await expectNoCrash('GET', search === '' ? path : `${path}?${search}`);
    }),
    { numRuns: 300, endOnFailure: true },
  );
}, 60_000);

test('the server is as well as before', async () => {
  await api.done('POST', '/route/home', { to: 'east' });
  const committed = await api.post('/commits', { events: [event('orders', 'after', 'all of that')] });
  expect(committed).toMatchObject({ status: 200, body: { atRisk: false } });
});
