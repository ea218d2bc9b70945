import type { StreamAnswer } from '../../src/core/api.js';
import { rawRequest } from '../http/support/running.js';
import { type Api, event, refusal, type RunningApi, startApi } from './support/api.js';

let api: RunningApi;
let before: Standing;
beforeAll(async () => {
  api = await startApi();
  await api.done('PUT', '/streams/orders');
  await api.done('PUT', '/streams/payments');
  await api.done('POST', '/transactions', { id: 'open', streams: ['orders'], deadlineMs: 600_000 });
  await api.done('POST', '/transactions/open/events', { events: [event('orders', 'k', 'mine', { id: 'e1' })] });
  await api.done('POST', '/transactions', { id: 'aborted', streams: ['orders'] });
  await api.done('POST', '/transactions/aborted/abort');
  await api.done('POST', '/transactions', { id: 'finished', streams: ['orders'] });
  await api.done('POST', '/transactions/finished/commit', { digests: [] });
  await api.done('POST', '/commits', { id: 'known', events: [event('orders', 'k', 'known')] });
  before = await standing(api);
});
afterAll(() => api.close());

interface Standing {
  readonly transactions: unknown;
  readonly streams: readonly string[];
  readonly events: readonly string[];
}

/** All that a request could have changed. */
async function standing(of: Api): Promise<Standing> {
  const { streams } = await of.done<{ streams: readonly StreamAnswer[] }>('GET', '/streams');
  const events = await Promise.all(streams.map(({ name }) => of.readAll(name)));
  return {
    transactions: await of.allTransactions(),
    streams: streams.map(({ name, policy }) => `${name} ${JSON.stringify(policy)}`),
    events: events.flat().map(({ id }) => id),
  };
}

/** Nothing was written, and the server answers. */
afterEach(async () => {
  expect(await standing(api)).toEqual(before);
  expect(await api.get('/health')).toMatchObject({ status: 200 });
});

const EVENT = event('orders', 'k', 1);
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
/** A body with a piece of JSON in it that no `JSON.stringify` would give. */
const withData = (data: string) =>
  JSON.stringify({ id: 'bad', events: [{ ...EVENT, data: 'HERE' }] }).replace('"HERE"', data);
const invalidUtf8 = Buffer.from(withData('"\u00ff"'), 'latin1');

