import { systemClock as clock } from '../../src/adapters/aws/environment.js';
import { type FaultRates, injectFaults } from '../../src/adapters/aws/injected-faults.js';
import { seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import type { EventIn, EventOut } from '../../src/core/api.js';
import { isLockstepError } from '../../src/core/errors.js';
import { prepareEvent } from '../../src/core/event.js';
import { Deployment, SITES } from './support/deployment.js';

const SEED = Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 1e9));
const CLIENTS = 6;
const TRANSACTIONS = 8;

/** What AWS does on a bad day, of everything that is called. */
const BAD_DAY: FaultRates = { conflict: 0.08, throttle: 0.08, partial: 0.1, lostRequest: 0.03, lostAnswer: 0.03 };

describe(`two sites on a bad day, FAULT_SEED=${SEED}`, () => {
  let isBad = false;
  const random = seededRandom(SEED);
  const deployment = new Deployment({
    prepare: (_, client) => injectFaults(client, { random, clock, ratesOf: () => (isBad ? BAD_DAY : {}) }),
  });

  beforeAll(async () => {
    await deployment.open();
    for (const stream of ['orders', 'payments']) await deployment.stream(stream);
  });
  afterAll(() => deployment.close());

  /** As a client would: with the same identifiers, until there is a definite answer. */
  async function insist<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!isLockstepError(error) || !error.retryable || attempt >= 40) throw error;
        await clock.sleep(20 * attempt);
      }
    }
  }

  const events = (id: string): readonly EventIn[] => [
    { stream: 'orders', key: id, type: 't', data: `${id} ordered` },
    { stream: 'payments', key: id, type: 't', data: `${id} paid`, expectedVersion: 0 },
  ];

  async function transaction(id: string, interactive: boolean): Promise<void> {
    // Entering at either site: what is passed on meets the faults of both.
    const { service } = random.next() < 0.5 ? deployment.east.node : deployment.west.node;
    if (!interactive) {
      await insist(() => service.commitOnce({ id, events: events(id) }));
      return;
    }
    await insist(() => service.begin({ id, streams: ['orders', 'payments'] }));
    for (const event of events(id)) await insist(() => service.write(id, { events: [event] }, `${id}-${event.stream}`));
    await insist(() => service.commit(id, { digests: events(id).map((event) => prepareEvent(event).digest) }));
  }

  async function round(): Promise<void> {
    for (const { name } of SITES) {
      const { node } = deployment.site(name);
      for (const work of ['watch', 'tend', 'close', 'sweep'] as const) await node[work]().catch(() => undefined);
    }
    await deployment.settle();
  }

  async function readAt(site: string, stream: string): Promise<readonly EventOut[]> {
    const all: EventOut[] = [];
    let checkpoint: string | undefined;
    for (let page = 0; page < 60; page += 1) {
      const request = { stream, site, ...(checkpoint === undefined ? {} : { checkpoint }) };
      const answer = await deployment.site(site).node.service.readEvents(request);
      all.push(...answer.events);
      ({ checkpoint } = answer);
      if (answer.caughtUp) return all;
    }
    throw new Error(`${stream} at ${site} is never caught up`);
  }

  it('every acknowledged transaction is on both sites, whole and once, in the end', async () => {
    isBad = true;
    const done: string[] = [];
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) => {
        for (let n = 0; n < TRANSACTIONS; n += 1) {
          const id = `c${client}-${n}`;
          await transaction(id, n % 2 === 1);
          done.push(id);
        }
      }),
    );
    isBad = false;
    for (let i = 0; i < 12; i += 1) {
      await round();
      const { inSync } = await deployment.east.node.service.getRoute();
      const isLevel = SITES.every(({ name }) => deployment.site(name).node.site.behind.size === 0);
      if (inSync.length === SITES.length && isLevel) break;
    }
    await round();
    expect((await deployment.east.node.service.getRoute()).inSync).toHaveLength(2);
    for (const { name } of SITES) {
      const orders = await readAt(name, 'orders');
      expect(orders.map(({ data }) => data).sort()).toEqual(done.map((id) => `${id} ordered`).sort());
      const payments = await readAt(name, 'payments');
      expect(payments.map(({ data }) => data).sort()).toEqual(done.map((id) => `${id} paid`).sort());
    }
  }, 300_000);
});
