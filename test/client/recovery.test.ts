import * as fc from 'fast-check';
import { directTransport, LockstepClient } from '../../src/client/index.js';
import type { RunOptions, Transaction } from '../../src/client/index.js';
import { FakeHome } from './support/fake-home.js';
import { environment, refusal } from './support/scripted.js';

function setUp(retryForMs = 30_000) {
  const env = environment();
  const home = new FakeHome();
  const client = new LockstepClient({ ...env, retryForMs, transport: directTransport(home.service) });
  const run = <T>(callback: (tx: Transaction) => Promise<T>, options: Partial<RunOptions> = {}) =>
    env.clock.run(client.run(callback, { streams: ['orders'], id: 't1', ...options }));
  return { home, client, run, clock: env.clock };
}

const event = (data: number) => ({ stream: 'orders', key: 'k', type: 'placed', data });

/** Throws once, at this request. */
function once(when: 'before' | 'after', method: string, act: () => void) {
  let done = false;
  return (at: string, of: string): void => {
    if (done || at !== when || of !== method) return;
    done = true;
    act();
  };
}

describe('lost things', () => {
  test('events that home lacks are sent again, only these', async () => {
    const { home, run } = setUp();
    const sent: unknown[] = [];
    home.disturb = (when, method) => {
      if (when === 'before' && method === 'write') sent.push('write');
      once_(when, method);
    };
    const once_ = once('before', 'commit', () => {
      home.transactions.get('t1')!.events[1] = undefined;
    });
    await run(async (tx) => {
      for (const data of [0, 1, 2]) await tx.write(event(data));
    });
    expect(home.committedData('t1')).toEqual([0, 1, 2]);
    expect(home.log).toEqual(['begin', 'write', 'write', 'write', 'commit', 'write', 'commit']);
  });

  test.each(['write', 'commit', 'getTransaction'])(
    'a transaction unknown at a %s is begun again with the same id and all its writes',
    async (method) => {
      const { home, run } = setUp();
      home.disturb = (when, of) => {
        if (home.log.filter((each) => each === method).length === (method === 'write' ? 3 : 1)) lose(when, of);
      };
      const lose = once('before', method, () => home.transactions.clear());
      const { commit } = await run(async (tx) => {
        for (const data of [0, 1, 2]) await tx.write(event(data));
        await tx.read();
      });
      expect(commit.id).toBe('t1');
      expect(home.committedData('t1')).toEqual([0, 1, 2]);
    },
  );

  test('a home that always forgets ends the run', async () => {
    const { home, run } = setUp();
    home.disturb = (when, method) => {
      if (when === 'before' && method === 'commit') home.transactions.clear();
    };
    await expect(run(async (tx) => tx.write(event(0)))).rejects.toMatchObject({ code: 'UnknownTransaction' });
    expect(home.log.length).toBeLessThan(60);
  });

  test('a home that lacks what was never written ends the run', async () => {
    const { home, run } = setUp();
    home.refuseCommit = () => {
      throw refusal('EventsMissing', { missing: [7] });
    };
    await expect(run(async (tx) => tx.write(event(0)))).rejects.toMatchObject({ code: 'EventsMissing' });
    expect(home.transactions.get('t1')!.status).toBe('aborted');
  });

  test('a commit without an answer is asked for again, and never aborted', async () => {
    const { home, run } = setUp();
    home.disturb = (when, method) => {
      if (when === 'after' && method === 'commit') throw refusal('Undetermined');
    };
    await expect(run(async (tx) => tx.write(event(0)))).rejects.toMatchObject({ code: 'Undetermined' });
    expect(home.log).not.toContain('abort');
    expect(home.committedData('t1')).toEqual([0]);
  });

  test('whatever gets lost, in the end each write is committed once, in order', async () => {
    type Loss = 'request' | 'answer' | 'transaction' | 'event' | 'none';
    const loss = fc.constantFrom<Loss>('none', 'none', 'none', 'request', 'answer', 'transaction', 'event');
    await fc.assert(
      fc.asyncProperty(
        fc.array(loss, { maxLength: 25 }),
        fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }),
        async (losses, sizes) => {
          const { home, run } = setUp();
          const script = [...losses];
          let next: Loss = 'none';
          home.disturb = (when, method, id) => {
            if (when === 'before') next = script.shift() ?? 'none';
            const state = home.transactions.get(id);
            if (when === 'before' && next === 'request') throw refusal('Unavailable');
            if (when === 'after' && next === 'answer') throw refusal('Undetermined');
            if (when === 'before' && state?.status === 'open' && method !== 'begin') {
              if (next === 'transaction') home.transactions.delete(id);
              if (next === 'event' && state.events.length > 0) state.events[0] = undefined;
            }
          };
          let data = 0;
          await run(async (tx) => {
            for (const size of sizes) await tx.write(Array.from({ length: size }, () => event(data++)));
          });
          expect(home.committedData('t1')).toEqual(Array.from({ length: data }, (_, i) => i));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('writes keep the numbers that were answered, also where they overtook each other', async () => {
    const { home, run } = setUp();
    let arrive = (): void => undefined;
    const late = new Promise<void>((resolve) => (arrive = resolve));
    home.travel = (what) => {
      if (what !== 'write there') return Promise.resolve();
      home.travel = () => Promise.resolve();
      return late;
    };
    home.disturb = once('before', 'commit', () => home.transactions.clear());
    await run(async (tx) => {
      const first = tx.write(event(0));
      expect(await tx.write(event(1))).toMatchObject({ number: 0 });
      arrive();
      expect(await first).toMatchObject({ number: 1 });
    });
    expect(home.committedData('t1')).toEqual([1, 0]);
  });

  test('concurrent writes are all committed once, whatever is lost and overtakes what', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
        async (scheduler, writes, losses) => {
          const env = environment();
          const home = new FakeHome();
          const client = new LockstepClient({ ...env, transport: directTransport(home.service) });
          let requests = 0;
          home.travel = (what) => scheduler.schedule(Promise.resolve(), what);
          home.disturb = (when, method, id) => {
            if (when !== 'before' || method === 'begin') return;
            requests += 1;
            // What is committed is in every log and is not lost.
            if (losses.includes(requests) && home.transactions.get(id)?.status === 'open') home.transactions.delete(id);
          };
          const data = Array.from({ length: writes }, (_, i) => i);
          const running = client.run(async (tx) => Promise.all(data.map((each) => tx.write(event(each)))), {
            id: 't1',
            streams: ['orders'],
          });
          await scheduler.waitFor(running);
          expect(home.committedData('t1').sort()).toEqual(data);
        },
      ),
      { numRuns: 500 },
    );
  });
});
