import { PROBLEMS, LockstepError } from '../../src/core/errors.js';
import type { ProblemCode } from '../../src/core/errors.js';
import { problem } from '../../src/http/answer-schemas.js';
import { LOCAL_ROUTES } from '../../src/http/local-routes.js';
import type { Described } from '../../src/http/route.js';
import { ROUTES } from '../../src/http/routes.js';
import { CONFLICT_ID, DIGEST, fakeControls, fakeService } from './support/fake-service.js';
import { ask, Servers } from './support/running.js';

const servers = new Servers();
afterEach(() => servers.close());

const EVENT = { stream: 'orders', key: 'k', type: 'placed', data: { a: 1 } };

/** For each operation: how it is asked, the call of the service that this has to become, and the status. */
const CASES: Record<string, { ask: [string, string, unknown?]; call: unknown[]; status: number }> = {
  begin: {
    ask: ['POST', '/transactions', { streams: ['orders'], deadlineMs: 1000, replication: 'at-commit', mirrors: 2 }],
    call: [{ streams: ['orders'], deadlineMs: 1000, replication: 'at-commit', mirrors: 2 }],
    status: 201,
  },
  listTransactions: {
    ask: ['GET', '/transactions?status=open&olderThanMs=5&limit=10&cursor=abc%3D'],
    call: [{ status: 'open', olderThanMs: 5, limit: 10, cursor: 'abc=' }],
    status: 200,
  },
  readTransactions: {
    ask: ['GET', '/transactions/stream?streams=orders,a.b-c&checkpoint=c0&limit=1000&waitMs=20000'],
    call: [{ streams: ['orders', 'a.b-c'], checkpoint: 'c0', limit: 1000, waitMs: 20000 }],
    status: 200,
  },
  getTransaction: { ask: ['GET', '/transactions/t1'], call: ['t1'], status: 200 },
  write: {
    ask: ['POST', '/transactions/t1/events', { events: [{ ...EVENT, id: 'w', expectedVersion: 0 }] }],
    call: ['t1', { events: [{ ...EVENT, id: 'w', expectedVersion: 0 }] }],
    status: 200,
  },
  commit: {
    ask: ['POST', '/transactions/t1/commit', { digests: [DIGEST] }],
    call: ['t1', { digests: [DIGEST] }],
    status: 200,
  },
  abort: { ask: ['POST', '/transactions/t1/abort', { reason: 'no' }], call: ['t1', { reason: 'no' }], status: 200 },
  commitOnce: {
    ask: ['POST', '/commits', { id: 'c-1', events: [EVENT] }],
    call: [{ id: 'c-1', events: [EVENT] }],
    status: 200,
  },
  commitBatch: {
    ask: ['POST', '/commits/batch', { commits: [{ id: 'c-1', events: [EVENT] }, { events: [EVENT] }] }],
    call: [{ commits: [{ id: 'c-1', events: [EVENT] }, { events: [EVENT] }] }],
    status: 200,
  },
  listStreams: { ask: ['GET', '/streams'], call: [], status: 200 },
  getStream: { ask: ['GET', '/streams/orders'], call: ['orders'], status: 200 },
  putStream: {
    ask: ['PUT', '/streams/orders', { shards: 2, mirrors: { count: 1, create: 'on-begin' }, ordering: 'versioned' }],
    call: ['orders', { shards: 2, mirrors: { count: 1, create: 'on-begin' }, ordering: 'versioned' }],
    status: 200,
  },
  getScaling: { ask: ['GET', '/streams/orders/scaling'], call: ['orders'], status: 200 },
  planScaling: {
    ask: ['POST', '/streams/orders/scaling/plan', { scaling: { shards: { min: 1, max: 8 } } }],
    call: ['orders', { scaling: { shards: { min: 1, max: 8 } } }],
    status: 200,
  },
  readEvents: {
    ask: ['GET', '/streams/orders/events?checkpoint=c0&limit=1&waitMs=0&site=west'],
    call: [{ stream: 'orders', checkpoint: 'c0', limit: 1, waitMs: 0, site: 'west' }],
    status: 200,
  },
  switchover: {
    ask: ['POST', '/streams/orders/switchover', { to: 'west', force: true }],
    call: ['orders', { to: 'west', force: true }],
    status: 200,
  },
  getRoute: { ask: ['GET', '/route'], call: [], status: 200 },
  moveHome: { ask: ['POST', '/route/home', { to: 'west' }], call: [{ to: 'west' }], status: 200 },
  reconcile: {
    ask: ['POST', '/reconciliations', { site: 'east', streams: ['orders'] }],
    call: [{ site: 'east', streams: ['orders'] }],
    status: 202,
  },
  getReconciliation: { ask: ['GET', '/reconciliations/r1'], call: ['r1'], status: 200 },
  audit: {
    ask: ['POST', '/audits', { site: 'east', repair: true }],
    call: [{ site: 'east', repair: true }],
    status: 202,
  },
  getAudit: { ask: ['GET', '/audits/a1'], call: ['a1'], status: 200 },
  listIncidents: { ask: ['GET', '/incidents?limit=5'], call: [{ limit: 5 }], status: 200 },
  listConflicts: {
    ask: ['GET', '/conflicts?status=open&cursor=x'],
    call: [{ status: 'open', cursor: 'x' }],
    status: 200,
  },
  getConflict: { ask: ['GET', `/conflicts/${CONFLICT_ID}`], call: [CONFLICT_ID], status: 200 },
  resolveConflict: {
    ask: ['POST', `/conflicts/${CONFLICT_ID}/resolution`, { take: 'waiting' }],
    call: [CONFLICT_ID, { take: 'waiting' }],
    status: 200,
  },
  getPredictions: { ask: ['GET', '/predictions'], call: [], status: 200 },
  getHealth: { ask: ['GET', '/health'], call: [], status: 200 },
};

