import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type {
  BeginAnswer,
  CommitAnswer,
  EventIn,
  TransactionLogEntry,
  TransactionPage,
  WriteAnswer,
} from '../../src/core/api.js';
import { anyText, DIGEST, event, eventually, ISO, refusal, type RunningApi, startApi } from './support/api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
  await api.done('PUT', '/streams/orders', { shards: 2 });
  await api.done('PUT', '/streams/payments');
  await api.done('PUT', '/streams/ledger', { ordering: 'versioned' });
});
afterAll(() => api.close());

const begin = (id: string, more: object = {}) =>
  api.post<BeginAnswer>('/transactions', { id, streams: ['orders', 'payments'], ...more });
const write = (id: string, ...events: readonly EventIn[]) =>
  api.post<WriteAnswer>(`/transactions/${id}/events`, { events });
const commit = (id: string, digests: readonly string[]) =>
  api.post<CommitAnswer>(`/transactions/${id}/commit`, { digests });
const show = (id: string) => api.get<TransactionLogEntry>(`/transactions/${id}`);
const digestsOf = (answer: { readonly body: WriteAnswer }) => answer.body.events.map(({ digest }) => digest);

/** The digest as the contract defines it, with another implementation of RFC 8785. */
function digestOf({ stream, key, type, data, dataBase64 }: EventIn): string {
  const covered = { stream, key, type, ...(dataBase64 === undefined ? { data } : { dataBase64 }) };
  return createHash('sha256').update(canonicalize(covered)!).digest('hex');
}

describe('POST /transactions', () => {
  test('answers 201 with the transaction and its mirrors; repeated, 200 with the same', async () => {
    const first = await begin('begin-1');
    expect(first).toMatchObject({
      status: 201,
      body: {
        id: 'begin-1',
        status: 'open',
        expiresAt: ISO,
        home: 'east',
        streams: [
          {
            name: 'orders',
            active: 'east',
            mirrors: [{ stream: 'orders', site: 'west', status: 'in-sync', replicationFactor: 1, completeFrom: ISO }],
          },
          { name: 'payments', active: 'east', mirrors: [{ stream: 'payments', site: 'west' }] },
        ],
      },
    });
    expect(first.body.streams[0]!.mirrors[0]!.shards).toHaveLength(2);
    const left = Date.parse(first.body.expiresAt) - Date.now();
    expect(left).toBeGreaterThan(50_000);
    expect(left).toBeLessThanOrEqual(60_000);
    expect(await begin('begin-1')).toMatchObject({
      status: 200,
      body: { id: 'begin-1', expiresAt: first.body.expiresAt },
    });
  });

  test('gives an id where none is given, and takes the deadline that is', async () => {
    const { status, body } = await api.post<BeginAnswer>('/transactions', { streams: ['orders'], deadlineMs: 5_000 });
    expect([status, body.id]).toEqual([201, anyText(/^[A-Za-z0-9_-]{1,64}$/)]);
    expect(Date.parse(body.expiresAt) - Date.now()).toBeLessThanOrEqual(5_000);
  });

  test('with the same id for another transaction is refused', async () => {
    await begin('begin-2');
    expect(await begin('begin-2', { streams: ['orders'] })).toMatchObject(refusal(422, 'IdempotencyMismatch'));
    expect(await begin('begin-2', { replication: 'at-commit' })).toMatchObject(refusal(422, 'IdempotencyMismatch'));
    // The order of the streams says nothing.
    expect(await begin('begin-2', { streams: ['payments', 'orders'] })).toMatchObject({ status: 200 });
  });

  test('of what is over says how it ended', async () => {
    await begin('begin-3');
    await commit('begin-3', []);
    expect(await begin('begin-3')).toMatchObject(refusal(409, 'TransactionCommitted', { retryable: false }));
    await begin('begin-4');
    await api.post('/transactions/begin-4/abort');
    expect(await begin('begin-4')).toMatchObject(refusal(409, 'TransactionAborted', { retryable: false }));
  });

  test('over a stream that is not there begins nothing', async () => {
    const refused = await begin('begin-5', { streams: ['orders', 'nowhere'] });
    expect(refused).toMatchObject(refusal(404, 'UnknownStream', { detail: anyText(/nowhere/) }));
    expect(await show('begin-5')).toMatchObject(refusal(404, 'UnknownTransaction'));
  });
});

