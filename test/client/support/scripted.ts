import { LockstepError } from '../../../src/core/errors.js';
import type { ProblemCode, ProblemExtras } from '../../../src/core/errors.js';
import type { RetryOptions } from '../../../src/client/index.js';
import { seededRandom, VirtualClock } from '../../../src/adapters/embedded/virtual-clock.js';

/** A clock of its own that notes how long was slept. */
export class NotingClock extends VirtualClock {
  readonly slept: number[] = [];

  override sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    return super.sleep(ms);
  }
}

export function environment(clock = new NotingClock()): RetryOptions & { readonly clock: NotingClock } {
  return { clock, random: seededRandom(7) };
}

export function refusal(code: ProblemCode, extras: ProblemExtras = {}): LockstepError {
  return new LockstepError(code, `refused: ${code}`, extras);
}

type Reply = Error | { readonly status?: number; readonly headers?: Record<string, string>; readonly body: unknown };

export interface Sent {
  readonly url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

/** A `fetch` that answers from a script, one reply per request, the last one for all further ones. */
export function scriptedFetch(...script: Reply[]) {
  const sent: Sent[] = [];
  const scripted = async (url: string, init: RequestInit): Promise<Response> => {
    sent.push({
      url,
      method: init.method ?? 'GET',
      headers: init.headers as Record<string, string>,
      body: init.body === undefined ? undefined : JSON.parse(init.body as string),
    });
    const reply = script[Math.min(sent.length, script.length) - 1]!;
    if (reply instanceof Error) throw reply;
    const { status = 200, headers = { 'content-type': 'application/json' }, body } = reply;
    return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers });
  };
  return { fetch: scripted as typeof fetch, sent };
}

export function problemReply(
  status: number,
  code: string,
  members: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Reply {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: { type: 'x', title: 'x', status, detail: 'do this', code, retryable: true, ...members },
  };
}
