import { z } from 'zod';
import type { EventIn, EventOut, EventPage, TransactionPage } from '../../../src/core/api.js';
import { type EmbeddedLockstep, type ServeEmbeddedOptions, serveEmbedded } from '../../../src/embedded/index.js';
import * as answers from '../../../src/http/answer-schemas.js';
import { LOCAL_ROUTES } from '../../../src/http/local-routes.js';
import { ROUTES } from '../../../src/http/routes.js';

export interface Reply<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

type Method = 'GET' | 'POST' | 'PUT';

const PROBLEM_TYPE = 'application/problem+json';

/**
 * A client of plain HTTP that holds every answer against the contract: an answer has the shape that its request promises,
 * and a refusal is a problem document.
 */
export class Api {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** The same API, entered at one site. */
  at(site: string): Api {
    return new Api(`${this.url}/sites/${site}`);
  }

  get<T>(path: string): Promise<Reply<T>> {
    return this.ask<T>('GET', path);
  }

  post<T>(path: string, body: unknown = {}): Promise<Reply<T>> {
    return this.ask<T>('POST', path, body);
  }

  put<T>(path: string, body: unknown = {}): Promise<Reply<T>> {
    return this.ask<T>('PUT', path, body);
  }

  /** @param body sent as it is where it is text or bytes */
  async ask<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<Reply<T>> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(this.url + path, {
      method,
      ...(body === undefined
        ? {}
        : { body: isRaw ? (body as string) : JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(signal ? { signal } : {}),
    });
    const reply = {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as T,
    };
    checkShape(method, path, reply);
    return reply;
  }

  /** The answer to a request that must succeed. */
  async done<T>(method: Method, path: string, body?: unknown): Promise<T> {
    const reply = await this.ask<T>(method, path, body);
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  /** Every transaction that the log knows, in any status. */
  async allTransactions(): Promise<readonly TransactionPage['transactions'][number][]> {
    const found: TransactionPage['transactions'][number][] = [];
    let cursor = '';
    for (;;) {
      const page = await this.done<TransactionPage>('GET', `/transactions?limit=1000${cursor}`);
      found.push(...page.transactions);
      if (page.cursor === undefined) return found;
      cursor = `&cursor=${encodeURIComponent(page.cursor)}`;
    }
  }

  /** All that is committed on a stream by now. @param query such as `site=west` */
  async readAll(stream: string, query = '', limit = 1000): Promise<readonly EventOut[]> {
    const events: EventOut[] = [];
    let checkpoint = '';
    for (;;) {
      const path = `/streams/${stream}/events?limit=${limit}${query === '' ? '' : `&${query}`}${checkpoint}`;
      const page = await this.done<EventPage>('GET', path);
      events.push(...page.events);
      checkpoint = `&checkpoint=${encodeURIComponent(page.checkpoint)}`;
      if (page.caughtUp && page.events.length < limit) return events;
    }
  }
}

function checkShape(method: Method, path: string, { status, headers, body }: Reply<unknown>): void {
  const schema = status < 300 ? answerSchema(method, path, status) : problemSchema(path, status);
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    throw new Error(`${method} ${path} answers ${status} ${JSON.stringify(body)}: ${z.prettifyError(parsed.error)}`);
  }
  const type = headers.get('content-type');
  const expected = status < 300 || schema === answers.health ? 'application/json' : PROBLEM_TYPE;
  if (type !== expected) throw new Error(`${method} ${path} answers ${status} as ${type ?? 'nothing'}`);
}

function answerSchema(method: Method, path: string, status: number): z.ZodType {
  const bare = path.replace(/\?.*$/s, '').replace(/^\/sites\/[^/]+/, '');
  const route = [...ROUTES, ...LOCAL_ROUTES].find(
    (each) => each.method === method && new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(bare),
  );
  return route?.answers[status] ?? z.unknown();
}

/** A deployment that is down says so with 503, which is an answer. */
function problemSchema(path: string, status: number): z.ZodType {
  return path.endsWith('/health') && status === 503 ? answers.health : answers.problem;
}

export interface RunningApi extends Api {
  readonly engine: EmbeddedLockstep;
  close(): Promise<void>;
}

class ServedApi extends Api implements RunningApi {
  readonly engine: EmbeddedLockstep;
  readonly close: () => Promise<void>;

  constructor(url: string, engine: EmbeddedLockstep, close: () => Promise<void>) {
    super(url);
    this.engine = engine;
    this.close = close;
  }
}

/** The local server in this process, in memory, as a stranger would start it. */
export async function startApi(options: Omit<ServeEmbeddedOptions, 'port'> = {}): Promise<RunningApi> {
  const { url, engine, close } = await serveEmbedded({ port: 0, ...options });
  return new ServedApi(url, engine, close);
}

/** A refusal: status, code and whatever else is given. */
export const refusal = (status: number, code: string, more: object = {}) => ({
  status,
  body: expect.objectContaining({ code, status, type: `urn:lockstep:problem:${code}`, ...more }),
});

export const anyText = (pattern: RegExp): unknown => expect.stringMatching(pattern);
export const ISO: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
export const DIGEST: unknown = expect.stringMatching(/^[0-9a-f]{64}$/);

/** A small event. */
export function event(stream: string, key: string, data: EventIn['data'] = key, more: Partial<EventIn> = {}): EventIn {
  return { stream, key, type: 'test', data: data ?? null, ...more };
}

/** Waits until something holds. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T>,
  holds: (seen: T) => boolean,
  withinMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}; last: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
