import { createReadUseCase } from '../../src/app/read.js';
import type { EventPage } from '../../src/core/api.js';
import { isLockstepError } from '../../src/core/errors.js';
import { PortUnavailable } from '../../src/ports/failures.js';
import { HOUR_MS, idsOf, siteWith } from './reader-site.js';

async function problemOf(promise: Promise<unknown>): Promise<{ code: string; extras: object }> {
  try {
    await promise;
  } catch (error) {
    if (isLockstepError(error)) return { code: error.code, extras: error.extras };
    throw error;
  }
  throw new Error('it went well');
}

describe('pages of events', () => {
  it('are full, in order, and say when there is no more', async () => {
    const site = await siteWith(25);
    const { readEvents } = createReadUseCase(site);
    let page = await readEvents({ stream: 's', limit: 10 });
    expect(page).toMatchObject({ caughtUp: false });
    expect(page.events).toHaveLength(10);
    page = await readEvents({ stream: 's', limit: 10, checkpoint: page.checkpoint });
    expect(page.events).toHaveLength(10);
    page = await readEvents({ stream: 's', limit: 10, checkpoint: page.checkpoint });
    expect(idsOf(page)).toEqual(['t20:0', 't21:0', 't22:0', 't23:0', 't24:0']);
    expect(page.caughtUp).toBe(true);
    page = await readEvents({ stream: 's', checkpoint: page.checkpoint });
    expect(page).toMatchObject({ events: [], caughtUp: true });
  });

  it('do not ask home while they are full, but when they may be the last', async () => {
    const site = await siteWith(20);
    const { readEvents } = createReadUseCase(site);
    // Once, so that the page says how far it is closed.
    const first = await readEvents({ stream: 's', limit: 5 });
    const before = site.asked.filter(Boolean).length;
    const second = await readEvents({ stream: 's', limit: 5, checkpoint: first.checkpoint });
    expect(site.asked.filter(Boolean)).toHaveLength(before);
    const third = await readEvents({ stream: 's', limit: 10, checkpoint: second.checkpoint });
    expect(third.events).toHaveLength(10);
    expect(third.caughtUp).toBe(true);
    expect(site.asked.filter(Boolean)).toHaveLength(before + 1);
  });

  it('bound what they carry', async () => {
    const site = await siteWith(25);
    const { readEvents } = createReadUseCase(site, { maxPageBytes: 2000 });
    const page = await readEvents({ stream: 's', limit: 1000 });
    expect(page.events.length).toBeGreaterThan(1);
    expect(page.events.length).toBeLessThan(10);
    const tight = createReadUseCase(site, { maxPageBytes: 1 });
    expect((await tight.readEvents({ stream: 's', limit: 1000 })).events).toHaveLength(1);
  });

  it('need no memory of the one before: any checkpoint goes on, as often as one likes', async () => {
    const site = await siteWith(60);
    const all: string[] = [];
    let checkpoint: string | undefined;
    for (let caughtUp = false; !caughtUp;) {
      const request = { stream: 's', limit: 7, ...(checkpoint === undefined ? {} : { checkpoint }) };
      const first = await createReadUseCase(site).readEvents(request);
      const again = createReadUseCase(site);
      expect(idsOf(await again.readEvents(request))).toEqual(idsOf(first));
      expect(idsOf(await again.readEvents(request))).toEqual(idsOf(first));
      all.push(...idsOf(first));
      ({ checkpoint, caughtUp } = first);
    }
    expect(all.sort()).toEqual(Array.from({ length: 60 }, (_, i) => `t${i}:0`).sort());
  });

  it('read nothing twice while the reader is alive', async () => {
    const site = await siteWith(2000);
    const { readEvents } = createReadUseCase(site);
    let { checkpoint } = await readEvents({ stream: 's', limit: 50 });
    const before = site.recordsRead;
    for (let i = 0; i < 5; i += 1) ({ checkpoint } = await readEvents({ stream: 's', limit: 50, checkpoint }));
    expect(site.recordsRead).toBe(before);
  });

  it('name no more transactions than a checkpoint may, whatever their limit', async () => {
    const site = await siteWith(3000, 4);
    const { readEvents } = createReadUseCase(site);
    const got: string[] = [];
    let page: EventPage | undefined;
    for (let rounds = 0; page?.caughtUp !== true && rounds < 100; rounds += 1) {
      page = await readEvents({ stream: 's', limit: 1000, ...(page && { checkpoint: page.checkpoint }) });
      expect(page.checkpoint.length).toBeLessThanOrEqual(4096);
      got.push(...idsOf(page));
    }
    expect(new Set(got).size).toBe(3000);
    expect(got).toHaveLength(3000);
  });
});

describe('whole transactions', () => {
  it('come from several streams at once', async () => {
    const site = await siteWith(0);
    const entry = await site.commit('t', ['s/a', 'other/b', 's/c', 'unread/d'], (stream) => stream === 's');
    const { readTransactions } = createReadUseCase(site);
    const request = { streams: ['s', 'other', 's'] };
    const first = await readTransactions(request);
    expect(first.transactions).toEqual([]);
    // The test's closed timestamp lies here: the transaction was not on `other` yet.
    await site.put(entry, (stream) => stream === 'other');
    const { transactions, caughtUp } = await readTransactions(request);
    expect(transactions.map(({ id, events }) => [id, events.map(({ number }) => number)])).toEqual([['t', [0, 1, 2]]]);
    expect(caughtUp).toBe(true);
  });

  it('do not go on where a page of events cut one', async () => {
    const site = await siteWith(0);
    await site.commit('t', ['s/a', 's/b']);
    const { readEvents, readTransactions } = createReadUseCase(site);
    const { checkpoint } = await readEvents({ stream: 's', limit: 1 });
    expect(await problemOf(readTransactions({ streams: ['s'], checkpoint }))).toMatchObject({
      code: 'InvalidCheckpoint',
    });
    expect(idsOf(await readEvents({ stream: 's', checkpoint }))).toEqual(['t:1']);
  });
});

describe('caughtUp', () => {
  it('is not said on a replica that is not level', async () => {
    const site = await siteWith(3);
    site.isLevel = false;
    expect(await createReadUseCase(site).readEvents({ stream: 's' })).toMatchObject({ caughtUp: false });
  });

  it('asks only after the request came, so it covers what was decided before', async () => {
    const site = await siteWith(3);
    const { readEvents } = createReadUseCase(site);
    const { checkpoint } = await readEvents({ stream: 's' });
    await site.commit('late', ['s/k']);
    const page = await readEvents({ stream: 's', checkpoint });
    expect([idsOf(page), page.caughtUp]).toEqual([['late:0'], true]);
  });

  it('is not said while something whole is left', async () => {
    const busy = await siteWith(1);
    const closed = busy.closed.bind(busy);
    busy.closed = async (streams, atLeastNow) => {
      const answer = await closed(streams, atLeastNow);
      await busy.commit(`more${busy.asked.length}`, ['s/k']);
      return answer;
    };
    expect(await createReadUseCase(busy).readEvents({ stream: 's', limit: 2 })).toMatchObject({ caughtUp: false });
    const site = await siteWith(0);
    await site.commit('a', ['s/k', 's/k']);
    const { readEvents } = createReadUseCase(site);
    const first = await readEvents({ stream: 's', limit: 1 });
    expect(first.caughtUp).toBe(false);
    expect(await readEvents({ stream: 's', limit: 1, checkpoint: first.checkpoint })).toMatchObject({ caughtUp: true });
  });
});

describe('a reader from the oldest', () => {
  it('is owed nothing that has gone before it could look, however long that took', async () => {
    const site = await siteWith(3);
    const describe = site.streams.describe.bind(site.streams);
    site.streams.describe = async (name) => {
      await site.clock.advance(60_000);
      return describe(name);
    };
    const page = await createReadUseCase(site).readEvents({ stream: 's' });
    expect(page.events).toHaveLength(3);
  });
});

describe('a long poll', () => {
  it('ends when something comes', async () => {
    const site = await siteWith(0);
    const { readEvents } = createReadUseCase(site);
    const startedMs = site.clock.now();
    const polled = readEvents({ stream: 's', waitMs: 20_000 });
    const put = site.clock.sleep(3000).then(() => site.commit('t', ['s/k']));
    expect(idsOf(await site.clock.run(polled))).toEqual(['t:0']);
    await put;
    expect(site.clock.now() - startedMs).toBe(3000);
  });

  it('asks home only when nothing came: a bar costs writes at every site', async () => {
    const site = await siteWith(3);
    const { readEvents } = createReadUseCase(site);
    const asked = () => site.asked.filter(Boolean).length;
    let { checkpoint } = await readEvents({ stream: 's' });
    const before = asked();
    for (let n = 0; n < 3; n += 1) {
      await site.commit(`more${n}`, ['s/k']);
      const page = await site.clock.run(readEvents({ stream: 's', waitMs: 5000, checkpoint }));
      expect([idsOf(page), page.caughtUp]).toEqual([[`more${n}:0`], false]);
      ({ checkpoint } = page);
    }
    expect(asked()).toBe(before);
    expect(await site.clock.run(readEvents({ stream: 's', waitMs: 5000, checkpoint }))).toMatchObject({
      events: [],
      caughtUp: true,
    });
    expect(asked()).toBe(before + 1);
  });

  it('hears what comes while it is about to listen', async () => {
    const site = await siteWith(0, 1);
    const { readEvents } = createReadUseCase(site);
    let reads = 0;
    const awaitRecords = site.streams.awaitRecords.bind(site.streams);
    site.streams.awaitRecords = async (name, timeoutMs) => {
      if ((reads += 1) === 1) await site.commit('t', ['s/k']);
      return awaitRecords(name, timeoutMs);
    };
    const startedMs = site.clock.now();
    expect(idsOf(await site.clock.run(readEvents({ stream: 's', waitMs: 20_000 })))).toEqual(['t:0']);
    expect(site.clock.now() - startedMs).toBeLessThan(100);
  });

  it('ends empty when its time is over, or when it is told to', async () => {
    const site = await siteWith(0);
    const { readEvents } = createReadUseCase(site);
    const startedMs = site.clock.now();
    const beats = site.clock.sleep(1000).then(() => site.heartbeat('s'));
    const page = await site.clock.run(readEvents({ stream: 's', waitMs: 5000 }));
    await beats;
    expect(page).toMatchObject({ events: [], caughtUp: true });
    expect(site.clock.now() - startedMs).toBe(5000);
    const stop = new AbortController();
    const polled = readEvents({ stream: 's', waitMs: 20_000, checkpoint: page.checkpoint }, stop.signal);
    void site.clock.sleep(500).then(() => stop.abort());
    expect(await site.clock.run(polled)).toMatchObject({ events: [] });
    expect(site.clock.now() - startedMs).toBeLessThan(6000);
  });

  it('does not spin on hints of which nothing comes', async () => {
    const site = await siteWith(0, 1);
    site.streams.awaitRecords = () => Promise.resolve();
    await site.clock.run(createReadUseCase(site).readEvents({ stream: 's', waitMs: 1000 }));
    expect(site.reads.length).toBeLessThan(60);
  });
});

describe('what is refused', () => {
  it('a range that is not kept any more', async () => {
    const site = await siteWith(5);
    const { checkpoint } = await createReadUseCase(site).readEvents({ stream: 's', limit: 2 });
    const from = new Date(site.clock.now()).toISOString();
    await site.clock.advance(25 * HOUR_MS);
    const to = new Date(site.clock.now() - 24 * HOUR_MS).toISOString();
    const problem = await problemOf(createReadUseCase(site).readEvents({ stream: 's', checkpoint }));
    expect(problem).toEqual({ code: 'Gap', extras: { from, to } });
  });

  it('a reader that is too slow for what is kept', async () => {
    const site = await siteWith(0, 1);
    for (let i = 0; i < 1500; i += 1) await site.commit(`t${i}`, ['s/k']);
    const { readEvents } = createReadUseCase(site);
    let page = await readEvents({ stream: 's', limit: 900 });
    await site.clock.advance(25 * HOUR_MS);
    // What it holds is its own. The rest of the shard is gone.
    page = await readEvents({ stream: 's', limit: 50, checkpoint: page.checkpoint });
    expect(page.events).toHaveLength(50);
    const problem = problemOf(readEvents({ stream: 's', limit: 1000, checkpoint: page.checkpoint }));
    expect(await problem).toMatchObject({ code: 'Gap' });
  });

  it('a replica that does not go back so far', async () => {
    const site = await siteWith(5);
    const { checkpoint } = await createReadUseCase(site).readEvents({ stream: 's', limit: 2 });
    site.completeFrom = site.clock.now() + 5000;
    const problem = await problemOf(createReadUseCase(site).readEvents({ stream: 's', checkpoint }));
    expect(problem).toMatchObject({ code: 'Gap', extras: { to: new Date(site.completeFrom).toISOString() } });
    // From the oldest on nothing is owed.
    expect((await createReadUseCase(site).readEvents({ stream: 's' })).events).toHaveLength(5);
  });

  it('a reader that is alive, when its replica was exchanged', async () => {
    const site = await siteWith(5);
    const { readEvents } = createReadUseCase(site);
    const { checkpoint } = await readEvents({ stream: 's', limit: 2 });
    site.completeFrom = site.clock.now() + 5000;
    expect(await problemOf(readEvents({ stream: 's', checkpoint }))).toMatchObject({ code: 'Gap' });
  });

  it('a stream that is not there, and a checkpoint that is not ours', async () => {
    const site = await siteWith(1);
    const { readEvents, readTransactions } = createReadUseCase(site);
    await expect(readEvents({ stream: 'none' })).rejects.toBeInstanceOf(PortUnavailable);
    expect(await problemOf(readEvents({ stream: 's', checkpoint: 'x' }))).toMatchObject({ code: 'InvalidCheckpoint' });
    const { checkpoint } = await readEvents({ stream: 's' });
    const other = readTransactions({ streams: ['s', 'other'], checkpoint });
    expect(await problemOf(other)).toMatchObject({ code: 'InvalidCheckpoint' });
  });
});

it('passes a failing port on, and loses nothing by it', async () => {
  const site = await siteWith(40);
  const { readEvents } = createReadUseCase(site);
  const { checkpoint, events } = await readEvents({ stream: 's', limit: 10 });
  for (let i = 40; i < 60; i += 1) await site.commit(`t${i}`, [`s/k${i % 7}`]);
  let calls = 0;
  site.beforeRead = () => {
    if ((calls += 1) > 1) throw new PortUnavailable('gone');
  };
  await expect(readEvents({ stream: 's', limit: 1000, checkpoint })).rejects.toThrow(PortUnavailable);
  site.beforeRead = undefined;
  const rest = await readEvents({ stream: 's', limit: 1000, checkpoint });
  expect(new Set([...events, ...rest.events].map(({ id }) => id)).size).toBe(60);
  expect(rest.events).toHaveLength(50);
});
