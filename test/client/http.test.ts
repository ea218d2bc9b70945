import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { directTransport, LockstepClient, LockstepError, nodeExchange } from '../../src/client/index.js';
import type { Service } from '../../src/core/api.js';
import { CONFLICT_ID, fakeControls, fakeService, stream } from '../http/support/fake-service.js';
import { Servers } from '../http/support/running.js';

const EVENT = { stream: 'orders', key: 'k', type: 'placed', data: 1 };

describe.each([
  ['fetch', () => ({})],
  ['node:http', () => ({ exchange: nodeExchange() })],
])('over %s', (_, exchange) => {
  const servers: Server[] = [];
  const start = async (listener: RequestListener): Promise<LockstepClient> => {
    const server = createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return new LockstepClient({ endpoints: [endpoint], timeoutMs: 150, maxAttempts: 1, ...exchange() });
  };
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  test('a server that does not answer in time is given up', async () => {
    const client = await start(() => undefined);
    await expect(client.getRoute()).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('in time'),
    });
  });

  test.each<[string, RequestListener]>([
    ['before its answer', (incoming) => incoming.socket.destroy()],
    [
      'in the middle of its answer',
      (_incoming, outgoing) => {
        outgoing.writeHead(200, { 'content-length': '100' }).write('{"term":1', () => outgoing.destroy());
      },
    ],
    ['in the middle of its answer, for ever', (_incoming, outgoing) => void outgoing.writeHead(200).write('{')],
    ['to elsewhere', (_incoming, outgoing) => void outgoing.writeHead(302, { location: '/' }).end()],
  ])('a server that breaks off %s is no answer', async (_what, listener) => {
    const client = await start(listener);
    const refused = await client.getRoute().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(LockstepError);
  });

  test('a body and a problem arrive as they were sent', async () => {
    const bodies: string[] = [];
    const client = await start((incoming, outgoing) => {
      incoming.setEncoding('utf8').on('data', (piece: string) => bodies.push(piece));
      incoming.on('end', () => {
        outgoing.writeHead(429, { 'content-type': 'application/problem+json', 'retry-after': '7' });
        outgoing.end(JSON.stringify({ code: 'Throttled', detail: 'später' }));
      });
    });
    await expect(client.commit([{ ...EVENT, data: 'ünï' }], { id: 'c1' })).rejects.toMatchObject({
      code: 'Throttled',
      message: 'später',
      extras: { retryAfterMs: 7_000 },
    });
    expect(JSON.parse(bodies.join(''))).toEqual({ id: 'c1', events: [{ ...EVENT, data: 'ünï' }] });
  });
});

