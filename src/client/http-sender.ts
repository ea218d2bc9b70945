/** One HTTP request: timed, perhaps signed, and every way to fail turned into a `LockstepError`. */
import { LockstepError } from '../core/errors.js';
import { problemToError } from './problems.js';

/** A request as it goes over the wire. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer, read to its end. */
export interface HttpAnswer {
  readonly status: number;
  /** By name in lower case; null where there is none. */
  header(name: string): string | null;
  readonly text: string;
}

/** Sends one request and reads its whole answer. Rejects where there is none, or the signal came first. */
export type Exchange = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>;

export interface HttpOptions {
  /** @default the global `fetch` */
  readonly fetch?: typeof fetch;
  /** What to use instead of `fetch`, e.g. `nodeExchange()`, which takes a fraction of its time. */
  readonly exchange?: Exchange;
  /** For one attempt, beside what a long poll is to wait, milliseconds. @default 10000 */
  readonly timeoutMs?: number;
  /** Gives the headers that a request is to have in the end, e.g. with a SigV4 signature. */
  readonly sign?: (
    request: HttpRequest,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
}

export interface SendOptions {
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  readonly waitMs?: number | undefined;
  /** A status that is an answer too, unless it comes with a problem. */
  readonly accept?: number;
}

/** Sends a request; the body of the answer is what the contract says, unchecked. */
export type Sender = (
  method: string,
  path: string,
  options?: SendOptions,
) => Promise<{ readonly status: number; readonly body: unknown }>;

const TIMEOUT_MS = 10_000;
const PROBLEM_JSON = 'application/problem+json';

/** @param base URL that every path is appended to */
export function httpSender(base: string, options: HttpOptions): Sender {
  const exchange = options.exchange ?? fetchExchange(options.fetch);
  return async (method, path, send = {}) => {
    const timer = new Timer((options.timeoutMs ?? TIMEOUT_MS) + (send.waitMs ?? 0), send.signal);
    try {
      const request = requestOf(method, base + path, send.body);
      const signed = options.sign === undefined ? request : { ...request, headers: await options.sign(request) };
      return answered(base, await exchange(signed, timer.signal), send.accept);
    } catch (error) {
      throw error instanceof LockstepError ? error : unavailable(base, timer, error);
    } finally {
      timer.clear();
    }
  };
}

function requestOf(method: string, url: string, body: unknown): HttpRequest {
  const accept = `application/json, ${PROBLEM_JSON}`;
  if (body === undefined) return { method, url, headers: { accept } };
  return { method, url, headers: { accept, 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function answered(base: string, answer: HttpAnswer, accept: number | undefined): Awaited<ReturnType<Sender>> {
  const { status } = answer;
  const isProblem = (answer.header('content-type') ?? '').startsWith(PROBLEM_JSON);
  const body = parsed(answer.text);
  const accepted = (status >= 200 && status < 300) || (status === accept && !isProblem);
  if (!accepted) throw problemToError(body, status, answer.header('retry-after'));
  if (body === undefined) throw new LockstepError('Unavailable', `${base} answered something that is no JSON`);
  return { status, body };
}

function fetchExchange(given: typeof fetch | undefined): Exchange {
  return async ({ url, ...request }, signal) => {
    // Looked up now, not when the module is loaded: a runtime may install its own later.
    const response = await (given ?? fetch)(url, { ...request, signal, redirect: 'error' });
    return { status: response.status, header: (name) => response.headers.get(name), text: await response.text() };
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function unavailable(base: string, timer: Timer, cause: unknown): LockstepError {
  const why = timer.expired ? 'did not answer in time' : 'could not be reached, or broke off';
  return new LockstepError('Unavailable', `${base} ${why}: try again with the same id`, {}, { cause });
}

/** Aborts after a time or when the caller does. Not `AbortSignal.timeout`, which would live on after each answer. */
class Timer {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timeout: ReturnType<typeof setTimeout>;
  readonly #abort = (): void => this.#controller.abort();
  expired = false;

  constructor(ms: number, outer: AbortSignal | undefined) {
    this.#outer = outer;
    if (outer?.aborted === true) this.#abort();
    outer?.addEventListener('abort', this.#abort, { once: true });
    this.#timeout = setTimeout(() => {
      this.expired = true;
      this.#abort();
    }, ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timeout);
    this.#outer?.removeEventListener('abort', this.#abort);
  }
}
