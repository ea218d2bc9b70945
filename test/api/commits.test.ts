import type { BatchResult, CommitAnswer, EventIn, TransactionLogEntry } from '../../src/core/api.js';
import { anyText, event, eventually, ISO, refusal, type RunningApi, startApi } from './support/api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
  await api.done('PUT', '/streams/orders', { shards: 2 });
  await api.done('PUT', '/streams/payments');
  await api.done('PUT', '/streams/ledger', { ordering: 'versioned' });
});
afterAll(() => api.close());

const commit = (id: string, ...events: readonly EventIn[]) => api.post<CommitAnswer>('/commits', { id, events });

describe('POST /commits', () => {
  test('commits events of several streams; readers get CloudEvents', async () => {
    const events = [
      event('orders', 'o-1', { total: 4 }, { id: 'c1', time: '2026-01-02T03:04:05+01:00' }),
      event('payments', 'p-1', [1, null]),
      { stream: 'payments', key: 'p-2', type: 'binary', dataBase64: 'AAEC' },
      event('ledger', 'l-1', 'x'),
    ];
    const { status, body } = await commit('once-1', ...events);
    expect([status, body]).toEqual([
      200,
      { id: 'once-1', status: 'committed', committedAt: ISO, events: 4, replicas: 2, atRisk: false },
    ]);
    const [order] = (await api.readAll('orders')).filter(({ transactionid }) => transactionid === 'once-1');
    expect(order).toEqual({
      specversion: '1.0',
      id: 'once-1:0',
      source: anyText(/lockstep/),
      type: 'test',
      subject: 'o-1',
      time: '2026-01-02T03:04:05+01:00',
      datacontenttype: 'application/json',
      data: { total: 4 },
      stream: 'orders',
      transactionid: 'once-1',
      number: 0,
      parts: 4,
      committedat: body.committedAt,
      clock: expect.any(String),
      clientid: 'c1',
    });
    const [, binary] = (await api.readAll('payments')).filter(({ transactionid }) => transactionid === 'once-1');
    expect(binary).toMatchObject({ id: 'once-1:2', data_base64: 'AAEC', subject: 'p-2', time: body.committedAt });
    const [entry] = (await api.readAll('ledger')).filter(({ transactionid }) => transactionid === 'once-1');
    expect(entry).toMatchObject({ version: 1, number: 3 });
  });

  test('retried, has one effect and the same answer; with other content it is refused', async () => {
    const first = await commit('once-2', event('orders', 'k', 1), event('payments', 'k', 2));
    for (let i = 0; i < 3; i += 1) {
      expect((await commit('once-2', event('orders', 'k', 1), event('payments', 'k', 2))).body).toEqual(first.body);
    }
    expect(await commit('once-2', event('orders', 'k', 1))).toMatchObject(refusal(422, 'IdempotencyMismatch'));
    const other = await commit('once-2', event('orders', 'k', 'other'), event('payments', 'k', 2));
    expect(other).toMatchObject(refusal(422, 'IdempotencyMismatch', { retryable: false }));
    const standing = (await api.readAll('orders')).filter(({ transactionid }) => transactionid === 'once-2');
    expect(standing.map(({ data }) => data)).toEqual([1]);
  });

  test('many times at the same moment, has one effect', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => commit('once-3', event('orders', 'k', 3))));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 200 });
    const standing = (await api.readAll('orders')).filter(({ transactionid }) => transactionid === 'once-3');
    expect(standing).toHaveLength(1);
  });

  test('checks expected versions, all or nothing; a retry never meets its own effect', async () => {
    const versioned = (data: number, expectedVersion: number) =>
      event('orders', 'versioned', data, { expectedVersion });
    expect(await commit('once-4', versioned(1, 0), versioned(2, 1))).toMatchObject({ status: 200 });
    expect(await commit('once-4', versioned(1, 0), versioned(2, 1))).toMatchObject({ status: 200 });
    const stale = await commit('once-5', event('payments', 'k', 'torn'), versioned(3, 1));
    expect(stale).toMatchObject(
      refusal(409, 'VersionConflict', { stream: 'orders', key: 'versioned', expected: 1, actual: 2 }),
    );
    for (const { data } of await api.readAll('payments')) expect(data).not.toBe('torn');
    expect(await api.get('/transactions/once-5')).toMatchObject(refusal(404, 'UnknownTransaction'));
    // The id was not used up by the refusal.
    expect(await commit('once-5', versioned(3, 2))).toMatchObject({ status: 200 });
    // A second event of a key expects one more.
    expect(await commit('once-6', versioned(4, 3), versioned(5, 3))).toMatchObject(refusal(409, 'VersionConflict'));
  });

  test('with the id of an interactive transaction is refused or the same', async () => {
    await api.post('/transactions', { id: 'once-7', streams: ['orders'] });
    await api.post('/transactions/once-7/abort');
    expect(await commit('once-7', event('orders', 'k'))).toMatchObject(refusal(409, 'TransactionAborted'));
  });

  test('at the limits passes, beyond them writes nothing', async () => {
    const before = (await api.allTransactions()).length;
    const tooMany = Array.from({ length: 501 }, (_, i) => event('orders', `k${i}`));
    expect(await commit('limit-1', ...tooMany)).toMatchObject(refusal(413, 'TransactionTooLarge'));
    const keys = (count: number) => Array.from({ length: count }, (_, i) => event('ledger', `limit-${i}`));
    expect(await commit('limit-2', ...keys(91))).toMatchObject(refusal(413, 'TransactionTooLarge'));
    const large = event('orders', 'k', 'x'.repeat(1024 * 1024 + 1));
    expect(await commit('limit-3', large)).toMatchObject(refusal(413, 'EventTooLarge'));
    const quarter = 'x'.repeat(900_000);
    const tooMuch = Array.from({ length: 5 }, (_, i) => event('orders', `k${i}`, quarter));
    expect(await commit('limit-4', ...tooMuch)).toMatchObject(refusal(413, 'TransactionTooLarge'));
    expect(await commit('limit-5', event('nowhere', 'k'))).toMatchObject(refusal(404, 'UnknownStream'));
    expect(await api.allTransactions()).toHaveLength(before);

    expect(await commit('limit-6', ...tooMany.slice(1))).toMatchObject({ status: 200, body: { events: 500 } });
    expect(await commit('limit-7', ...keys(90))).toMatchObject({ status: 200, body: { events: 90 } });
    const mebibyte = event('orders', 'k', 'x'.repeat(1024 * 1024 - 8_192));
    expect(await commit('limit-8', mebibyte)).toMatchObject({ status: 200 });
    expect(await commit('limit-9', ...tooMuch.slice(1))).toMatchObject({ status: 200 });
    const read = (await api.readAll('orders', 'site=west')).filter(({ transactionid }) => transactionid === 'limit-9');
    expect(read.map(({ data }) => (data as string).length)).toEqual([900_000, 900_000, 900_000, 900_000]);
  });
});

