import { canonicalJson } from '../../src/core/canonical-json.js';
import { fakeControls, fakeService } from './support/fake-service.js';
import type { FakeService } from './support/fake-service.js';
import { ask, Servers } from './support/running.js';

const servers = new Servers();
let service: FakeService;
let url: string;

beforeAll(async () => {
  service = fakeService();
  ({ url } = await servers.start(service, { siteServices: { east: service }, controls: fakeControls() }));
});
afterAll(() => servers.close());

/** Refused before it reached the service, and the server goes on. */
async function expectRefused(
  method: string,
  path: string,
  body: unknown,
  expected: { status?: number; code?: string; detail?: RegExp } = {},
  headers: Record<string, string> = {},
) {
  service.calls.splice(0);
  const reply = await ask(url + path, method, body, headers);
  const { status = 400, code = 'InvalidRequest', detail = /./ } = expected;
  expect([reply.status, reply.json.code]).toEqual([status, code]);
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  expect(reply.json.detail).toMatch(detail);
  expect(reply.json.detail.length).toBeLessThan(700);
  expect(service.calls).toEqual([]);
  expect((await ask(`${url}/health`)).status).toBe(200);
}

const EVENT = { stream: 'orders', key: 'k', type: 'placed', data: 1 };
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe.each([
  ['/commits', (event: unknown) => ({ events: [EVENT, event] })],
  ['/transactions/t1/events', (event: unknown) => ({ events: [event] })],
  ['/commits/batch', (event: unknown) => ({ commits: [{ events: [EVENT] }, { events: [event] }] })],
] as const)('an event in POST %s', (path, body) => {
  test.each<[string, unknown]>([
    ['with an unknown field', { ...EVENT, extra: 1 }],
    ['with __proto__', JSON.parse('{"stream":"orders","key":"k","type":"t","data":1,"__proto__":{"a":1}}')],
    ['without a stream', { key: 'k', type: 't', data: 1 }],
    ['of a stream with a bad name', { ...EVENT, stream: 'a b' }],
    ['of a stream with a name of 65 characters', { ...EVENT, stream: 'a'.repeat(65) }],
    ['without a key', { stream: 'orders', type: 't', data: 1 }],
    ['with an empty key', { ...EVENT, key: '' }],
    ['with a key of 257 characters', { ...EVENT, key: 'k'.repeat(257) }],
    ['with a number as key', { ...EVENT, key: 7 }],
    ['with half a surrogate pair as key', { ...EVENT, key: '\ud800' }],
    ['with half a surrogate pair as id', { ...EVENT, id: '\ud800' }],
    ['with an empty id', { ...EVENT, id: '' }],
    ['with an empty type', { ...EVENT, type: '' }],
    ['with a type of 257 characters', { ...EVENT, type: 't'.repeat(257) }],
    ['without data', { stream: 'orders', key: 'k', type: 't' }],
    ['with data and dataBase64', { ...EVENT, dataBase64: 'AA==' }],
    ['with data in base 64 without padding', { stream: 'orders', key: 'k', type: 't', dataBase64: 'AA' }],
    ['with data in base 64 with stray bits', { stream: 'orders', key: 'k', type: 't', dataBase64: 'AB==' }],
    ['with data in base 64 for URLs', { stream: 'orders', key: 'k', type: 't', dataBase64: '_-8=' }],
    ['with a time that is none', { ...EVENT, time: 'yesterday' }],
    ['with a day that is none', { ...EVENT, time: '2026-02-30T00:00:00Z' }],
    ['with a time without offset', { ...EVENT, time: '2026-02-01T00:00:00' }],
    ['with a negative expected version', { ...EVENT, expectedVersion: -1 }],
    ['with half an expected version', { ...EVENT, expectedVersion: 0.5 }],
    ['with an unsafe expected version', { ...EVENT, expectedVersion: 2 ** 53 }],
    ['with a string as expected version', { ...EVENT, expectedVersion: '1' }],
    ['that is a list', [EVENT]],
    ['that is null', null],
  ])('%s is refused', async (_, event) => {
    await expectRefused('POST', path, body(event));
  });

  test('nested 10,000 deep outside of data is refused', async () => {
    const text = JSON.stringify(body({ ...EVENT, key: 'DEEP' })).replace('"DEEP"', nested(10_000));
    await expectRefused('POST', path, text);
  });

  test('that is too many is TransactionTooLarge', async () => {
    const many = Array.from({ length: 501 }, () => EVENT);
    const text = JSON.stringify(body('HERE')).replace('"HERE"', JSON.stringify(many).slice(1, -1));
    await expectRefused('POST', path, text, { status: 413, code: 'TransactionTooLarge' });
  });
});