describe('POST /transactions/{id}/events', () => {
  test('numbers events from 0, with digests that anybody can compute', async () => {
    await begin('write-1');
    const events: readonly EventIn[] = [
      event('orders', 'k', { b: 1, a: [1e21, 0.1, -0, 'é€😀\u2028"\\'], '': null, é: true }),
      event('payments', 'ключ', null),
      { stream: 'orders', key: 'k', type: 'binary', dataBase64: 'AAEC/w==' },
      event('orders', 'k', 'text', { id: 'client-1', time: '2026-02-03T04:05:06+07:00', expectedVersion: 0 }),
    ];
    const first = await write('write-1', ...events.slice(0, 3));
    const second = await write('write-1', events[3]!);
    expect(first.body.events.map(({ number }) => number)).toEqual([0, 1, 2]);
    expect(second.body.events.map(({ number }) => number)).toEqual([3]);
    expect([...digestsOf(first), ...digestsOf(second)]).toEqual(events.map(digestOf));
    expect(first.body.events.map(({ stream, foreseen }) => [stream, foreseen])).toEqual([
      ['orders', []],
      ['payments', []],
      ['orders', []],
    ]);
  });

  test('with an id is the same write again, without one another', async () => {
    await begin('write-2');
    const named = event('orders', 'k', 1, { id: 'e1' });
    const first = await write('write-2', named);
    expect((await write('write-2', named)).body).toEqual(first.body);
    // A part of what is sent may be known already.
    const mixed = await write('write-2', named, event('orders', 'k', 2, { id: 'e2' }), named);
    expect(mixed.body.events.map(({ number }) => number)).toEqual([0, 1, 0]);
    await write('write-2', event('orders', 'k', 3));
    expect((await write('write-2', event('orders', 'k', 3))).body.events[0]!.number).toBe(3);
    const other = await write('write-2', event('orders', 'k', 'other', { id: 'e1' }));
    expect(other).toMatchObject(refusal(422, 'IdempotencyMismatch', { detail: anyText(/e1/) }));
    expect((await show('write-2')).body.events.map(({ data }) => data)).toEqual([1, 2, 3, 3]);
  });

  test('writes all or nothing', async () => {
    await begin('write-3');
    const foreign = await write('write-3', event('orders', 'k'), event('ledger', 'k'));
    expect(foreign).toMatchObject(refusal(400, 'InvalidRequest', { detail: anyText(/ledger/) }));
    expect((await show('write-3')).body.events).toEqual([]);
  });

  test('into what is not open is refused', async () => {
    expect(await write('write-nowhere', event('orders', 'k'))).toMatchObject(refusal(404, 'UnknownTransaction'));
    await begin('write-4');
    await commit('write-4', []);
    expect(await write('write-4', event('orders', 'k'))).toMatchObject(refusal(409, 'TransactionCommitted'));
    await begin('write-5');
    await api.post('/transactions/write-5/abort', { reason: 'no more' });
    expect(await write('write-5', event('orders', 'k'))).toMatchObject(refusal(409, 'TransactionAborted'));
  });

  test('many at once, from many connections, get different numbers', async () => {
    await begin('write-6');
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => write('write-6', event('orders', `k${i}`, i, { id: `e${i}` }))),
    );
    const numbers = answers.flatMap(({ body }) => body.events.map(({ number }) => number));
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    const byNumber = answers.flatMap(({ body }) => body.events).sort((a, b) => a.number - b.number);
    const committed = await commit(
      'write-6',
      byNumber.map(({ digest }) => digest),
    );
    expect(committed).toMatchObject({ status: 200, body: { events: 12 } });
  });

  test('beyond the limits is refused, and what was written stands', async () => {
    await begin('write-7');
    const many = Array.from({ length: 400 }, (_, i) => event('orders', `k${i}`, i));
    await write('write-7', ...many);
    expect(await write('write-7', ...many.slice(0, 101))).toMatchObject(refusal(413, 'TransactionTooLarge'));
    const large = event('orders', 'large', 'x'.repeat(1024 * 1024 + 1));
    expect(await write('write-7', large)).toMatchObject(refusal(413, 'EventTooLarge'));
    expect((await show('write-7')).body.events).toHaveLength(400);
    await api.post('/transactions/write-7/abort');
  });
});

