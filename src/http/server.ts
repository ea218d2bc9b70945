/** The local server: the app on a port of 127.0.0.1, and nowhere else. */
import { createServer, STATUS_CODES } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { LockstepError } from '../core/errors.js';
import { SILENT } from '../ports/environment.js';
import type { Observer } from '../ports/environment.js';
import type { App } from './app.js';
import { PROBLEM_JSON, problemResponse, toProblem } from './problems.js';

/** Requests come unsigned, so nobody but this machine may reach them. */
const HOST = '127.0.0.1';

/** To receive a request's head, milliseconds. */
const HEADERS_TIMEOUT_MS = 10_000;
/** To receive a whole request, milliseconds: a body that stops half-way holds a socket no longer. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than clients keep a socket, so that it is they who close it: else a request may meet a closing socket. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const CHECK_INTERVAL_MS = 5_000;
/** A checkpoint (4 KB) and a hundred names of streams have to fit. */
const MAX_HEADER_BYTES = 32 * 1024;
const DRAIN_POLL_MS = 20;

export interface ServeOptions {
  readonly app: App;
  /** 0 picks a free one. */
  readonly port: number;
  readonly observer?: Observer;
  /** How long `close` waits for requests in flight, milliseconds. @default 10000 */
  readonly graceMs?: number;
}

export interface RunningServer {
  readonly port: number;
  /** `http://127.0.0.1:{port}` */
  readonly url: string;
  /** Takes no more connections, ends long polls, lets the rest finish, resolves when the last socket is closed. */
  close(): Promise<void>;
}

/** The server could not take its port. `code` is stable; the message says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly code: 'PortInUse' | 'PortNotAllowed';

  constructor(code: ListenError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Serves the app until it is closed.
 *
 * @throws ListenError the port is in use, or not allowed
 * @example
 * const server = await serve({ app: createApp({ service }), port: 8080 });
 * await server.close();
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const closing = new AbortController();
  const observer = options.observer ?? SILENT;
  const listener = getRequestListener(
    (request, env) => options.app.fetch(request, { ...env, closing: closing.signal }),
    { hostname: HOST, errorHandler: (error) => unreadable(error, observer) },
  );
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  server.on('clientError', answerBrokenRequest);
  await listen(server, options.port);
  const { port } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  return {
    port,
    url: `http://${HOST}:${port}`,
    close: () => (closed ??= close(server, closing, options.graceMs ?? 10_000)),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, port)));
    server.listen(port, HOST, () => resolve());
  });
}

function listenError(cause: NodeJS.ErrnoException, port: number): Error {
  if (cause.code === 'EADDRINUSE') {
    const advice = 'stop the process that has it, or choose another one with --port (0 picks a free one)';
    return new ListenError('PortInUse', `Port ${port} of ${HOST} is in use: ${advice}`, { cause });
  }
  if (cause.code === 'EACCES') {
    return new ListenError('PortNotAllowed', `Port ${port} needs more rights: choose one above 1023`, { cause });
  }
  return cause;
}

async function close(server: Server, closing: AbortController, graceMs: number): Promise<void> {
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  closing.abort();
  // A socket that gets idle after this call would stay until its keep-alive ends: look again and again.
  const poll = setInterval(() => server.closeIdleConnections(), DRAIN_POLL_MS);
  const force = setTimeout(() => server.closeAllConnections(), graceMs);
  server.closeIdleConnections();
  await done;
  clearInterval(poll);
  clearTimeout(force);
}

/** A request that the adapter could not make a `Request` of: a bad host header or target. */
function unreadable(error: unknown, observer: Observer): Response {
  if (error instanceof Error && error.name === 'RequestError') {
    const detail = 'The request line or the host header is not valid';
    return problemResponse(toProblem(new LockstepError('InvalidRequest', detail, {}, { cause: error })));
  }
  observer.note('http.unexpected', { operation: 'outside of the app' });
  return problemResponse(toProblem(error));
}

/** What is no HTTP, came too slowly or had too long a head never gets to the app: answered on the bare socket. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = BROKEN[error.code ?? ''] ?? 400;
  const problem = toProblem(
    new LockstepError('InvalidRequest', `This is not HTTP as expected (${error.code ?? 'unknown'})`),
  );
  const body = JSON.stringify({ ...problem, status });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `content-type: ${PROBLEM_JSON}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

const BROKEN: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };
