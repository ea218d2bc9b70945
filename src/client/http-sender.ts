/** One HTTP request: timed, perhaps signed, and every way to fail turned into a `LockstepError`. */
import { LockstepError } from '../core/errors.js';
import { problemToError } from './problems.js';

export interface UnsignedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpOptions {
  /** @default the global `fetch` */
  readonly fetch?: typeof fetch;
  /** For one attempt, beside what a long poll is to wait, milliseconds. @default 10000 */
  readonly timeoutMs?: number;
  /** Gives the headers that a request is to have in the end, e.g. with a SigV4 signature. */
  readonly sign?: (
    request: UnsignedRequest,
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
  return async (method, path, send = {}) => {
    const timer = new Timer((options.timeoutMs ?? TIMEOUT_MS) + (send.waitMs ?? 0), send.signal);
    try {
      const response = await attempt(base + path, method, send, options, timer.signal);
      const text = await response.text();
      const isProblem = (response.headers.get('content-type') ?? '').startsWith(PROBLEM_JSON);
      const accepted = response.ok || (response.status === send.accept && !isProblem);
      if (!accepted) throw problemToError(parsed(text), response.status, response.headers.get('retry-after'));
      const body = parsed(text);
      if (body === undefined) throw new LockstepError('Unavailable', `${base} answered something that is no JSON`);
      return { status: response.status, body };
    } catch (error) {
      throw error instanceof LockstepError ? error : unavailable(base, timer, error);
    } finally {
      timer.clear();
    }
  };
}

async function attempt(
  url: string,
  method: string,
  send: SendOptions,
  { fetch: given, sign }: HttpOptions,
  signal: AbortSignal,
): Promise<Response> {
  const body = send.body === undefined ? undefined : JSON.stringify(send.body);
  const plain: Record<string, string> = { accept: `application/json, ${PROBLEM_JSON}` };
  if (body !== undefined) plain['content-type'] = 'application/json';
  const sent = { method, headers: plain, ...(body !== undefined && { body }) };
  const headers = sign === undefined ? plain : await sign({ ...sent, url });
  // Looked up now, not when the module is loaded: a runtime may install its own later.
  return (given ?? fetch)(url, { ...sent, headers, signal, redirect: 'error' });
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