describe('POST /commits/batch', () => {
  const batch = (...commits: readonly { readonly id?: string; readonly events: readonly EventIn[] }[]) =>
    api.post<{ readonly results: readonly BatchResult[] }>('/commits/batch', { commits });

  test('gives each transaction its own outcome, in their order', async () => {
    await commit('batch-known', event('orders', 'k', 'known'));
    await commit('batch-0', event('ledger', 'batch', 0, { expectedVersion: 0 }));
    const commits = [
      { id: 'batch-1', events: [event('orders', 'k', 1), event('payments', 'k', 1)] },
      { id: 'batch-2', events: [event('orders', 'k'), event('nowhere', 'k')] },
      { id: 'batch-3', events: [event('ledger', 'batch', 3, { expectedVersion: 0 })] },
      { id: 'batch-known', events: [event('orders', 'k', 'other')] },
      { id: 'batch-4', events: [event('orders', 'k', 'x'.repeat(1024 * 1024 + 1))] },
      { id: 'batch-5', events: [event('ledger', 'batch', 5, { expectedVersion: 1 })] },
      { events: [event('orders', 'k', 'unnamed')] },
    ];
    const { status, body } = await batch(...commits);
    expect(status).toBe(200);
    expect(body.results.map((each) => ('problem' in each ? each.problem.code : each.status))).toEqual([
      'committed',
      'UnknownStream',
      'VersionConflict',
      'IdempotencyMismatch',
      'EventTooLarge',
      'committed',
      'committed',
    ]);
    expect(body.results.slice(0, 6).map(({ id }) => id)).toEqual(commits.slice(0, 6).map(({ id }) => id));
    expect(body.results[2]).toMatchObject({ problem: { status: 409, expected: 0, actual: 1, stream: 'ledger' } });
    expect(body.results[6]!.id).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    const again = await batch(...commits.slice(0, 6));
    expect(again.body.results.filter((each) => 'status' in each)).toEqual([body.results[0], body.results[5]]);
    expect(again.body.results[2]).toMatchObject({ problem: { code: 'VersionConflict', actual: 2 } });
    expect(await api.get('/transactions/batch-2')).toMatchObject(refusal(404, 'UnknownTransaction'));
    expect(await api.get('/transactions/batch-1')).toMatchObject({ status: 200, body: { status: 'committed' } });
  });

  test('orders transactions of one key that expect each other', async () => {
    const chain = Array.from({ length: 20 }, (_, i) => ({
      id: `chain-${i}`,
      events: [event('ledger', 'chain', i, { expectedVersion: i })],
    }));
    for (const each of chain) await batch(each);
    const { body } = await batch(...chain);
    expect(body.results.every((each) => 'status' in each)).toBe(true);
    const read = (await api.readAll('ledger', 'site=west')).filter(({ subject }) => subject === 'chain');
    expect(read.map(({ version, data }) => [version, data])).toEqual(chain.map((_, i) => [i + 1, i]));
  });

  test('takes the same id twice as what it is', async () => {
    const same = { id: 'twice-1', events: [event('orders', 'k', 'twice')] };
    const other = { id: 'twice-1', events: [event('orders', 'k', 'other')] };
    const { body } = await batch(same, same, other);
    const outcomes = body.results.map((each) => ('problem' in each ? each.problem.code : each.status));
    expect(outcomes).toEqual(['committed', 'committed', 'IdempotencyMismatch']);
    const standing = (await api.readAll('orders')).filter(({ transactionid }) => transactionid === 'twice-1');
    expect(standing.map(({ data }) => data)).toEqual(['twice']);
  });

  test('takes 100 and no more', async () => {
    const commits = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ id: `many-${i}`, events: [event('orders', `k${i}`, i)] }));
    expect(await batch(...commits(101))).toMatchObject(refusal(400, 'InvalidRequest'));
    expect(await api.get('/transactions/many-0')).toMatchObject(refusal(404, 'UnknownTransaction'));
    const { body } = await batch(...commits(100));
    expect(body.results).toHaveLength(100);
    expect(new Set(body.results.map((each) => ('status' in each ? each.status : 'refused')))).toEqual(
      new Set(['committed']),
    );
  });
});

