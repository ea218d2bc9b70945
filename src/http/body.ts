/** Reading a request's body: bounded, and refused where it is not what it says it is. */
import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import { LockstepError } from '../core/errors.js';

/** What the server passes along with a request; absent where another host (Lambda) runs the app. */
export interface Bindings {
  readonly incoming?: IncomingMessage;
  /** Aborted when the server closes: long polls then end early. */
  readonly closing?: AbortSignal;
}

export type ApiContext = Context<{ Bindings: Bindings }>;

/** Hono says that they are always there; whoever calls `app.request` without them knows better. */
export function bindings(c: ApiContext): Bindings {
  return { ...c.env };
}

/** The client went away in the middle of its request: there is nobody to answer, and nothing to note. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/** `application/json` and `application/…+json`, in UTF-8. */
const JSON_TYPE = /^application\/(?:json|[\w.!#$&^-]+\+json)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/**
 * The bytes of a request's body.
 *
 * @param maxBytes where it is longer, reading stops
 * @throws LockstepError InvalidRequest not JSON, TransactionTooLarge too long
 * @throws ClientGone it stopped half-way
 */
export async function readBody(c: ApiContext, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(c.req.header('content-length') ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const { incoming } = bindings(c);
  const bytes = incoming === undefined ? await readWeb(c.req.raw, maxBytes) : await readNode(incoming, maxBytes);
  if (bytes.length > 0) checkHeaders(c);
  return bytes;
}

function checkHeaders(c: ApiContext): void {
  const type = c.req.header('content-type') ?? '';
  if (type !== 'application/json' && !JSON_TYPE.test(type)) {
    throw new LockstepError('InvalidRequest', 'A body has to be JSON in UTF-8: send content-type: application/json');
  }
  const encoding = c.req.header('content-encoding') ?? 'identity';
  if (encoding !== 'identity') {
    throw new LockstepError('InvalidRequest', 'The body is compressed: send it without content-encoding');
  }
}

function tooLarge(maxBytes: number): LockstepError {
  return new LockstepError('TransactionTooLarge', `The body is longer than ${maxBytes} bytes: split it up`);
}

/** Straight from the socket: a web stream in between would cost more than all the rest of a small request. */
function readNode(incoming: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const settle = (finish: () => void): void => {
      incoming.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
      finish();
    };
    const onData = (chunk: Uint8Array): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= maxBytes) return;
      incoming.pause();
      settle(() => reject(tooLarge(maxBytes)));
    };
    const onEnd = (): void => settle(() => resolve(concat(chunks)));
    const onGone = (): void => settle(() => reject(new ClientGone()));
    if (incoming.destroyed) reject(new ClientGone());
    else incoming.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone);
  });
}

async function readWeb(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > maxBytes) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new ClientGone('the body ended early', { cause });
  }
  if (size > maxBytes) throw tooLarge(maxBytes);
  return concat(chunks);
}

/** Most bodies come in one piece, which then needs no copy. */
function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
}