function answerSchema(operation: string, status: number) {
  const routes: readonly Described[] = ROUTES;
  return routes.find((route) => route.operation === operation)!.answers[status]!;
}

test('there is a case for each route', () => {
  expect(Object.keys(CASES).sort()).toEqual(ROUTES.map((route) => route.operation).sort());
});

describe.each(Object.entries(CASES))('%s', (operation, { ask: [method, path, body], call, status }) => {
  test.each(['', '/sites/east'])('under "%s" reaches its service and answers as documented', async (prefix) => {
    const [front, east] = [fakeService(), fakeService()];
    const { url } = await servers.start(front, { siteServices: { east } });
    const reply = await ask(url + prefix + path, method, body);
    expect(reply.status).toBe(status);
    expect(reply.headers.get('content-type')).toBe('application/json');
    answerSchema(operation, status).parse(reply.json);
    const [asked, other] = prefix === '' ? [front, east] : [east, front];
    expect(asked.calls).toEqual([{ method: operation, args: call }]);
    expect(other.calls).toEqual([]);
  });
});

test('a repeated begin answers 200, and never tells "created"', async () => {
  const service = fakeService();
  const { url } = await servers.start({
    ...service,
    begin: async (request) => ({ ...(await service.begin(request)), created: request.id !== 'again' }),
  });
  const first = await ask(`${url}/transactions`, 'POST', { streams: ['orders'] });
  const again = await ask(`${url}/transactions`, 'POST', { streams: ['orders'], id: 'again' });
  expect([first.status, again.status]).toEqual([201, 200]);
  expect([first.json, again.json].map((json) => 'created' in json)).toEqual([false, false]);
});

test.each([
  ['ok', 200],
  ['degraded', 200],
  ['down', 503],
] as const)('health %s answers %d with the same document', async (status, expected) => {
  const { url } = await servers.start(fakeService({ getHealth: async () => ({ status, sites: [] }) }));
  const reply = await ask(`${url}/health`);
  expect([reply.status, reply.json]).toEqual([expected, { status, sites: [] }]);
});

test('requests whose members are all optional need no body', async () => {
  const service = fakeService();
  const { url } = await servers.start(service);
  await ask(`${url}/transactions/t1/abort`, 'POST');
  await ask(`${url}/streams/orders/switchover`, 'POST');
  await ask(`${url}/streams/orders`, 'PUT');
  expect(service.calls.map(({ args }) => args[1])).toEqual([{}, {}, {}]);
});

describe('the local switches', () => {
  const FAULT = { site: 'east', stream: 'orders', part: 'streams', kind: 'flaky', rate: 0.5, delayMs: 3 };

  test('set and show the fault board and the distance', async () => {
    const controls = fakeControls();
    const { url } = await servers.start(fakeService(), { controls });
    expect((await ask(`${url}/local/faults`, 'PUT', { faults: [FAULT] })).json).toEqual({ faults: [FAULT] });
    expect((await ask(`${url}/local/faults`)).json).toEqual({ faults: [FAULT] });
    expect((await ask(`${url}/local/network`, 'PUT', { roundTripMs: 20 })).json).toEqual({ roundTripMs: 20 });
    expect(controls.roundTripMs).toBe(20);
  });

  test.each([
    [{ faults: [{ ...FAULT, kind: 'broken' }] }],
    [{ faults: [{ ...FAULT, rate: 1.5 }] }],
    [{ faults: [{ kind: 'down' }] }],
    [{ faults: [{ ...FAULT, extra: 1 }] }],
    [{}],
  ])('refuse %j', async (body) => {
    const controls = fakeControls();
    const { url } = await servers.start(fakeService(), { controls });
    expect((await ask(`${url}/local/faults`, 'PUT', body)).json.code).toBe('InvalidRequest');
    expect(controls.getFaults()).toEqual([]);
  });

  test('are not there without controls, and never under a site', async () => {
    const { url } = await servers.start(fakeService());
    expect((await ask(`${url}/local/faults`)).status).toBe(404);
    const local = await servers.start(fakeService(), {
      controls: fakeControls(),
      siteServices: { east: fakeService() },
    });
    expect((await ask(`${local.url}/sites/east/local/faults`)).status).toBe(404);
  });

  test('have a test each', () => {
    expect(LOCAL_ROUTES.map((route) => route.operation)).toEqual(['getFaults', 'setFaults', 'setNetwork']);
  });
});

describe('paths and methods', () => {
  test.each(['/nothing', '/transactions/t1/nothing', '/sites/north/streams', '/streams/'])(
    '%s is NotFound',
    async (path) => {
      const service = fakeService();
      const { url } = await servers.start(service, { siteServices: { east: service } });
      const reply = await ask(url + path);
      expect([reply.status, reply.json.code]).toEqual([404, 'NotFound']);
      expect(reply.headers.get('content-type')).toBe('application/problem+json');
      expect(service.calls).toEqual([]);
    },
  );

  test.each([
    ['DELETE', '/streams/orders', 'GET, HEAD, OPTIONS, PUT'],
    ['GET', '/commits', 'OPTIONS, POST'],
    ['PATCH', '/transactions', 'GET, HEAD, OPTIONS, POST'],
    ['POST', '/sites/east/health', 'GET, HEAD, OPTIONS'],
    ['PUT', '/openapi.json', 'GET, HEAD, OPTIONS'],
  ])('%s %s answers 405 and allows %s', async (method, path, allow) => {
    const service = fakeService();
    const { url } = await servers.start(service, { siteServices: { east: service } });
    const reply = await ask(url + path, method);
    expect([reply.status, reply.json.code, reply.headers.get('allow')]).toEqual([405, 'MethodNotAllowed', allow]);
    expect(service.calls).toEqual([]);
  });

  test('OPTIONS tells what is allowed; HEAD answers without a body', async () => {
    const { url } = await servers.start(fakeService());
    const options = await ask(`${url}/streams/orders/events`, 'OPTIONS');
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
    const head = await fetch(`${url}/streams`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await fetch(`${url}/commits`, { method: 'HEAD' })).status).toBe(405);
  });

  test('the root links to what there is', async () => {
    const { url } = await servers.start(fakeService());
    const { links } = (await ask(url)).json;
    for (const link of Object.values<string>(links)) expect((await ask(url + link)).status).toBe(200);
  });
});

describe('problems', () => {
  test.each(Object.keys(PROBLEMS) as ProblemCode[])('%s becomes a problem document with its extras', async (code) => {
    const refuse = async () => {
      throw new LockstepError(code, 'do this', { missing: [2], status: 200 });
    };
    const { url } = await servers.start(fakeService({ commitOnce: refuse }));
    const reply = await ask(`${url}/commits`, 'POST', { events: [EVENT] });
    const { status, title, retryable } = PROBLEMS[code];
    expect(reply.status).toBe(status);
    expect(reply.headers.get('content-type')).toBe('application/problem+json');
    const expected = { type: `urn:lockstep:problem:${code}`, title, status, detail: 'do this', code, retryable };
    expect(problem.parse(reply.json)).toEqual({ ...expected, missing: [2] });
    expect(reply.headers.get('retry-after')).toBe(code === 'Throttled' ? '1' : null);
  });

  test('Throttled says in whole seconds when to come back', async () => {
    const throttled = async () => {
      throw new LockstepError('Throttled', 'slow down', { retryAfterMs: 1500 });
    };
    const { url } = await servers.start(fakeService({ getRoute: throttled }));
    expect((await ask(`${url}/route`)).headers.get('retry-after')).toBe('2');
  });

  test('what nobody foresaw is Internal: noted, and nothing of it told', async () => {
    const notes: unknown[] = [];
    const observer = { note: (what: string, facts: unknown) => void notes.push({ what, facts }) };
    const fail = async () => {
      throw new TypeError('secret payload');
    };
    const { url } = await servers.start(fakeService({ commitOnce: fail }), { observer });
    const reply = await ask(`${url}/commits`, 'POST', { events: [EVENT] });
    expect([reply.status, reply.json.code]).toEqual([500, 'Internal']);
    expect(JSON.stringify(reply.json)).not.toMatch(/secret|at .*\.ts/);
    expect(notes).toEqual([
      { what: 'http.unexpected', facts: expect.objectContaining({ operation: 'commitOnce', name: 'TypeError' }) },
    ]);
  });

  test('a service that throws at once is no different', async () => {
    const fail = () => {
      throw new LockstepError('UnknownStream', 'no');
    };
    const { url } = await servers.start(fakeService({ getStream: fail }));
    expect((await ask(`${url}/streams/orders`)).json.code).toBe('UnknownStream');
  });
});
