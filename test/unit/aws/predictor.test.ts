import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AwsConfig } from '../../../src/adapters/aws/config.js';
import { systemClock } from '../../../src/adapters/aws/environment.js';
import { predictorAt } from '../../../src/aws/predictor.js';
import { optionsSchema } from '../../../src/core/options.js';

/** Who foresees at a site on AWS, with real clients before a server of our own. */

const CONTEXT = { id: 't', streams: ['orders'], startedAtMs: 0, nowMs: 0, events: [] };
const WISH = { stream: 'orders', key: '1', type: 'paid', data: { n: 1 }, step: 1, probability: 0.5 };
const CONFIG: AwsConfig = { deployment: 'orders', site: 'west', sites: [{ name: 'west', region: 'us-west-2' }] };

let server: Server;
let url: string;
let paths: string[];
let status: number;
const before = { ...process.env };

beforeEach(async () => {
  paths = [];
  status = 200;
  server = createServer((request, response) => {
    paths.push(request.url ?? '');
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ version: 'of the endpoint', candidates: [[WISH]] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_ENDPOINT_URL: url });
});
afterEach(async () => {
  process.env = { ...before };
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const options = optionsSchema.parse({ predictionTimeoutMs: 4000 });
const predictor = (more: Partial<AwsConfig>) => predictorAt({ ...CONFIG, ...more }, options, systemClock);

describe('who foresees at a site on AWS', () => {
  test.each([
    ['an endpoint of SageMaker', () => ({ endpointName: 'orders-west' }), '/endpoints/orders-west/invocations'],
    ['a server of one’s own', () => ({ url: `${url}/mine/` }), '/mine/invocations'],
  ])('%s, where one is configured', async (_, given, path) => {
    const asked = predictor({ predictor: given() });
    expect(await asked.predict([CONTEXT])).toEqual([[WISH]]);
    expect(paths).toEqual([path]);
    expect(await asked.describe()).toMatchObject({ version: 'of the endpoint', metrics: { answered: 1 } });
  });

  test.each([
    ['an endpoint of SageMaker', () => ({ endpointName: 'orders-west' })],
    ['a server of one’s own', () => ({ url })],
  ])('%s that fails is asked once, counted, and costs nothing else', async (_, given) => {
    status = 503;
    const asked = predictor({ predictor: given() });
    expect(await asked.predict([CONTEXT])).toEqual([[]]);
    expect(paths).toHaveLength(1);
    expect((await asked.describe()).metrics).toMatchObject({ failed: 1, answered: 0 });
  });

  test('none is configured: nothing is asked, and what is committed is learned from here', async () => {
    const asked = predictor({});
    const events = ['placed', 'paid'].map((type, n) => ({ stream: 'orders', key: 'k', type, data: 1, atMs: n * 1000 }));
    const finished = Array.from({ length: 50 }, (_, n) => ({ id: `t-${n}`, startedAtMs: 0, endedAtMs: 2000, events }));
    await asked.learn(finished);
    const [answer] = await asked.predict([{ ...CONTEXT, events: events.slice(0, 1) }]);
    expect(answer?.[0]).toMatchObject({ type: 'paid', key: 'k', data: 1 });
    expect(paths).toEqual([]);
  });
});
