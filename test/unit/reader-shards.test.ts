import { createReadUseCase } from '../../src/app/read.js';
import type { EventPage } from '../../src/core/api.js';
import { idsOf, siteWith } from './reader-site.js';

describe('shards', () => {
  it('are read through splits and merges, parents first', async () => {
    const site = await siteWith(30, 2);
    const { readEvents } = createReadUseCase(site);
    let page = await readEvents({ stream: 's', limit: 5 });
    const got = idsOf(page);
    const shardIds = async () => (await site.streams.describe('test-s'))!.shards.filter(({ open }) => open);
    await site.streams.split('test-s', (await shardIds())[0]!.shardId);
    for (let i = 30; i < 60; i += 1) await site.commit(`t${i}`, [`s/k${i % 7}`]);
    const [, one, two] = await shardIds();
    await site.streams.merge('test-s', one!.shardId, two!.shardId);
    for (let i = 60; i < 90; i += 1) await site.commit(`t${i}`, [`s/k${i % 7}`]);
    for (let rounds = 0; !page.caughtUp && rounds < 100; rounds += 1) {
      const use = rounds % 2 === 1 ? createReadUseCase(site).readEvents : readEvents;
      page = await use({ stream: 's', limit: 13, checkpoint: page.checkpoint });
      got.push(...idsOf(page));
    }
    for (let key = 0; key < 7; key += 1) {
      const numbers = got.map((id) => Number(id.slice(1, -2))).filter((number) => number % 7 === key);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
    expect(new Set(got).size).toBe(90);
    expect(got).toHaveLength(90);
  });

  it('are read to their ends before their children, however many pages that takes', async () => {
    const site = await siteWith(0, 1);
    site.readAtMost = 10;
    for (let i = 0; i < 50; i += 1) await site.commit(`t${i}`, ['s/k']);
    const [shard] = (await site.streams.describe('test-s'))!.shards;
    await site.streams.split('test-s', shard!.shardId);
    for (let i = 50; i < 70; i += 1) await site.commit(`t${i}`, ['s/k']);
    const { events } = await createReadUseCase(site).readEvents({ stream: 's', limit: 1000 });
    expect(events.map(({ transactionid }) => transactionid)).toEqual(Array.from({ length: 70 }, (_, i) => `t${i}`));
  });

  it('are read side by side in commit time, so that little has to be held', async () => {
    const site = await siteWith(0, 1);
    site.readAtMost = 25;
    for (let i = 0; i < 300; i += 1) {
      await site.commit(`t${i}`, ['s/k', 'other/k']);
      for (let j = 0; j < 3; j += 1) await site.commit(`o${i}-${j}`, ['other/l']);
      await site.clock.advance(200);
      if (i % 10 === 0) for (const stream of ['s', 'other']) await site.heartbeat(stream);
    }
    const { readTransactions } = createReadUseCase(site, { maxHeld: 150 });
    let count = 0;
    let checkpoint: string | undefined;
    for (let rounds = 0; rounds < 100 && count < 1200; rounds += 1) {
      const page = await readTransactions({ streams: ['s', 'other'], limit: 1000, ...(checkpoint && { checkpoint }) });
      count += page.transactions.length;
      ({ checkpoint } = page);
    }
    expect(count).toBe(1200);
    // Nothing had to be let go and read once more.
    expect(site.reads.filter(({ position }) => position === 'oldest' || 'atMs' in position)).toHaveLength(2);
  });

  it('that end have their children known before others may close the stream', async () => {
    const site = await siteWith(0, 2);
    const { readEvents } = createReadUseCase(site);
    const first = await readEvents({ stream: 's' });
    const probe = await site.streams.put('test-s', [{ partitionKey: 'beat', data: Buffer.from('nothing') }]);
    const quiet = probe[0]!.ok ? probe[0]!.shardId : '';
    const other = (await site.streams.describe('test-s'))!.shards.find(({ shardId }) => shardId !== quiet)!;
    await site.streams.split('test-s', other.shardId);
    for (let i = 0; i < 20; i += 1) await site.commit(`t${i}`, [`s/k${i % 7}`]);
    await site.heartbeat('s');
    const { events } = await readEvents({ stream: 's', checkpoint: first.checkpoint });
    expect(events).toHaveLength(20);
  });

  it('that end while home is asked do not close what their children hold', async () => {
    const site = await siteWith(3, 1);
    const { readEvents } = createReadUseCase(site);
    const first = await readEvents({ stream: 's' });
    const [parent] = (await site.streams.describe('test-s'))!.shards;
    // As Kinesis does: the newest record of a shard that has ended is read before its end is told.
    const read = site.streams.read.bind(site.streams);
    let isTold = false;
    site.streams.read = async (name, shardId, position, limit) => {
      const page = await read(name, shardId, position, limit);
      if (shardId !== parent!.shardId || page.next !== undefined || isTold) return page;
      isTold = true;
      return { ...page, next: position };
    };
    const closed = site.closed.bind(site);
    site.closed = async (streams, atLeastNow) => {
      site.closed = closed;
      await site.streams.split('test-s', parent!.shardId);
      for (let i = 3; i < 20; i += 1) await site.commit(`t${i}`, [`s/k${i % 7}`]);
      return closed(streams, atLeastNow);
    };
    const got: string[] = [];
    for (let page = first, rounds = 0; rounds < 4; rounds += 1) {
      page = await readEvents({ stream: 's', checkpoint: page.checkpoint });
      got.push(...idsOf(page));
    }
    expect(got).toHaveLength(17);
  });
});

describe('more than can be held', () => {
  it('because it is not whole: waits for the rest, and takes no more memory', async () => {
    const site = await siteWith(0, 1);
    site.isLevel = false;
    const places = ['s/k', 's/l', 'other/m'];
    const entries = [];
    for (let i = 0; i < 60; i += 1) entries.push(await site.commit(`t${i}`, places, (stream) => stream === 's'));
    const { readTransactions } = createReadUseCase(site, { maxHeld: 20 });
    let page = await readTransactions({ streams: ['s', 'other'] });
    expect(page).toMatchObject({ transactions: [], caughtUp: false });
    for (const entry of entries) await site.put(entry, (stream) => stream === 'other');
    site.isLevel = true;
    const got: string[] = [];
    for (let rounds = 0; !page.caughtUp && rounds < 100; rounds += 1) {
      page = await readTransactions({ streams: ['s', 'other'], limit: 7, checkpoint: page.checkpoint });
      got.push(...page.transactions.map(({ id }) => id));
    }
    expect(got).toEqual(entries.map(({ id }) => id));
  });

  it('because nothing was closed for long: goes on piece by piece', async () => {
    const site = await siteWith(2000, 3);
    const { readEvents } = createReadUseCase(site, { maxHeld: 300 });
    const got: string[] = [];
    let page: EventPage | undefined;
    for (let rounds = 0; page?.caughtUp !== true && rounds < 100; rounds += 1) {
      page = await readEvents({ stream: 's', limit: 300, ...(page && { checkpoint: page.checkpoint }) });
      got.push(...idsOf(page));
    }
    expect(new Set(got).size).toBe(2000);
    expect(got).toHaveLength(2000);
  });
});
