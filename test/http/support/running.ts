import { connect } from 'node:net';
import type { Service } from '../../../src/core/api.js';
import { createApp } from '../../../src/http/app.js';
import type { AppOptions } from '../../../src/http/app.js';
import { serve } from '../../../src/http/server.js';
import type { RunningServer, ServeOptions } from '../../../src/http/server.js';

/** Servers on ports of their own, closed when the test is over. */
export class Servers {
  readonly #running: RunningServer[] = [];

  async start(service: Service, options: Partial<AppOptions & ServeOptions> = {}): Promise<RunningServer> {
    const app = options.app ?? createApp({ service, ...options });
    const server = await serve({ app, port: 0, graceMs: 500, ...options });
    this.#running.push(server);
    return server;
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((server) => server.close()));
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly json: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- what came over the wire
}

export async function ask(url: string, method = 'GET', body?: unknown, headers: Record<string, string> = {}) {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: (raw ? body : JSON.stringify(body)) as string }),
  });
  const text = await response.text();
  const reply: Reply = {
    status: response.status,
    headers: response.headers,
    json: text === '' ? undefined : JSON.parse(text),
  };
  return reply;
}

/** Sends raw text on a socket; resolves with all that came back once the socket is closed. */
export function rawRequest(port: number, send: readonly (string | Buffer)[], end: 'keep' | 'end' | 'destroy') {
  return new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(received));
    for (const piece of send) socket.write(piece);
    if (end === 'end') socket.end();
    if (end === 'destroy') setTimeout(() => socket.destroy(), 50);
  });
}