describe('each method, in process and over HTTP,', () => {
  const servers = new Servers();
  afterEach(() => servers.close());

  const METHODS: [string, (client: LockstepClient) => Promise<unknown>, unknown[]][] = [
    ['begin', (c) => c.begin({ id: 't1', streams: ['orders'] }), [{ id: 't1', streams: ['orders'] }]],
    ['write', (c) => c.write('t1', { events: [EVENT] }), ['t1', { events: [EVENT] }]],
    ['commit', (c) => c.commitTransaction('t1', { digests: [] }), ['t1', { digests: [] }]],
    ['abort', (c) => c.abort('t1', { reason: 'x' }), ['t1', { reason: 'x' }]],
    ['getTransaction', (c) => c.getTransaction('t1'), ['t1']],
    ['listTransactions', (c) => c.listTransactions({ status: 'open', limit: 5 }), [{ status: 'open', limit: 5 }]],
    ['commitOnce', (c) => c.commit([EVENT], { id: 'c1' }), [{ id: 'c1', events: [EVENT] }]],
    [
      'commitBatch',
      (c) => c.commitBatch([{ id: 'c1', events: [EVENT] }]),
      [{ commits: [{ id: 'c1', events: [EVENT] }] }],
    ],
    ['getRoute', (c) => c.getRoute(), []],
    ['listStreams', (c) => c.listStreams(), []],
    ['getStream', (c) => c.getStream('a.b'), ['a.b']],
    ['putStream', (c) => c.putStream('orders', { shards: 2 }), ['orders', { shards: 2 }]],
    [
      'readEvents',
      (c) => c.readEvents({ stream: 'orders', checkpoint: 'a+b/=&', limit: 1, waitMs: 0, site: 'east' }),
      [{ stream: 'orders', checkpoint: 'a+b/=&', limit: 1, waitMs: 0, site: 'east' }],
    ],
    [
      'readTransactions',
      (c) => c.readTransactions({ streams: ['a', 'b'], checkpoint: 'c' }),
      [{ streams: ['a', 'b'], checkpoint: 'c' }],
    ],
    ['switchover', (c) => c.switchover('orders', { to: 'west' }), ['orders', { to: 'west' }]],
    ['moveHome', (c) => c.moveHome({ to: 'west', force: true }), [{ to: 'west', force: true }]],
    ['reconcile', (c) => c.reconcile({ site: 'east' }), [{ site: 'east' }]],
    ['getReconciliation', (c) => c.getReconciliation('r1'), ['r1']],
    ['audit', (c) => c.audit({ site: 'east' }), [{ site: 'east' }]],
    ['getAudit', (c) => c.getAudit('a1'), ['a1']],
    ['listIncidents', (c) => c.listIncidents({ cursor: 'x y' }), [{ cursor: 'x y' }]],
    ['listConflicts', (c) => c.listConflicts(), [{}]],
    ['getConflict', (c) => c.getConflict(CONFLICT_ID), [CONFLICT_ID]],
    ['resolveConflict', (c) => c.resolveConflict(CONFLICT_ID, { take: 'waiting' }), [CONFLICT_ID, { take: 'waiting' }]],
    ['getPredictions', (c) => c.getPredictions(), []],
    ['getHealth', (c) => c.getHealth(), []],
  ];

  test.each(METHODS)('%s: asks the service and gives its answer', async (method, call, args) => {
    const [direct, fetched, exchanged] = [fakeService(), fakeService(), fakeService()];
    const servedBy = async (service: Service) => [(await servers.start(service)).url];
    const answers = [
      await call(new LockstepClient({ transport: directTransport(direct) })),
      await call(new LockstepClient({ endpoints: await servedBy(fetched) })),
      await call(new LockstepClient({ endpoints: await servedBy(exchanged), exchange: nodeExchange() })),
    ];
    expect(answers.slice(1)).toEqual([answers[0], answers[0]]);
    for (const { calls } of [direct, fetched, exchanged]) {
      expect(calls[0]!.method).toBe(method);
      expect(calls[0]!.args.filter((arg) => arg !== undefined)).toEqual(args);
    }
  });

  test('the switches of a local server stand in front of its sites', async () => {
    const controls = fakeControls();
    const { url } = await servers.start(fakeService(), { controls });
    for (const client of [
      new LockstepClient({ endpoints: [`${url}/sites/east`] }),
      new LockstepClient({ transport: directTransport(fakeService(), controls) }),
    ]) {
      expect(await client.setFaults([{ site: 'east', kind: 'down' }])).toEqual([{ site: 'east', kind: 'down' }]);
      expect(await client.getFaults()).toEqual([{ site: 'east', kind: 'down' }]);
      await client.setNetwork({ roundTripMs: 20 });
      expect(controls.roundTripMs).toBe(20);
    }
    const without = new LockstepClient({ transport: directTransport(fakeService()) });
    await expect(without.getFaults()).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('the health of a deployment that is down is an answer', async () => {
    const { url } = await servers.start(fakeService({ getHealth: async () => ({ status: 'down', sites: [] }) }));
    expect(await new LockstepClient({ endpoints: [url] }).getHealth()).toEqual({ status: 'down', sites: [] });
  });

  test('a server that goes away is followed by the next one', async () => {
    const [first, second] = [fakeService(), fakeService()];
    const east = await servers.start(first);
    const west = await servers.start(second);
    const client = new LockstepClient({ endpoints: [east.url, west.url] });
    await client.getRoute();
    await east.close();
    expect(await client.getStream('orders')).toEqual(stream);
    expect([first.calls.length, second.calls.length]).toEqual([1, 1]);
  });
});