test('a follower that is gone is left: the commit says that one site holds it, and that this is a risk', async () => {
  await api.put('/local/faults', { faults: [{ site: 'west', kind: 'down' }] });
  const alone = await commit('risk-1', event('orders', 'k', 'alone'));
  expect(alone).toMatchObject({ status: 200, body: { replicas: 1, atRisk: true } });
  await api.put('/local/faults', { faults: [] });
  await eventually(
    'west is in sync again',
    () => api.get<{ inSync: string[] }>('/route'),
    ({ body }) => body.inSync.includes('west'),
    20_000,
  );
  expect(await commit('risk-2', event('orders', 'k'))).toMatchObject({
    status: 200,
    body: { replicas: 2, atRisk: false },
  });
  const west = await api.readAll('orders', 'site=west');
  expect(west.filter(({ transactionid }) => transactionid === 'risk-1')).toHaveLength(1);
}, 40_000);

test('where too few sites are left to be allowed to decide, nothing is decided', async () => {
  const strict = await startApi({ options: { minInSync: 2 } });
  try {
    await strict.done('PUT', '/streams/orders');
    await strict.put('/local/faults', { faults: [{ site: 'west', kind: 'down' }] });
    const refused = await strict.post('/commits', { id: 'few-1', events: [event('orders', 'k', 'few')] });
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({ code: anyText(/^(Undetermined|NotEnoughReplicas)$/), retryable: true });
    await strict.put('/local/faults', { faults: [] });
    const again = await strict.post('/commits', { id: 'few-1', events: [event('orders', 'k', 'few')] });
    expect(again).toMatchObject({ status: 200, body: { replicas: 2 } });
    expect(await strict.get<TransactionLogEntry>('/transactions/few-1')).toMatchObject({
      body: { status: 'committed' },
    });
    expect(await strict.readAll('orders')).toHaveLength(1);
  } finally {
    await strict.close();
  }
}, 40_000);
