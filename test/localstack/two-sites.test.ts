import type { TransactWriteItemsCommandInput } from '@aws-sdk/client-dynamodb';
import type { PutRecordsCommandInput } from '@aws-sdk/client-kinesis';
import type { EventIn, EventOut } from '../../src/core/api.js';
import { prepareEvent } from '../../src/core/event.js';
import { Deployment, SITES } from './support/deployment.js';

const event = (n: number, more: Partial<EventIn> = {}): EventIn => ({
  stream: 'orders',
  key: `key-${n % 5}`,
  type: 'placed',
  data: { n },
  ...more,
});
const digest = (of: EventIn): string => prepareEvent(of).digest;

describe('two sites on DynamoDB and Kinesis', () => {
  const deployment = new Deployment();

  beforeAll(async () => {
    await deployment.open();
    await deployment.stream('orders', 2);
    await deployment.stream('payments');
    // The first one of a process also learns of streams.
    await deployment.east.node.service.commitOnce({ id: 'warm', events: [event(0)] });
    await deployment.east.node.close();
  });
  afterAll(() => deployment.close());

  const service = () => deployment.east.node.service;

  /** Everything that a site's replica has to tell, in pages, closed. */
  async function readAt(site: string, stream: string): Promise<readonly EventOut[]> {
    const all: EventOut[] = [];
    let checkpoint: string | undefined;
    for (let page = 0; page < 50; page += 1) {
      const { events, ...answer } = await deployment.site(site).node.service.readEvents({
        stream,
        site,
        ...(checkpoint === undefined ? {} : { checkpoint }),
      });
      all.push(...events);
      ({ checkpoint } = answer);
      if (answer.caughtUp) return all;
    }
    throw new Error(`${stream} at ${site} is never caught up`);
  }

  const inputs = (site: string, command: string): readonly unknown[] =>
    deployment.calls.filter((call) => call.site === site && call.command === command).map(({ input }) => input);
  const transactions = (site: string) => inputs(site, 'TransactWriteItems') as TransactWriteItemsCommandInput[];
  const puts = (site: string) => inputs(site, 'PutRecords') as PutRecordsCommandInput[];

  it('commits at once, on both sites', async () => {
    const answer = await service().commitOnce({ id: 'one-shot', events: [event(1), event(2, { stream: 'payments' })] });
    expect(answer).toMatchObject({ id: 'one-shot', status: 'committed', events: 2, replicas: 2, atRisk: false });
    for (const { name } of SITES) {
      for (const stream of ['orders', 'payments']) {
        const ids = (await readAt(name, stream)).map(({ transactionid }) => transactionid);
        expect(ids.filter((id) => id === 'one-shot')).toHaveLength(1);
      }
    }
  });

  it('a small one-shot costs what the design says', async () => {
    const counts = await deployment.counting(() => service().commitOnce({ id: 'counted', events: [event(3)] }));
    expect(counts).toEqual({
      'east TransactWriteItems': 1,
      'east PutRecords': 1,
      'east DeleteItem': 1,
      'east agent replicate': 1,
      'west TransactWriteItems': 1,
      'west PutRecords': 1,
    });
    for (const { name } of SITES) {
      const [transaction] = transactions(name);
      // The guard that is checked, the entry, the mark.
      expect(transaction?.TransactItems?.map((item) => Object.keys(item)[0])).toEqual(['ConditionCheck', 'Put', 'Put']);
      const [put] = puts(name);
      expect(put?.Records).toHaveLength(1);
    }
  });

  it('an expected version costs one item more, and one read at home', async () => {
    const events = [event(4, { key: 'v1', expectedVersion: 0 }), event(5, { key: 'v2', expectedVersion: 0 })];
    const counts = await deployment.counting(() => service().commitOnce({ id: 'versioned', events }));
    expect(counts).toEqual({
      'east BatchGetItem': 1,
      'east TransactWriteItems': 1,
      'east PutRecords': 1,
      'east DeleteItem': 1,
      'east agent replicate': 1,
      'west TransactWriteItems': 1,
      'west PutRecords': 1,
    });
    for (const { name } of SITES) {
      const [transaction] = transactions(name);
      expect(transaction?.TransactItems).toHaveLength(5);
    }
  });

  it('a batch shares its calls: one guard, one call of the follower', async () => {
    const commits = Array.from({ length: 10 }, (_, i) => ({ id: `batch-${i}`, events: [event(i)] }));
    const counts = await deployment.counting(() => service().commitBatch({ commits }));
    expect(counts).toMatchObject({
      'east TransactWriteItems': 1,
      'east PutRecords': 1,
      'east agent replicate': 1,
      'west TransactWriteItems': 1,
      'west PutRecords': 1,
    });
    for (const { name } of SITES) {
      const [transaction] = transactions(name);
      expect(transaction?.TransactItems).toHaveLength(21);
    }
  });

  it('a retry of a committed id has no effect', async () => {
    const before = await readAt('east', 'orders');
    const counts = await deployment.counting(() => service().commitOnce({ id: 'counted', events: [event(3)] }));
    expect(counts).not.toHaveProperty('east PutRecords');
    expect(await readAt('east', 'orders')).toEqual(before);
    await expect(service().commitOnce({ id: 'counted', events: [event(99)] })).rejects.toMatchObject({
      code: 'IdempotencyMismatch',
    });
  });

  it('interactive: begin, write, commit; entering at either site', async () => {
    const entrances = [deployment.east, deployment.west];
    for (const [i, { node }] of entrances.entries()) {
      const id = `interactive-${i}`;
      await node.service.begin({ id, streams: ['orders', 'payments'] });
      const events = [event(10), event(11, { stream: 'payments' })];
      for (const one of events) await node.service.write(id, { events: [one] });
      expect(await node.service.getTransaction(id)).toMatchObject({ status: 'open' });
      const answer = await node.service.commit(id, { digests: events.map(digest) });
      expect(answer).toMatchObject({ status: 'committed', events: 2, replicas: 2 });
    }
    await deployment.settle();
    for (const { name } of SITES) {
      const ids = (await readAt(name, 'payments')).map(({ transactionid }) => transactionid);
      expect(ids.filter((id) => id.startsWith('interactive-')).sort()).toEqual(['interactive-0', 'interactive-1']);
    }
  });

  it('interactive: an abort leaves nothing on any stream', async () => {
    await service().begin({ id: 'aborted', streams: ['orders'] });
    await service().write('aborted', { events: [event(20)] });
    expect(await service().abort('aborted', { reason: 'changed my mind' })).toMatchObject({ status: 'aborted' });
    await expect(service().commit('aborted', { digests: [digest(event(20))] })).rejects.toMatchObject({
      code: 'TransactionAborted',
    });
    for (const { name } of SITES) {
      expect((await readAt(name, 'orders')).filter(({ transactionid }) => transactionid === 'aborted')).toEqual([]);
    }
  });

  it('refusals cross the regions as they are', async () => {
    const { service: west } = deployment.west.node;
    await expect(west.commit('never-begun', { digests: [] })).rejects.toMatchObject({ code: 'UnknownTransaction' });
    const conflict = west.commitOnce({ id: 'stale', events: [event(1, { key: 'v1', expectedVersion: 7 })] });
    await expect(conflict).rejects.toMatchObject({ code: 'VersionConflict', extras: { actual: 1, expected: 7 } });
  });

  it('long transactions: more than an item holds, staged and in the log', async () => {
    const events = Array.from({ length: 3 }, (_, i) => event(i, { key: `long-${i}`, data: '"'.repeat(150_000) }));
    await service().begin({ id: 'long', streams: ['orders'] });
    await service().write('long', { events });
    const answer = await service().commit('long', { digests: events.map(digest) });
    expect(answer).toMatchObject({ status: 'committed', events: 3, replicas: 2 });
    for (const { name } of SITES) {
      const read = (await readAt(name, 'orders')).filter(({ transactionid }) => transactionid === 'long');
      expect(read.map(({ data }) => (data as string).length)).toEqual([150_000, 150_000, 150_000]);
    }
  });

  it('many events in one write: more than a transaction of DynamoDB takes', async () => {
    const events = Array.from({ length: 130 }, (_, i) => event(i, { id: `client-${i}` }));
    await service().begin({ id: 'many', streams: ['orders'] });
    await service().write('many', { events });
    expect(await service().commit('many', { digests: events.map(digest) })).toMatchObject({ events: 130, replicas: 2 });
  });

  it('followers delete their marks together, when home tells them', async () => {
    await deployment.east.node.close();
    for (const id of ['m1', 'm2', 'm3']) await service().commitOnce({ id, events: [event(1)] });
    const counts = await deployment.counting(() => deployment.east.node.close());
    expect(counts).toMatchObject({ 'east agent close': 1, 'west DeleteItem': 3 });
    expect(await deployment.west.node.agent.pending({})).toEqual({ entries: [], next: '1' });
  });

  it('a lost home is taken over, and the transaction goes on', async () => {
    await service().begin({ id: 'survivor', streams: ['orders'] });
    await service().write('survivor', { events: [event(50)] });
    deployment.lost.add('east');
    const { service: west } = deployment.west.node;
    const answer = await west.commit('survivor', { digests: [digest(event(50))] });
    expect(answer).toMatchObject({ status: 'committed', replicas: 1, atRisk: true });
    expect(await west.getRoute()).toMatchObject({ home: 'west', term: 2, inSync: ['west'] });
    const read = (await readAt('west', 'orders')).filter(({ transactionid }) => transactionid === 'survivor');
    expect(read).toHaveLength(1);
    // It comes back: fences itself, copies what it lacks, joins.
    deployment.lost.delete('east');
    for (let round = 0; round < 10; round += 1) {
      await deployment.east.node.watch();
      await deployment.east.node.tend();
      if ((await west.getRoute()).inSync.includes('east')) break;
    }
    expect((await west.getRoute()).inSync).toEqual(['west', 'east']);
    expect(await west.commitOnce({ id: 'after', events: [event(60)] })).toMatchObject({ replicas: 2 });
    const there = (await readAt('east', 'orders')).map(({ transactionid }) => transactionid);
    expect(there.filter((id) => id === 'survivor' || id === 'after').sort()).toEqual(['after', 'survivor']);
  });
});
