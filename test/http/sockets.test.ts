import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { EventPage } from '../../src/core/api.js';
import { ListenError } from '../../src/http/server.js';
import { committed, fakeService } from './support/fake-service.js';
import { ask, rawRequest, Servers } from './support/running.js';

const servers = new Servers();
afterEach(() => servers.close());

const BODY = JSON.stringify({ events: [{ stream: 'orders', key: 'k', type: 't', data: 'x'.repeat(5_000) }] });
const head = (...headers: string[]): string =>
  ['POST /commits HTTP/1.1', 'host: 127.0.0.1', 'content-type: application/json', ...headers, '', ''].join('\r\n');

describe('a body that stops half-way', () => {
  const half = BODY.slice(0, 2_000);

  test.each<[string, string[]]>([
    ['with a length', [head(`content-length: ${BODY.length}`), half]],
    ['in chunks', [head('transfer-encoding: chunked'), `${half.length.toString(16)}\r\n${half}\r\n`]],
    ['before it began', [head(`content-length: ${BODY.length}`)]],
    ['within the head', ['POST /commits HTTP/1.1\r\nhost: 127']],
  ])('%s does nothing, however the client goes', async (_, pieces) => {
    const notes: string[] = [];
    const service = fakeService();
    const { url, port } = await servers.start(service, { observer: { note: (what) => void notes.push(what) } });
    await rawRequest(port, pieces, 'destroy');
    await rawRequest(port, pieces, 'end');
    expect((await ask(`${url}/health`)).status).toBe(200);
    expect(service.calls.map(({ method }) => method)).toEqual(['getHealth']);
    expect(notes).toEqual([]);
  });

  test('a thousand times leaves the server alive', async () => {
    const service = fakeService();
    const { url, port } = await servers.start(service);
    for (let round = 0; round < 20; round += 1) {
      const pieces = [head(`content-length: ${BODY.length}`), half];
      await Promise.all(Array.from({ length: 50 }, () => rawRequest(port, pieces, 'end')));
    }
    expect((await ask(`${url}/commits`, 'POST', BODY)).status).toBe(200);
    expect(service.calls).toHaveLength(1);
  });
});

test('a body without an end is answered when it gets too long, and read no further', async () => {
  const service = fakeService();
  const { port } = await servers.start(service, { maxBodyBytes: 100_000 });
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(head('transfer-encoding: chunked'));
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  const sender = setInterval(() => socket.write(chunk), 5);
  await once(socket, 'close');
  clearInterval(sender);
  expect(received).toMatch(/^HTTP\/1\.1 413 /);
  expect(received).toContain('"code":"TransactionTooLarge"');
  expect(service.calls).toEqual([]);
});

test('an announced length is refused before a byte of the body has come', async () => {
  const service = fakeService();
  const { port } = await servers.start(service);
  const received = await rawRequest(port, [head('content-length: 99999999')], 'keep');
  expect(received).toMatch(/^HTTP\/1\.1 413 /);
  expect(service.calls).toEqual([]);
});

test.each([
  ['what is no HTTP', 'hello\r\n\r\n', 400],
  ['a head that is too long', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
  ['a request without a host', 'GET / HTTP/1.0\r\n\r\n', 200],
  ['a bad host', 'GET / HTTP/1.1\r\nhost: a b/c\r\n\r\n', 400],
  ['a bad target', 'GET http://[ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 400],
  ['a length that is none', head('content-length: many'), 400],
])('%s is answered with a status', async (_, text, status) => {
  const service = fakeService();
  const { port } = await servers.start(service);
  const received = await rawRequest(port, [text], 'end');
  expect(received).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  if (status !== 200) expect(received).toContain('"code":"InvalidRequest"');
  expect(service.calls).toEqual([]);
});

describe('the server', () => {
  test('listens on 127.0.0.1 only', async () => {
    const { port } = await servers.start(fakeService());
    const socket = connect(port, '::1');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(['ECONNREFUSED', 'EADDRNOTAVAIL']).toContain(error.code);
  });

  test('says which port is in use and what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const refused = servers.start(fakeService(), { port });
    await expect(refused).rejects.toThrow(ListenError);
    await expect(refused).rejects.toMatchObject({
      code: 'PortInUse',
      message: expect.stringMatching(new RegExp(`${port}.*--port`)),
    });
    other.close();
  });

  test('closes when the requests in flight are answered', async () => {
    let finish = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (finish = resolve));
    const service = fakeService({
      commitOnce: async () => {
        await waiting;
        return committed();
      },
    });
    const server = await servers.start(service, { graceMs: 10_000 });
    const answer = ask(`${server.url}/commits`, 'POST', BODY);
    while (service.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    let closed = false;
    const closing = server.close().then(() => (closed = true));
    await expect(ask(`${server.url}/health`)).rejects.toThrow();
    expect(closed).toBe(false);
    finish();
    expect((await answer).status).toBe(200);
    await closing;
  });

  test('ends long polls early when it closes, with an answer', async () => {
    const page: EventPage = { events: [], checkpoint: 'c', caughtUp: true };
    const service = fakeService({
      readEvents: ({ waitMs }) => (waitMs === 0 ? Promise.resolve(page) : new Promise(() => undefined)),
    });
    const server = await servers.start(service, { graceMs: 10_000 });
    const answer = ask(`${server.url}/streams/orders/events?waitMs=20000`);
    while (service.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const startedAt = Date.now();
    await server.close();
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    expect((await answer).json).toEqual(page);
  });

  test('waits for a request that never ends no longer than its grace', async () => {
    const service = fakeService({ commitOnce: () => new Promise(() => undefined) });
    const server = await servers.start(service, { graceMs: 100 });
    const answer = ask(`${server.url}/commits`, 'POST', BODY);
    answer.catch(() => undefined);
    while (service.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.close();
    await expect(answer).rejects.toThrow();
  });
});