describe('a body', () => {
  const INVALID_UTF8 = Buffer.from(
    JSON.stringify({ events: [{ ...EVENT, data: 'X' }] }).replace('X', '\u00ff'),
    'latin1',
  );

  test.each<[string, string | Uint8Array, RegExp]>([
    ['that is not JSON', '{"events":', /not valid JSON/],
    ['that is no JSON in parts', '{"events":[]} {}', /not valid JSON/],
    ['that is invalid UTF-8', INVALID_UTF8, /UTF-8/],
    ['with overlong UTF-8', Buffer.from([0x22, 0xc0, 0x80, 0x22]), /UTF-8/],
    ['that is a string', '"events"', /object/],
    ['that is null', 'null', /object/],
    ['that is a list', '[]', /object/],
    ['nested 10,000 deep', nested(10_000), /object/],
    ['nested 10,000 deep in an unknown field', `{"events":[],"x":${nested(10_000)}}`, /x/],
    ['nested a million deep and never closed', '['.repeat(1_000_000), /JSON/],
    ['without events', '{}', /events/],
    ['with no events', '{"events":[]}', /events/],
    ['with an unknown field of a great length', `{"${'x'.repeat(1_000_000)}":1}`, /x/],
    ['with a hundred faults', JSON.stringify({ events: Array.from({ length: 100 }, () => 1) }), /and 97 more/],
  ])('%s is refused', async (_, text, detail) => {
    await expectRefused('POST', '/commits', text, { detail });
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonx',
    'application/json; charset=latin1',
    'multipart/form-data; boundary=x',
  ])('of type %s is refused', async (type) => {
    await expectRefused('POST', '/commits', { events: [EVENT] }, { detail: /content-type/ }, { 'content-type': type });
  });

  test.each(['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/cloudevents+json;charset="UTF-8"'])(
    'of type %s is taken',
    async (type) => {
      const reply = await ask(`${url}/commits`, 'POST', { events: [EVENT] }, { 'content-type': type });
      expect(reply.status).toBe(200);
    },
  );

  test('that is compressed is refused', async () => {
    const detail = /compressed/;
    await expectRefused('POST', '/commits', { events: [EVENT] }, { detail }, { 'content-encoding': 'gzip' });
  });

  test('with data nested 10,000 deep is left to the service to refuse, and does no harm', async () => {
    const strict = fakeService({
      commitOnce: async ({ events }) => {
        for (const event of events) canonicalJson(event.data);
        throw new Error('not reached');
      },
    });
    const deep = await servers.start(strict);
    const text = JSON.stringify({ events: [{ ...EVENT, data: 'DEEP' }] }).replace('"DEEP"', nested(10_000));
    const reply = await ask(`${deep.url}/commits`, 'POST', text);
    expect([reply.status, reply.json.code]).toEqual([400, 'InvalidRequest']);
  });

  test('longer than 8 MiB is TransactionTooLarge', async () => {
    const text = JSON.stringify({ events: [{ ...EVENT, data: 'x'.repeat(8 * 1024 * 1024) }] });
    await expectRefused('POST', '/commits', text, { status: 413, code: 'TransactionTooLarge' });
  });

  test('of a batch longer than 4 MiB is TransactionTooLarge', async () => {
    const text = JSON.stringify({ commits: [{ events: [{ ...EVENT, data: 'x'.repeat(4 * 1024 * 1024) }] }] });
    await expectRefused('POST', '/commits/batch', text, { status: 413, code: 'TransactionTooLarge' });
  });

  test('of just 8 MiB is taken', async () => {
    const empty = JSON.stringify({ events: [{ ...EVENT, data: '' }] });
    const text = JSON.stringify({ events: [{ ...EVENT, data: 'x'.repeat(8 * 1024 * 1024 - empty.length) }] });
    expect((await ask(`${url}/commits`, 'POST', text)).status).toBe(200);
  });
});