/** Each kind of bad input with its requests: method, path, body, and status and code of the refusal. */
const KINDS: Readonly<Record<string, readonly (readonly ['GET' | 'POST' | 'PUT', string, unknown, number, string])[]>> =
  {
    'malformed JSON': [
      ['POST', '/commits', '{"id":"bad","events":[', 400, 'InvalidRequest'],
      ['POST', '/transactions', 'streams=orders', 400, 'InvalidRequest'],
      ['POST', '/transactions/open/events', '{"events":[}', 400, 'InvalidRequest'],
      ['PUT', '/streams/bad', '{shards:1}', 400, 'InvalidRequest'],
    ],
    'unknown fields': [
      ['POST', '/commits', { id: 'bad', events: [EVENT], extra: 1 }, 400, 'InvalidRequest'],
      ['POST', '/commits', { id: 'bad', events: [{ ...EVENT, extra: 1 }] }, 400, 'InvalidRequest'],
      ['POST', '/transactions', { id: 'bad', streams: ['orders'], timeout: 1 }, 400, 'InvalidRequest'],
      ['POST', '/commits/batch', { commits: [{ id: 'bad', events: [EVENT], x: 1 }] }, 400, 'InvalidRequest'],
      ['PUT', '/streams/bad', { shard: 1 }, 400, 'InvalidRequest'],
      ['PUT', '/streams/bad', { mirrors: { number: 1 } }, 400, 'InvalidRequest'],
      ['POST', '/streams/orders/switchover', { site: 'west' }, 400, 'InvalidRequest'],
    ],
    'unknown query parameters': [
      ['POST', '/commits?dryRun=true', { id: 'bad', events: [EVENT] }, 400, 'InvalidRequest'],
      ['GET', '/streams/orders/events?from=0', undefined, 400, 'InvalidRequest'],
      ['GET', '/transactions/open?verbose=1', undefined, 400, 'InvalidRequest'],
      ['PUT', '/streams/bad?force=true', {}, 400, 'InvalidRequest'],
    ],
    'wrong types': [
      ['POST', '/commits', { id: 'bad', events: EVENT }, 400, 'InvalidRequest'],
      ['POST', '/commits', { id: 7, events: [EVENT] }, 400, 'InvalidRequest'],
      ['POST', '/commits', { id: 'bad', events: [{ ...EVENT, expectedVersion: '0' }] }, 400, 'InvalidRequest'],
      ['POST', '/transactions', { id: 'bad', streams: 'orders' }, 400, 'InvalidRequest'],
      ['POST', '/transactions/open/commit', { digests: [1] }, 400, 'InvalidRequest'],
      ['PUT', '/streams/bad', { shards: '2' }, 400, 'InvalidRequest'],
      ['GET', '/streams/orders/events?limit=ten', undefined, 400, 'InvalidRequest'],
    ],
    'one byte more than 1 MiB': [
      ['POST', '/commits', { id: 'bad', events: [{ ...EVENT, data: 'x'.repeat(1_048_577) }] }, 413, 'EventTooLarge'],
      [
        'POST',
        '/transactions/open/events',
        { events: [{ ...EVENT, data: 'x'.repeat(1_048_577) }] },
        413,
        'EventTooLarge',
      ],
    ],
    '501 events': [
      ['POST', '/commits', { id: 'bad', events: Array.from({ length: 501 }, () => EVENT) }, 413, 'TransactionTooLarge'],
      [
        'POST',
        '/transactions/open/events',
        { events: Array.from({ length: 501 }, () => EVENT) },
        413,
        'TransactionTooLarge',
      ],
    ],
    'an unknown stream': [
      ['POST', '/commits', { id: 'bad', events: [EVENT, event('nowhere', 'k')] }, 404, 'UnknownStream'],
      ['POST', '/transactions', { id: 'bad', streams: ['nowhere'] }, 404, 'UnknownStream'],
      ['GET', '/streams/nowhere/events', undefined, 404, 'UnknownStream'],
      ['POST', '/streams/nowhere/switchover', {}, 404, 'UnknownStream'],
    ],
    'a bad key': [
      ['POST', '/commits', { id: 'bad', events: [{ ...EVENT, key: '' }] }, 400, 'InvalidRequest'],
      ['POST', '/commits', { id: 'bad', events: [{ ...EVENT, key: 'k'.repeat(257) }] }, 400, 'InvalidRequest'],
      ['POST', '/transactions/open/events', { events: [{ ...EVENT, key: 'k'.repeat(257) }] }, 400, 'InvalidRequest'],
    ],
    'a foreign transaction': [
      ['POST', '/transactions/foreign/events', { events: [EVENT] }, 404, 'UnknownTransaction'],
      ['POST', '/transactions/foreign/commit', { digests: [] }, 404, 'UnknownTransaction'],
      ['POST', '/transactions/foreign/abort', {}, 404, 'UnknownTransaction'],
      ['POST', '/transactions/open/events', { events: [event('payments', 'k')] }, 400, 'InvalidRequest'],
    ],
    'a finished transaction': [
      ['POST', '/transactions/finished/events', { events: [EVENT] }, 409, 'TransactionCommitted'],
      ['POST', '/transactions/finished/abort', {}, 409, 'TransactionCommitted'],
      ['POST', '/transactions/aborted/events', { events: [EVENT] }, 409, 'TransactionAborted'],
      ['POST', '/transactions/aborted/commit', { digests: [] }, 409, 'TransactionAborted'],
    ],
    'the same id with other content': [
      ['POST', '/commits', { id: 'known', events: [EVENT] }, 422, 'IdempotencyMismatch'],
      ['POST', '/commits', { id: 'open', events: [EVENT] }, 422, 'IdempotencyMismatch'],
      ['POST', '/transactions', { id: 'open', streams: ['payments'] }, 422, 'IdempotencyMismatch'],
      ['POST', '/transactions/open/events', { events: [{ ...EVENT, id: 'e1' }] }, 422, 'IdempotencyMismatch'],
      ['POST', '/transactions/finished/commit', { digests: ['ab'.repeat(32)] }, 422, 'IdempotencyMismatch'],
    ],
    'invalid UTF-8': [
      ['POST', '/commits', invalidUtf8, 400, 'InvalidRequest'],
      ['GET', '/streams/orders/events?checkpoint=%FF', undefined, 400, 'InvalidRequest'],
      ['POST', '/commits', withData('"\\ud800"'), 400, 'InvalidRequest'],
      ['POST', '/commits', withData('{"\\udfff":1}'), 400, 'InvalidRequest'],
    ],
    '10,000-deep nesting': [
      ['POST', '/commits', withData(nested(10_000)), 400, 'InvalidRequest'],
      ['POST', '/commits', withData('{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)), 400, 'InvalidRequest'],
      ['POST', '/commits', nested(10_000), 400, 'InvalidRequest'],
      ['POST', '/transactions/open/events', `{"events":${nested(10_000)}}`, 400, 'InvalidRequest'],
    ],
  };

describe.each(Object.entries(KINDS))('%s', (_kind, requests) => {
  test.each(requests)('%s %s', async (method, path, body, status, code) => {
    const answer = await api.ask(method, path, body);
    expect(answer).toMatchObject(refusal(status, code, { retryable: false }));
    expect((answer.body as { detail: string }).detail.length).toBeLessThan(700);
    expect(await api.at('west').ask(method, path, body)).toMatchObject(refusal(status, code));
  });
});

test('in a batch, what is too large or unknown is refused alone', async () => {
  const commits = [
    { id: 'bad-1', events: [{ ...EVENT, data: 'x'.repeat(1_048_577) }] },
    { id: 'bad-2', events: [event('nowhere', 'k')] },
    { id: 'known', events: [EVENT] },
  ];
  const { status, body } = await api.post<{ results: { problem: { code: string } }[] }>('/commits/batch', { commits });
  expect(status).toBe(200);
  const codes = body.results.map(({ problem }) => problem.code);
  expect(codes).toEqual(['EventTooLarge', 'UnknownStream', 'IdempotencyMismatch']);
});

describe('a body that stops half-way', () => {
  const head = (length: number) =>
    `POST /commits HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
  const half = '{"id":"bad","events":[{"stream":"orders",';

  test.each(['end', 'destroy'] as const)('with the client going away (%s)', async (how) => {
    const received = await rawRequest(Number(new URL(api.url).port), [head(1_000), half], how);
    expect(received).not.toMatch(/^HTTP\/1\.1 [235]/);
  });

  test('in the middle of a chunk', async () => {
    const chunked =
      'POST /commits HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const received = await rawRequest(Number(new URL(api.url).port), [chunked, `400\r\n${half}`], 'end');
    expect(received).not.toMatch(/^HTTP\/1\.1 [235]/);
  });
});
