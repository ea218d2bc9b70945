import { createHash, createHmac } from 'node:crypto';
import { regionOf, signRequests } from '../../../src/adapters/aws/signing.js';

const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const EAST = 'https://abc123.execute-api.us-east-1.amazonaws.com/v1';
const sign = signRequests({ credentials: KEYS });

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** Signature Version 4 once more, by the book: what API Gateway computes from the request as it arrives. */
function signatureOf(method: string, url: string, headers: Readonly<Record<string, string>>, body: string): string {
  const { pathname, searchParams } = new URL(url);
  const [, scope, names] =
    /Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+),/.exec(headers['authorization'] ?? '') ?? [];
  const [day = '', region = '', service = ''] = (scope ?? '').split('/');
  const escaped = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (it) => `%${it.charCodeAt(0).toString(16).toUpperCase()}`);
  const query = [...searchParams].map(([name, value]) => `${escaped(name)}=${escaped(value)}`).sort();
  const signed = (names ?? '').split(';');
  const lines = signed.map((name) => `${name}:${headers[name]}\n`).join('');
  const path = pathname.split('/').map(escaped).join('/');
  const canonical = [method, path, query.join('&'), lines, names, sha256(body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = [region, service, 'aws4_request'].reduce<Buffer>(
    (made, part) => hmac(made, part),
    hmac(`AWS4${KEYS.secretAccessKey}`, day),
  );
  return hmac(key, toSign).toString('hex');
}

test.each([
  ['GET', '/streams/orders.v2/events?checkpoint=a%2Bb%2F%3D%26&limit=1&waitMs=0', ''],
  ['GET', '/transactions/stream?streams=a%2Cb', ''],
  ['POST', '/commits', '{"events":[{"data":"ü"}]}'],
  ['PUT', '/streams/orders', '{}'],
])('%s %s carries the signature that API Gateway computes', async (method, path, body) => {
  const url = `${EAST}${path}`;
  const headers = await sign({ method, url, headers: { accept: 'application/json' }, ...(body && { body }) });
  expect(headers).toMatchObject({ accept: 'application/json', host: 'abc123.execute-api.us-east-1.amazonaws.com' });
  const [, signature] = /Signature=([0-9a-f]{64})$/.exec(headers['authorization'] ?? '') ?? [];
  expect(signature).toBe(signatureOf(method, url, headers, body));
});

test('each endpoint is signed for the region of its site, with keys of the moment', async () => {
  let asked = 0;
  const signing = signRequests({
    credentials: async () => {
      asked += 1;
      return { ...KEYS, accessKeyId: `KEY${asked}`, sessionToken: 'token', expiration: new Date(0) };
    },
  });
  const scopes: string[] = [];
  for (const region of ['us-east-1', 'us-west-2', 'us-east-1']) {
    const url = `https://x.execute-api.${region}.amazonaws.com/v1/route`;
    const headers = await signing({ method: 'GET', url, headers: {} });
    expect(headers['x-amz-security-token']).toBe('token');
    scopes.push(
      /Credential=(KEY\d)\/\d+\/([^/]+\/[^/]+)/
        .exec(headers['authorization'] ?? '')!
        .slice(1)
        .join(' '),
    );
  }
  expect(scopes.map((scope) => scope.split(' ')[1])).toEqual([
    'us-east-1/execute-api',
    'us-west-2/execute-api',
    'us-east-1/execute-api',
  ]);
  // What has expired is not used again.
  expect(new Set(scopes.map((scope) => scope.split(' ')[0])).size).toBe(3);
});

test.each([
  ['https://abc.execute-api.eu-central-1.amazonaws.com/v1/route', undefined, 'eu-central-1'],
  ['https://abc.execute-api.cn-north-1.amazonaws.com.cn/v1', undefined, 'cn-north-1'],
  ['https://abc-vpce-1.execute-api.us-east-1.amazonaws.com/v1', undefined, 'us-east-1'],
  ['https://vpce-1-2.execute-api.us-east-1.vpce.amazonaws.com/v1', undefined, 'us-east-1'],
  ['https://events.example.com/v1', undefined, undefined],
  ['https://events.example.com/v1', 'us-west-2', 'us-west-2'],
  ['https://abc.execute-api.us-east-1.amazonaws.com/v1', 'us-west-2', 'us-east-1'],
  ['https://abc.execute-api.us-east-1.amazonaws.com.example.com/v1', undefined, undefined],
  ['http://127.0.0.1:4040/sites/east', 'us-east-1', undefined],
  ['http://127.0.0.1:4566/_aws/execute-api/abc/v1', undefined, undefined],
])('%s, with region %s given, is signed for %s', async (url, given, region) => {
  expect(regionOf(url, given)).toBe(region);
  const headers = { accept: 'x' };
  const signed = await signRequests({ credentials: KEYS, ...(given && { region: given }) })({
    method: 'GET',
    url,
    headers,
  });
  expect('authorization' in signed).toBe(region !== undefined);
  if (region === undefined) expect(signed).toEqual(headers);
});