describe('a request', () => {
  test.each<[string, string, unknown]>([
    ['POST', '/transactions', {}],
    ['POST', '/transactions', { streams: [] }],
    ['POST', '/transactions', { streams: ['a b'] }],
    ['POST', '/transactions', { streams: Array.from({ length: 101 }, (_, i) => `s${i}`) }],
    ['POST', '/transactions', { streams: ['orders'], id: 'stream' }],
    ['POST', '/transactions', { streams: ['orders'], id: '' }],
    ['POST', '/transactions', { streams: ['orders'], id: 'a b' }],
    ['POST', '/transactions', { streams: ['orders'], id: 'a'.repeat(65) }],
    ['POST', '/transactions', { streams: ['orders'], deadlineMs: 999 }],
    ['POST', '/transactions', { streams: ['orders'], deadlineMs: 900_001 }],
    ['POST', '/transactions', { streams: ['orders'], replication: 'lazy' }],
    ['POST', '/transactions', { streams: ['orders'], mirrors: -1 }],
    ['POST', '/transactions', { streams: ['orders'], extra: true }],
    ['POST', '/transactions/stream/events', { events: [EVENT] }],
    ['POST', `/transactions/${'a'.repeat(65)}/events`, { events: [EVENT] }],
    ['GET', '/transactions/a%20b', undefined],
    ['GET', '/transactions/%FF', undefined],
    ['POST', '/transactions/t1/commit', {}],
    ['POST', '/transactions/t1/commit', { digests: ['AB'.repeat(32)] }],
    ['POST', '/transactions/t1/commit', { digests: ['ab'] }],
    ['POST', '/transactions/t1/commit', { digests: Array.from({ length: 501 }, () => 'ab'.repeat(32)) }],
    ['POST', '/transactions/t1/abort', { reason: '' }],
    ['POST', '/transactions/t1/abort', { why: 'x' }],
    ['POST', '/commits', { id: 'stream', events: [EVENT] }],
    ['POST', '/commits/batch', { commits: [] }],
    ['POST', '/commits/batch', { commits: Array.from({ length: 101 }, () => ({ events: [EVENT] })) }],
    ['POST', '/commits/batch', { commits: [{ events: [] }] }],
    ['GET', '/streams/a%20b', undefined],
    ['GET', '/streams/a%2Fb', undefined],
    ['PUT', '/streams/orders', { shards: 0 }],
    ['PUT', '/streams/orders', { shards: 101 }],
    ['PUT', '/streams/orders', { mirrors: { count: -1 } }],
    ['PUT', '/streams/orders', { mirrors: { create: 'later' } }],
    ['PUT', '/streams/orders', { mirrors: 1 }],
    ['PUT', '/streams/orders', { ordering: 'total' }],
    ['PUT', '/streams/orders', { conflict: { policy: 'luck' } }],
    ['PUT', '/streams/orders', { conflict: { policy: 'manual', by: 'commit' } }],
    ['PUT', '/streams/orders', { conflict: { policy: 'version-vector', otherwise: 'manual', by: 'event' } }],
    ['PUT', '/streams/orders', { conflict: { policy: 'function' } }],
    ['POST', '/conflicts/nonsense/resolution', { take: 'standing' }],
    ['POST', `/conflicts/${'0'.repeat(32)}/resolution`, {}],
    ['POST', `/conflicts/${'0'.repeat(32)}/resolution`, { take: 'mine' }],
    ['POST', `/conflicts/${'0'.repeat(32)}/resolution`, { take: 'standing', events: [] }],
    ['PUT', '/streams/orders', { conflict: { policy: 'last-write-wins', by: 'luck' } }],
    ['PUT', '/streams/orders', { retentionHours: 23 }],
    ['PUT', '/streams/orders', { scaling: { pool: 2 } }],
    ['PUT', '/streams/orders', { scaling: { shards: { min: 0, max: 2 } } }],
    ['POST', '/streams/orders/switchover', { to: 'West' }],
    ['POST', '/streams/orders/switchover', { force: 'yes' }],
    ['POST', '/route/home', {}],
    ['POST', '/reconciliations', { site: 'east', streams: [] }],
    ['PUT', '/local/network', { roundTripMs: -1 }],
    ['PUT', '/local/network', {}],
  ])('%s %s with %j is refused', async (method, path, body) => {
    await expectRefused(method, path, body);
  });

  test.each([
    '/streams/orders/events?limit=0',
    '/streams/orders/events?limit=1001',
    '/streams/orders/events?limit=1e2',
    '/streams/orders/events?limit=',
    '/streams/orders/events?limit=5&limit=5',
    '/streams/orders/events?waitMs=20001',
    '/streams/orders/events?waitMs=-1',
    '/streams/orders/events?site=West',
    '/streams/orders/events?extra=1',
    '/streams/orders/events?__proto__=1',
    '/streams/orders/events?limit=%FF',
    '/streams?extra',
    '/transactions?status=closed',
    '/transactions?olderThanMs=abc',
    '/transactions?limit=99999999999999999999',
    '/transactions/stream',
    '/transactions/stream?streams=',
    '/transactions/stream?streams=a,,b',
    '/transactions/t1?verbose=true',
    '/health?x=1',
    '/incidents?status=open',
  ])('GET %s is refused', async (path) => {
    await expectRefused('GET', path, undefined);
    await expectRefused('GET', `/sites/east${path}`, undefined);
  });

  test('POST with a query is refused', async () => {
    await expectRefused('POST', '/commits?dry-run=true', { events: [EVENT] }, { detail: /dry-run/ });
  });

  test.each(['', 'x'.repeat(4_097)])(
    'with a checkpoint of the wrong length is InvalidCheckpoint',
    async (checkpoint) => {
      const path = `/streams/orders/events?checkpoint=${checkpoint}`;
      await expectRefused('GET', path, undefined, { code: 'InvalidCheckpoint' });
    },
  );
});
