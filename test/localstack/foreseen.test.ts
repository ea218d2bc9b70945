/**
 * The backfill agent on DynamoDB and Kinesis, through the API: what a mirror foresaw is not waited for, and outlives home.
 * The function that follows the log is called as the table's stream would call it, batch by batch.
 */
import { Backfill } from '../../src/app/backfill.js';
import { LogFollower } from '../../src/app/follow.js';
import { ownPredictor } from '../../src/app/own-predictor.js';
import { readTransaction } from '../../src/app/log.js';
import type { CommitAnswer, EventIn, EventOut, PredictionsAnswer, WriteAnswer } from '../../src/core/api.js';
import { type App, createApp } from '../../src/http/app.js';
import { Deployment } from './support/deployment.js';

const TYPES = ['placed', 'paid', 'packed', 'shipped'];
const order = (id: string): readonly EventIn[] =>
  TYPES.map((type) => ({ stream: 'orders', key: id, type, data: { order: id, state: type } }));

describe('the backfill agent on DynamoDB and Kinesis', () => {
  // An emulator is near, and slow: both would keep it from foreseeing.
  const options = { predictionNearMs: 0, predictionCostMs: 0, predictionTimeoutMs: 10_000 };
  const deployment = new Deployment({ options, backfill: (site) => new Backfill(site, ownPredictor()) });
  let apps: Readonly<Record<'east' | 'west', App>>;
  let followers: Readonly<Record<'east' | 'west', LogFollower>>;

  beforeAll(async () => {
    await deployment.open();
    await deployment.stream('orders');
    const { east, west } = deployment;
    apps = { east: createApp({ service: east.node.service }), west: createApp({ service: west.node.service }) };
    followers = { east: new LogFollower(east.node), west: new LogFollower(west.node) };
  });
  afterAll(() => deployment.close());

  async function ask<T>(at: 'east' | 'west', method: string, path: string, body?: unknown): Promise<T> {
    const init = { method, headers: { 'content-type': 'application/json' } };
    const request = new Request(`http://api.invalid${path}`, {
      ...init,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const response = await apps[at].fetch(request);
    const answer = (await response.json()) as T;
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /** As the log's stream tells it: at the mirror, and at home. */
  async function follow(...ids: string[]): Promise<void> {
    await deployment.settle();
    for (const site of ['west', 'east'] as const) if (!deployment.lost.has(site)) await followers[site].follow(ids);
    await deployment.settle();
  }

  async function written(id: string, events: readonly EventIn[], confirmed: boolean) {
    await ask('east', 'POST', '/transactions', { id, streams: ['orders'] });
    const told: WriteAnswer['events'][number][] = [];
    for (const one of events) {
      const { events: answers } = await ask<WriteAnswer>('east', 'POST', `/transactions/${id}/events`, {
        events: [one],
      });
      told.push(...answers);
      if (confirmed) await follow(id);
      else {
        await deployment.settle();
        await followers.west.follow([id]);
      }
    }
    return told;
  }

  async function readOrders(id: string): Promise<readonly EventOut[]> {
    const { events } = await ask<{ events: readonly EventOut[] }>('west', 'GET', '/streams/orders/events?limit=1000');
    return events.filter(({ transactionid }) => transactionid === id);
  }

  it('learns from what is committed', async () => {
    const commits = Array.from({ length: 60 }, (_, n) => ({ id: `past-${n}`, events: order(`past-${n}`) }));
    await ask('east', 'POST', '/commits/batch', { commits });
    await follow();
    const steps = async () => (await deployment.west.node.backfill?.describe())?.metrics['steps'] ?? 0;
    for (let round = 0; round < 20 && (await steps()) < 60 * 5; round += 1) await deployment.west.node.foresee();
    expect(await steps()).toBe(60 * 5);
  });

  it('a foreseen write is confirmed by who follows the log at home, and counted', async () => {
    const told = await written('order-1', order('order-1'), true);
    expect(told.map(({ foreseen }) => foreseen)).toEqual([[], ['west'], ['west'], ['west']]);
    const { staged } = await readTransaction(deployment.west.node.site, 'order-1');
    expect(staged).toHaveLength(4);
    const digests = told.map(({ digest }) => digest);
    await ask<CommitAnswer>('east', 'POST', '/transactions/order-1/commit', { digests });
    await deployment.settle();
    await deployment.west.node.foresee();
    const { counts } = await ask<PredictionsAnswer>('west', 'GET', '/predictions');
    expect(counts.confirmed).toBeGreaterThanOrEqual(3);
  });

  it('what was foreseen and not committed is on no stream', async () => {
    const [first] = order('order-2');
    await written('order-2', [first!], true);
    const { candidates } = await readTransaction(deployment.west.node.site, 'order-2');
    expect(candidates.length).toBeGreaterThan(0);
    await ask('east', 'POST', '/transactions/order-2/abort', {});
    await deployment.settle();
    expect(await readOrders('order-2')).toEqual([]);
  });

  it('writes are foreseen, home is lost before the commit, and the commit with its digests succeeds elsewhere', async () => {
    // Nobody tells the mirror which of what it foresaw was written.
    const told = await written('order-3', order('order-3'), false);
    expect(told.map(({ foreseen }) => foreseen)).toEqual([[], ['west'], ['west'], ['west']]);
    deployment.lost.add('east');
    const digests = told.map(({ digest }) => digest);
    const committed = await ask<CommitAnswer>('west', 'POST', '/transactions/order-3/commit', { digests });
    expect(committed).toMatchObject({ status: 'committed', events: 4, replicas: 1, atRisk: true });
    expect((await readOrders('order-3')).map(({ type }) => type)).toEqual(TYPES);
  });
});
