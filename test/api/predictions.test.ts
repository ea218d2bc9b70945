import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readTransaction } from '../../src/app/log.js';
import type { BeginAnswer, CommitAnswer, EventIn, PredictionsAnswer, WriteAnswer } from '../../src/core/api.js';
import { prepareEvent } from '../../src/core/event.js';
import { type RunningApi, eventually, event, startApi } from './support/api.js';

/** Orders that all go the same way: the predictor in process sees that soon. */
const order = (id: string): readonly EventIn[] =>
  ['placed', 'paid', 'packed', 'shipped'].map((type) => event('orders', id, { order: id, state: type }, { type }));

const predictions = async (api: RunningApi) => (await api.get<PredictionsAnswer>('/predictions')).body;

async function taught(predictorEndpoint?: string): Promise<RunningApi> {
  const endpoint = predictorEndpoint === undefined ? {} : { predictorEndpoint };
  const api = await startApi({ roundTripMs: 40, options: { predictionPeriodMs: 20 }, ...endpoint });
  await api.done('PUT', '/streams/orders', {});
  const commits = Array.from({ length: 60 }, (_, n) => ({ id: `past-${n}`, events: order(`past-${n}`) }));
  await api.done('POST', '/commits/batch', { commits });
  // So many kinds of events, and ends, have been learned at the mirror.
  const enough = ({ model }: PredictionsAnswer) => (model.metrics['steps'] ?? 0) >= 60 * 5;
  await eventually('the predictor has learned them', () => predictions(api), enough);
  return api;
}

/** What the mirror has announced that it holds, by digest, as home knows it. */
async function announced(api: RunningApi, id: string): Promise<readonly string[]> {
  const east = api.engine.nodes.get('east');
  if (!east) throw new Error('there is no east');
  const state = await readTransaction(east.site, id);
  return state.announced.flatMap(({ bare }) => bare);
}

/** Writes each event once the mirror has foreseen it, as a client does that thinks in between. */
async function written(api: RunningApi, id: string): Promise<{ digests: readonly string[]; foreseen: number }> {
  await api.done<BeginAnswer>('POST', '/transactions', { id, streams: ['orders'] });
  const digests: string[] = [];
  let foreseen = 0;
  for (const [number, one] of order(id).entries()) {
    const { digest } = prepareEvent(one);
    if (number > 0)
      await eventually(
        `${one.type} is foreseen`,
        () => announced(api, id),
        (all) => all.includes(digest),
      );
    const { events } = await api.done<WriteAnswer>('POST', `/transactions/${id}/events`, { events: [one] });
    digests.push(...events.map((each) => each.digest));
    foreseen += events.filter((each) => each.foreseen.includes('west')).length;
  }
  return { digests, foreseen };
}

test('writes are foreseen, home is killed before the commit, and the commit with its digests succeeds elsewhere', async () => {
  const api = await taught();
  try {
    const { digests, foreseen } = await written(api, 'order-1');
    expect(foreseen).toBe(3);
    await api.done('PUT', '/local/faults', { faults: [{ site: 'east', kind: 'down' }] });
    const committed = await api.done<CommitAnswer>('POST', '/transactions/order-1/commit', { digests });
    expect(committed).toMatchObject({ status: 'committed', events: 4, atRisk: true });
    const read = (await api.readAll('orders')).filter(({ transactionid }) => transactionid === 'order-1');
    expect(read.map(({ type }) => type)).toEqual(['placed', 'paid', 'packed', 'shipped']);
  } finally {
    await api.close();
  }
}, 60_000);

test('GET /predictions counts what was foreseen, and the waiting that it saved', async () => {
  const api = await taught();
  try {
    const { digests, foreseen } = await written(api, 'order-2');
    await api.done('POST', '/transactions/order-2/commit', { digests });
    const told = await eventually(
      'it is counted',
      () => predictions(api),
      ({ counts }) => counts.confirmed > 0,
    );
    expect(foreseen).toBe(3);
    expect(told.counts.confirmed).toBeGreaterThanOrEqual(3);
    expect(told.waitSavedMs).toBeGreaterThan(0);
    expect(told.model.trainingWindow).toBeDefined();
  } finally {
    await api.close();
  }
}, 60_000);

/** A predictor of one's own, which answers what it is told to. @returns its URL, and what ends it */
async function endpoint(answer: (contexts: readonly unknown[]) => { status?: number; body: string } | 'never') {
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      const { contexts } = JSON.parse(text) as { contexts: readonly unknown[] };
      const given = answer(contexts);
      if (given === 'never') return;
      response.writeHead(given.status ?? 200, { 'content-type': 'application/json' });
      response.end(given.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}/`, close };
}

test('a predictor of one’s own is asked first: what only it knows is foreseen', async () => {
  // Nobody has ever committed it.
  const odd = { stream: 'orders', key: 'order-3', type: 'odd', data: { order: 'order-3' }, step: 1, probability: 0.9 };
  const own = await endpoint((contexts) => ({
    body: JSON.stringify({ version: 'of my own', candidates: contexts.map(() => [odd]) }),
  }));
  const api = await startApi({ roundTripMs: 40, predictorEndpoint: own.url });
  try {
    await api.done('PUT', '/streams/orders', {});
    await api.done<BeginAnswer>('POST', '/transactions', { id: 'order-3', streams: ['orders'] });
    const [first] = order('order-3');
    await api.done('POST', '/transactions/order-3/events', { events: [first] });
    const wanted = event('orders', 'order-3', { order: 'order-3' }, { type: 'odd' });
    const { digest } = prepareEvent(wanted);
    await eventually(
      'it is announced',
      () => announced(api, 'order-3'),
      (all) => all.includes(digest),
    );
    const { events } = await api.done<WriteAnswer>('POST', '/transactions/order-3/events', { events: [wanted] });
    expect(events.map(({ foreseen }) => foreseen)).toEqual([['west']]);
    expect((await predictions(api)).model).toMatchObject({ version: 'of my own' });
  } finally {
    await api.close();
    own.close();
  }
}, 60_000);

test.each([
  ['fails', () => ({ status: 500, body: 'it broke' })],
  ['answers garbage', () => ({ body: '{"candidates":{}}' })],
  ['never answers', () => 'never' as const],
])(
  'one that %s is counted, and the site foresees by itself',
  async (_what, answer) => {
    const own = await endpoint(answer);
    const api = await taught(own.url);
    try {
      const { foreseen } = await written(api, 'order-4');
      expect(foreseen).toBe(3);
      const { metrics } = (await predictions(api)).model;
      expect(metrics['answered']).toBe(0);
      expect((metrics['failed'] ?? 0) + (metrics['garbage'] ?? 0)).toBeGreaterThan(0);
    } finally {
      await api.close();
      own.close();
    }
  },
  60_000,
);
