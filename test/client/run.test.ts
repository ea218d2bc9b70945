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

test('commits what the callback wrote, in its order, and gives what it returned', async () => {
  const { home, run } = setUp();
  const result = await run(async (tx) => {
    const written = await tx.write(event(0));
    expect(written).toMatchObject({ number: 0, stream: 'orders' });
    expect(await tx.write([event(1), event(2)])).toMatchObject([{ number: 1 }, { number: 2 }]);
    return tx.id;
  });
  expect(result).toEqual({ value: 't1', commit: expect.objectContaining({ id: 't1', events: 3 }) });
  expect(home.committedData('t1')).toEqual([0, 1, 2]);
  expect(home.log).toEqual(['begin', 'write', 'write', 'commit']);
});

test('an id is made where none is given; the rest goes to begin', async () => {
  const env = environment();
  const home = new FakeHome();
  const begun: unknown[] = [];
  const service = { ...home.service, begin: (request: never) => (begun.push(request), home.service.begin(request)) };
  const client = new LockstepClient({ ...env, transport: directTransport(service) });
  const options = { streams: ['orders'], deadlineMs: 5_000, replication: 'at-commit', mirrors: 2 } as const;
  const { commit } = await env.clock.run(client.run(async (tx) => tx.write(event(0)), options));
  expect(begun).toEqual([{ ...options, id: commit.id }]);
});

test('a transaction reads its own writes', async () => {
  const { run } = setUp();
  await run(async (tx) => {
    const pending = tx.write(event(0));
    expect((await tx.read()).map(({ data }) => data)).toEqual([0]);
    await pending;
  });
});

test('a transaction without writes commits as well', async () => {
  const { home, run } = setUp();
  await run(async () => undefined);
  expect(home.committedData('t1')).toEqual([]);
});

describe('when the callback fails', () => {
  test('its error comes out, and the transaction is aborted', async () => {
    const { home, run } = setUp();
    const error = new RangeError('no');
    const failed = run(async (tx) => {
      await tx.write(event(0));
      throw error;
    });
    await expect(failed).rejects.toBe(error);
    expect(home.transactions.get('t1')!.status).toBe('aborted');
  });

  test('its error comes out, also where the abort fails', async () => {
    const { home, run } = setUp();
    home.disturb = (_, method) => {
      if (method === 'abort') throw refusal('Unavailable');
    };
    const error = new RangeError('no');
    await expect(run(() => Promise.reject(error))).rejects.toBe(error);
  });
});

describe('a write that fails', () => {
  test('for good is not committed around, even where the callback catches it', async () => {
    const { home, run } = setUp();
    home.disturb = once('before', 'write', () => {
      throw refusal('EventTooLarge');
    });
    const failed = run(async (tx) => {
      await tx.write(event(0)).catch(() => undefined);
      await tx.write(event(1));
    });
    await expect(failed).rejects.toMatchObject({ code: 'EventTooLarge' });
    expect(home.log).toEqual(['begin', 'write', 'write', 'abort']);
  });

  test('fails the run where nobody awaited it', async () => {
    const { home, run } = setUp();
    home.disturb = once('before', 'write', () => {
      throw refusal('UnknownStream');
    });
    const failed = run(async (tx) => {
      void tx.write(event(0));
    });
    await expect(failed).rejects.toMatchObject({ code: 'UnknownStream' });
  });

  test('is awaited before the commit where nobody else does', async () => {
    const { home, run } = setUp();
    home.disturb = once('before', 'write', () => {
      throw refusal('Unavailable');
    });
    await run(async (tx) => {
      void tx.write(event(0));
    });
    expect(home.committedData('t1')).toEqual([0]);
  });

  test('comes too late when the callback has returned', async () => {
    const { run } = setUp();
    let kept: Transaction | undefined;
    await run(async (tx) => {
      kept = tx;
    });
    await expect(kept!.write(event(0))).rejects.toMatchObject({ code: 'InvalidRequest' });
  });
});

test('every write has an id, and a repeated run under the same id makes the same writes', async () => {
  const { home, run } = setUp(0);
  const callback = async (tx: Transaction) => {
    await tx.write(event(0));
    await tx.write({ ...event(1), id: 'mine' });
    await tx.write(event(2));
  };
  home.disturb = (_, method) => {
    if (method === 'commit' || method === 'abort') throw refusal('Unavailable');
  };
  await expect(run(callback)).rejects.toMatchObject({ code: 'Unavailable' });
  home.disturb = () => undefined;
  await run(callback);
  expect(home.committedData('t1')).toEqual([0, 1, 2]);
  expect([...home.transactions.get('t1')!.numbers.keys()]).toEqual(['~0', 'mine', '~1']);
});

describe('a version conflict', () => {
  const conflicting = (home: FakeHome, times: number) => {
    let left = times;
    home.refuseCommit = () => {
      if (left-- > 0) throw refusal('VersionConflict', { stream: 'orders', key: 'k', expected: 0, actual: 1 });
    };
  };

  test('comes out, and the transaction does not stay open', async () => {
    const { home, run } = setUp();
    conflicting(home, 1);
    await expect(run(async (tx) => tx.write(event(0)))).rejects.toMatchObject({
      code: 'VersionConflict',
      extras: { actual: 1 },
    });
    expect(home.transactions.get('t1')!.status).toBe('aborted');
  });

  test('runs the callback again in a new transaction where that is asked for, a bounded number of times', async () => {
    const env = environment();
    const home = new FakeHome();
    const client = new LockstepClient({ ...env, transport: directTransport(home.service) });
    const ids: string[] = [];
    const run = (attempts?: number) =>
      env.clock.run(
        client.run(async (tx) => ids.push(tx.id), {
          streams: ['orders'],
          retryOnVersionConflict: true,
          ...(attempts !== undefined && { attempts }),
        }),
      );
    conflicting(home, 2);
    const { commit } = await run();
    expect(new Set(ids).size).toBe(3);
    expect(commit.id).toBe(ids[2]);
    conflicting(home, 99);
    await expect(run(4)).rejects.toMatchObject({ code: 'VersionConflict' });
    expect(ids).toHaveLength(7);
  });

  test('cannot be retried under an id that the caller chose', async () => {
    const { run, home } = setUp();
    const refused = run(async () => undefined, { id: 't1', retryOnVersionConflict: true });
    await expect(refused).rejects.toMatchObject({ code: 'InvalidRequest' });
    expect(home.log).toEqual([]);
  });
});
