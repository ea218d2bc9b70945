import type { EventIn } from '../../src/core/api.js';
import { type EmbeddedLockstep, openEmbedded } from '../../src/embedded/engine.js';
import type { Tables } from '../../src/ports/tables.js';
import { digestOf } from '../support/world.js';

/** The most that one transaction of DynamoDB takes. */
const LIMITS = { maxItems: 100, maxTransactBytes: 4 * 1024 * 1024 };

/** Tables that take no more at once than DynamoDB does. */
function narrow(tables: Tables): Tables {
  return new Proxy(tables, {
    get: (target, name) => {
      if (name === 'transact') {
        return (writes: Parameters<Tables['transact']>[0]) => {
          if (writes.length > LIMITS.maxItems) throw new Error(`${writes.length} items in one transaction`);
          const bytes = Buffer.byteLength(JSON.stringify(writes.filter(({ kind }) => kind === 'put')));
          if (bytes > LIMITS.maxTransactBytes * 2) throw new Error(`${bytes} bytes in one transaction`);
          return target.transact(writes);
        };
      }
      const limit: unknown = Reflect.get(LIMITS, name);
      const value: unknown = Reflect.get(target, name);
      return limit ?? (typeof value === 'function' ? (value.bind(target) as unknown) : value);
    },
  });
}

const event = (data: EventIn['data'], more: Partial<EventIn> = {}): EventIn => ({
  stream: 'orders',
  key: 'k',
  type: 't',
  ...(data === undefined ? {} : { data }),
  ...more,
});

describe('writes that are longer than one transaction of the tables', () => {
  let engine: EmbeddedLockstep;

  beforeAll(async () => {
    engine = await openEmbedded({ wrap: { tables: (_, tables) => narrow(tables) } });
    await engine.service.putStream('orders', {});
  });
  afterAll(() => engine.close());

  async function committed(id: string, events: readonly EventIn[]) {
    const { service } = engine;
    await service.begin({ id, streams: ['orders'] });
    const written = await service.write(id, { events });
    expect(written.events.map(({ number }) => number)).toEqual(events.map((_, index) => index));
    const answer = await service.commit(id, { digests: events.map((one) => digestOf(one)) });
    expect(answer).toMatchObject({ status: 'committed', events: events.length, replicas: 2 });
    const { events: logged } = await service.getTransaction(id);
    expect(logged.map(({ digest }) => digest)).toEqual(events.map((one) => digestOf(one)));
  }

  it('many events with ids of their own', async () => {
    await committed(
      'many',
      Array.from({ length: 180 }, (_, i) => event(i, { id: `client-${i}`, key: `k${i % 7}` })),
    );
  });

  it('events that are longer than an item', async () => {
    const long = (letter: string) => event(letter.repeat(900_000), { key: letter });
    await committed('long', [long('a'), event('short'), long('b'), long('c')]);
  });

  it('batches of long commits', async () => {
    const commits = Array.from({ length: 12 }, (_, i) => ({
      id: `batch-${i}`,
      events: [event('x'.repeat(390_000), { key: `key-${i}` })],
    }));
    const { results } = await engine.service.commitBatch({ commits });
    expect(results).toHaveLength(12);
    for (const result of results) expect(result).toMatchObject({ status: 'committed' });
  });

  it('a write of many events that is repeated gives the same numbers', async () => {
    const { service } = engine;
    const events = Array.from({ length: 150 }, (_, i) => event(i, { id: `again-${i}` }));
    await service.begin({ id: 'again', streams: ['orders'] });
    const first = await service.write('again', { events });
    expect(await service.write('again', { events })).toEqual(first);
  });
});