describe('GET /transactions/{id}', () => {
  test('tells an open transaction with its own writes, then how it ended', async () => {
    const started = await begin('show-1', { streams: ['orders', 'ledger'] });
    const given = event('orders', 'k', { total: 1 }, { id: 'c1', time: '2026-01-02T03:04:05.678Z' });
    const written = await write('show-1', given, event('ledger', 'show', 2));
    const open = await show('show-1');
    expect(open.body).toEqual({
      id: 'show-1',
      status: 'open',
      streams: ['orders', 'ledger'],
      shards: expect.any(Array),
      events: [
        { ...given, number: 0, digest: DIGEST },
        { ...event('ledger', 'show', 2), number: 1, digest: DIGEST },
      ],
      startedAt: ISO,
      expiresAt: started.body.expiresAt,
    });
    expect(new Set(open.body.shards.map(({ site, stream }) => `${stream}@${site}`))).toEqual(
      new Set(['orders@east', 'orders@west', 'ledger@east', 'ledger@west']),
    );
    const committed = await commit('show-1', digestsOf(written));
    expect((await show('show-1')).body).toMatchObject({
      status: 'committed',
      committedAt: committed.body.committedAt,
      decidedAt: committed.body.committedAt,
      events: [
        { number: 0, id: 'c1' },
        { number: 1, version: 1 },
      ],
    });
    await begin('show-2');
    await api.post('/transactions/show-2/abort', { reason: 'changed my mind' });
    expect((await show('show-2')).body).toMatchObject({ status: 'aborted', reason: 'changed my mind', decidedAt: ISO });
  });

  test('of one that is not there is 404', async () => {
    expect(await show('show-nowhere')).toMatchObject(refusal(404, 'UnknownTransaction', { retryable: false }));
  });
});

