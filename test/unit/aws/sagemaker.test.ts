import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { sageMakerEndpoint } from '../../../src/adapters/aws/sagemaker-endpoint.js';
import { remotePredictor } from '../../../src/app/remote-predictor.js';
import type { Predictor } from '../../../src/ports/predictor.js';

/** A server that answers as it is told, behind the real client. */

const CONTEXT = { id: 't', streams: ['orders'], startedAtMs: 0, nowMs: 0, events: [] };
const GOOD = { stream: 'orders', key: '1', type: 'paid', data: { n: 1 }, step: 1, probability: 0.5 };

let server: Server;
let client: SageMakerRuntimeClient;
let answer: { status: number; body: string } | 'never';
let asked: { path: string; body: { readonly contexts: readonly unknown[] } }[];
let nowMs: number;

beforeEach(async () => {
  asked = [];
  nowMs = 0;
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      asked.push({ path: request.url ?? '', body: JSON.parse(text) });
      if (answer === 'never') return;
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  client = new SageMakerRuntimeClient({
    region: 'eu-central-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
});
afterEach(async () => {
  client.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const predictor = (timeoutMs = 5000, learns = false): Predictor =>
  remotePredictor(sageMakerEndpoint(client, { endpointName: 'lockstep', timeoutMs }), { now: () => nowMs }, { learns });
const says = (body: unknown, status = 200): void => {
  answer = { status, body: typeof body === 'string' ? body : JSON.stringify(body) };
};
const metrics = async (of: Predictor) => (await of.describe()).metrics;

describe('a predictor behind a SageMaker endpoint', () => {
  it('is asked about many contexts at once, and answers for each', async () => {
    says({ candidates: [[GOOD], []], version: 'model-1' });
    const remote = predictor();
    expect(await remote.predict([CONTEXT, { ...CONTEXT, id: 'u' }])).toEqual([[GOOD], []]);
    expect(asked).toEqual([
      { path: '/endpoints/lockstep/invocations', body: { contexts: [CONTEXT, { ...CONTEXT, id: 'u' }] } },
    ]);
    expect(await remote.describe()).toMatchObject({
      version: 'model-1',
      metrics: { asked: 1, answered: 1, failed: 0 },
    });
  });

  it('says nothing where the endpoint fails: counted, never thrown', async () => {
    says('it broke', 500);
    const remote = predictor();
    expect(await remote.predict([CONTEXT])).toEqual([[]]);
    expect(await metrics(remote)).toMatchObject({ failed: 1, answered: 0 });
  });

  it('takes an empty answer for none', async () => {
    says('');
    const remote = predictor();
    expect(await remote.predict([CONTEXT])).toEqual([[]]);
    expect(await metrics(remote)).toMatchObject({ failed: 1, answered: 0 });
  });

  it('does not wait for one that is late', async () => {
    answer = 'never';
    const remote = predictor(50);
    expect(await remote.predict([CONTEXT])).toEqual([[]]);
    expect(await metrics(remote)).toMatchObject({ failed: 1 });
  });

  it.each([
    ['text', 'hello'],
    ['null', null],
    ['another shape', { predictions: [] }],
    ['too few lists', { candidates: [] }],
    ['no lists', { candidates: [{}] }],
  ])('takes garbage for no answer: %s', async (_what, body) => {
    says(body);
    const remote = predictor();
    expect(await remote.predict([CONTEXT])).toEqual([[]]);
    expect(await metrics(remote)).toMatchObject({ garbage: 1, answered: 0 });
  });

  it('leaves out candidates that are none, and keeps the others', async () => {
    const wrong = [
      { ...GOOD, probability: 1.5 },
      { ...GOOD, probability: 'high' },
      { ...GOOD, step: 0 },
      { ...GOOD, stream: 'no/stream' },
      { ...GOOD, key: '' },
      { ...GOOD, data: undefined },
      { ...GOOD, dataBase64: 'AA==' },
      null,
      7,
    ];
    says({ candidates: [[...wrong, GOOD]] });
    const remote = predictor();
    expect(await remote.predict([CONTEXT])).toEqual([[GOOD]]);
    expect(await metrics(remote)).toMatchObject({ answered: 1, dropped: wrong.length });
  });

  it('is left alone after three failures, and tried again later', async () => {
    says('it broke', 500);
    const remote = predictor();
    for (let i = 0; i < 10; i += 1) expect(await remote.predict([CONTEXT])).toEqual([[]]);
    expect(asked).toHaveLength(3);
    expect(await metrics(remote)).toMatchObject({ asked: 3, failed: 3, skipped: 7 });
    nowMs += 5_000;
    says({ candidates: [[GOOD]] });
    expect(await remote.predict([CONTEXT])).toEqual([[GOOD]]);
    expect(await remote.predict([CONTEXT])).toEqual([[GOOD]]);
  });

  it('splits what does not fit one request', async () => {
    says({ candidates: Array(256).fill([]) });
    const remote = predictor();
    expect(await remote.predict(Array(300).fill(CONTEXT))).toHaveLength(300);
    expect(asked.map(({ body }) => body.contexts.length).sort()).toEqual([256, 44].sort());
  });

  it('is sent what was committed only where it is to learn', async () => {
    says({ candidates: [] });
    const finished = [{ id: 't', startedAtMs: 0, endedAtMs: 1, events: [] }];
    await predictor().learn(finished);
    expect(asked).toEqual([]);
    await predictor(5000, true).learn(finished);
    expect(asked.map(({ body }) => body)).toEqual([{ contexts: [], finished }]);
  });
});
