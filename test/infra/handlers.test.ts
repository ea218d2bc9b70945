/** What surrounds the use cases in the functions: API Gateway's requests. */
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { fromResponse, toRequest } from '../../lambdas/api/gateway.js';
import type { Problem } from '../../src/core/api.js';
import { createApp } from '../../src/http/app.js';
import { fakeService } from '../http/support/fake-service.js';

const event = (given: Partial<APIGatewayProxyEvent>): APIGatewayProxyEvent =>
  ({
    httpMethod: 'GET',
    path: '/health',
    body: null,
    isBase64Encoded: false,
    headers: {},
    multiValueHeaders: null,
    queryStringParameters: null,
    multiValueQueryStringParameters: null,
    ...given,
  }) as unknown as APIGatewayProxyEvent;

describe('a request of API Gateway', () => {
  test('keeps its path and every value of its query', () => {
    const query = { streams: ['a,b'], waitMs: ['100'], cursor: ['+/=&'] };
    const { url, method } = toRequest(event({ path: '/transactions/stream', multiValueQueryStringParameters: query }));
    const { pathname, searchParams } = new URL(url);
    expect([method, pathname]).toEqual(['GET', '/transactions/stream']);
    expect(Object.fromEntries(searchParams)).toEqual({ streams: 'a,b', waitMs: '100', cursor: '+/=&' });
  });

  test('keeps a parameter that is given twice, for the app to refuse', () => {
    const { url } = toRequest(event({ multiValueQueryStringParameters: { limit: ['1', '2'] } }));
    expect(new URL(url).searchParams.getAll('limit')).toEqual(['1', '2']);
  });

  test.each([
    ['as text', { body: '{"a":"ä"}', isBase64Encoded: false }],
    ['as base 64', { body: Buffer.from('{"a":"ä"}').toString('base64'), isBase64Encoded: true }],
  ])('keeps its body %s', async (_, given) => {
    const headers = { 'Content-Type': ['application/json'] };
    const request = toRequest(event({ httpMethod: 'POST', ...given, multiValueHeaders: headers }));
    expect(request.headers.get('content-type')).toBe('application/json');
    expect(await request.json()).toEqual({ a: 'ä' });
  });

  test('without the lists that an emulator leaves out', () => {
    const { url, headers } = toRequest(event({ queryStringParameters: { limit: '5' }, headers: { 'x-a': 'b' } }));
    expect([new URL(url).search, headers.get('x-a')]).toEqual(['?limit=5', 'b']);
  });

  test('a path that looks like a host stays a path', () => {
    expect(new URL(toRequest(event({ path: '//elsewhere/x' })).url).host).toBe('api.invalid');
  });
});

test('an answer goes back with its status, headers and text', async () => {
  const response = new Response('{"code":"Throttled"}', { status: 429, headers: { 'retry-after': '1' } });
  expect(await fromResponse(response)).toEqual({
    statusCode: 429,
    headers: expect.objectContaining({ 'retry-after': '1' }),
    body: '{"code":"Throttled"}',
  });
});

describe('what comes through API Gateway and cannot be right', () => {
  const post = (path: string, body: string): Partial<APIGatewayProxyEvent> => ({ httpMethod: 'POST', path, body });
  const WRONG: readonly (readonly [
    what: string,
    given: Partial<APIGatewayProxyEvent>,
    status: number,
    code: string,
  ])[] = [
    ['a malformed body', post('/commits', '{"events":'), 400, 'InvalidRequest'],
    ['a body that is no UTF-8', { ...post('/commits', '/w=='), isBase64Encoded: true }, 400, 'InvalidRequest'],
    [
      'a body over its limit',
      post('/commits', `{"events":"${'x'.repeat(8 * 1024 * 1024)}"}`),
      413,
      'TransactionTooLarge',
    ],
    ['no body', { httpMethod: 'POST', path: '/commits', body: null }, 400, 'InvalidRequest'],
    ['an unknown field', post('/commits', '{"events":[],"x":1}'), 400, 'InvalidRequest'],
    ['an unknown parameter', { queryStringParameters: { x: '1' } }, 400, 'InvalidRequest'],
    [
      'a parameter given twice',
      { path: '/incidents', multiValueQueryStringParameters: { limit: ['1', '2'] } },
      400,
      'InvalidRequest',
    ],
    ['an unknown path', { path: '/nowhere' }, 404, 'NotFound'],
    ['an unknown method', { httpMethod: 'DELETE', path: '/streams/orders' }, 405, 'MethodNotAllowed'],
    ['the switches of a local server', { path: '/local/faults' }, 404, 'NotFound'],
  ];

  test.each(WRONG)('%s is a problem document, and nothing is written', async (_, given, status, code) => {
    const service = fakeService();
    const { statusCode, headers, body } = await fromResponse(
      await createApp({ service }).fetch(
        toRequest(event({ headers: { 'content-type': 'application/json' }, ...given })),
      ),
    );
    expect([statusCode, headers?.['content-type']]).toEqual([status, 'application/problem+json']);
    expect(JSON.parse(body) as Problem).toMatchObject({ status, code, detail: expect.any(String) });
    expect(service.calls).toEqual([]);
  });
});