describe('POST /transactions/{id}/commit', () => {
  test('commits, says how many hold it, and says the same again', async () => {
    await begin('commit-1');
    const written = await write('commit-1', event('orders', 'k', 1), event('payments', 'k', 2));
    const first = await commit('commit-1', digestsOf(written));
    expect(first).toMatchObject({
      status: 200,
      body: { id: 'commit-1', status: 'committed', committedAt: ISO, events: 2, replicas: 2, atRisk: false },
    });
    expect((await commit('commit-1', digestsOf(written))).body).toEqual(first.body);
    expect(await commit('commit-1', digestsOf(written).reverse())).toMatchObject(refusal(422, 'IdempotencyMismatch'));
    expect(await commit('commit-1', [])).toMatchObject(refusal(422, 'IdempotencyMismatch'));
    for (const site of ['east', 'west']) {
      const events = await api.readAll('payments', `site=${site}`);
      expect(events.filter(({ transactionid }) => transactionid === 'commit-1')).toHaveLength(1);
    }
  });

  test('names the events that home lacks; sent again, they are committed', async () => {
    await begin('commit-2');
    const [kept, lost] = [event('orders', 'k', 'kept', { id: 'a' }), event('orders', 'k', 'lost', { id: 'b' })];
    await write('commit-2', kept);
    const digests = [kept, lost].map(digestOf);
    const refused = await commit('commit-2', digests);
    expect(refused).toMatchObject(refusal(409, 'EventsMissing', { missing: [1], retryable: false }));
    await write('commit-2', lost);
    expect(await commit('commit-2', digests)).toMatchObject({ status: 200, body: { events: 2 } });
  });

  test('leaves out no event that was written', async () => {
    await begin('commit-3');
    const written = await write('commit-3', event('orders', 'k', 1), event('orders', 'k', 2));
    const refused = await commit('commit-3', digestsOf(written).slice(0, 1));
    expect(refused).toMatchObject(refusal(422, 'IdempotencyMismatch'));
    expect(await commit('commit-3', digestsOf(written))).toMatchObject({ status: 200 });
  });

  test('of nothing commits nothing', async () => {
    await begin('commit-4');
    expect(await commit('commit-4', [])).toMatchObject({ status: 200, body: { events: 0, status: 'committed' } });
  });

  test('of what is over, or not there, says so', async () => {
    expect(await commit('commit-nowhere', [])).toMatchObject(refusal(404, 'UnknownTransaction'));
    await begin('commit-5');
    await api.post('/transactions/commit-5/abort');
    expect(await commit('commit-5', [])).toMatchObject(refusal(409, 'TransactionAborted'));
  });

  test('after the deadline aborts, and says so', async () => {
    await begin('commit-6', { deadlineMs: 1_000 });
    const written = await write('commit-6', event('orders', 'k', 'too late'));
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect(await commit('commit-6', digestsOf(written))).toMatchObject(
      refusal(409, 'TransactionExpired', { retryable: false }),
    );
    expect(await write('commit-6', event('orders', 'k'))).toMatchObject(refusal(409, 'TransactionExpired'));
    expect((await show('commit-6')).body).toMatchObject({ status: 'aborted', decidedAt: ISO });
    // Also with nobody asking for it.
    await begin('commit-7', { deadlineMs: 1_000 });
    await eventually(
      'the sweep aborts it',
      async () => (await api.get<TransactionPage>('/transactions?status=open&limit=1000')).body.transactions,
      (open) => open.every(({ id }) => id !== 'commit-7'),
    );
    expect((await show('commit-7')).body).toMatchObject({ status: 'aborted' });
    for (const { transactionid } of await api.readAll('orders')) expect(transactionid).not.toBe('commit-6');
  });

  test('refuses a version that somebody else has taken, with what stands', async () => {
    await begin('commit-8', { streams: ['ledger'] });
    await begin('commit-9', { streams: ['ledger'] });
    const [one, two] = [
      event('ledger', 'race', 1, { expectedVersion: 0 }),
      event('ledger', 'race', 2, { expectedVersion: 1 }),
    ];
    const first = await write('commit-8', one, two);
    const second = await write('commit-9', one);
    expect(await commit('commit-8', digestsOf(first))).toMatchObject({ status: 200 });
    const refused = refusal(409, 'VersionConflict', {
      stream: 'ledger',
      key: 'race',
      expected: 0,
      actual: 2,
      retryable: false,
    });
    expect(await commit('commit-9', digestsOf(second))).toMatchObject(refused);
    expect(await commit('commit-8', digestsOf(first))).toMatchObject({ status: 200 });
    const events = (await api.readAll('ledger')).filter(({ subject }) => subject === 'race');
    expect(events.map(({ version, data }) => [version, data])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});

describe('POST /transactions/{id}/abort', () => {
  test('aborts once and for all', async () => {
    await begin('abort-1');
    await write('abort-1', event('orders', 'k', 'never'));
    const first = await api.post('/transactions/abort-1/abort', { reason: 'no' });
    expect(first).toMatchObject({ status: 200, body: { id: 'abort-1', status: 'aborted' } });
    expect(await api.post('/transactions/abort-1/abort', { reason: 'again' })).toMatchObject({ status: 200 });
    expect((await show('abort-1')).body.reason).toBe('no');
    for (const { data } of await api.readAll('orders')) expect(data).not.toBe('never');
  });

  test('needs no body, and takes back nothing', async () => {
    await begin('abort-2');
    expect(await api.ask('POST', '/transactions/abort-2/abort')).toMatchObject({ status: 200 });
    await begin('abort-3');
    await commit('abort-3', []);
    expect(await api.post('/transactions/abort-3/abort')).toMatchObject(refusal(409, 'TransactionCommitted'));
    expect(await api.post('/transactions/abort-nowhere/abort')).toMatchObject(refusal(404, 'UnknownTransaction'));
  });
});

describe('GET /transactions', () => {
  test('gives each transaction once, over pages of any size', async () => {
    const all = await api.allTransactions();
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    for (const limit of [1, 3]) {
      const paged: string[] = [];
      let query = '';
      do {
        const { body } = await api.get<TransactionPage>(`/transactions?limit=${limit}${query}`);
        expect(body.transactions.length).toBeLessThanOrEqual(limit);
        paged.push(...body.transactions.map(({ id }) => id));
        query = body.cursor === undefined ? '' : `&cursor=${encodeURIComponent(body.cursor)}`;
      } while (query !== '');
      expect(paged).toEqual(all.map(({ id }) => id));
    }
  });

  test('by status and age', async () => {
    await begin('list-1');
    for (const status of ['open', 'committed', 'aborted']) {
      const { body } = await api.get<TransactionPage>(`/transactions?status=${status}&limit=1000`);
      expect(body.transactions.length).toBeGreaterThan(0);
      expect(new Set(body.transactions.map((each) => each.status))).toEqual(new Set([status]));
    }
    const old = await api.get<TransactionPage>('/transactions?olderThanMs=600000');
    expect(old.body).toEqual({ transactions: [] });
    const young = await api.get<TransactionPage>('/transactions?olderThanMs=0&status=open&limit=1000');
    expect(young.body.transactions.map(({ id }) => id)).toContain('list-1');
  });

  test('with a cursor that is none of ours is refused', async () => {
    for (const cursor of ['x', 'e30', Buffer.from('{"status":"none"}').toString('base64url')]) {
      expect(await api.get(`/transactions?cursor=${cursor}`)).toMatchObject(refusal(400, 'InvalidRequest'));
    }
  });
});
