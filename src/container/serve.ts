/** SageMaker's serving contract: `GET /ping` says whether it can answer, `POST /invocations` answers. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { parseInvocation } from '../core/prediction/contract.js';
import type { Predictor } from '../ports/predictor.js';

/** What SageMaker lets through to an endpoint. */
const MAX_BODY_BYTES = 6 * 1024 * 1024;

class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function createPredictionServer(predictor: Predictor): Server {
  return createServer((request, response) => {
    answer(predictor, request)
      .then((body) => {
        send(response, 200, body);
      })
      .catch((error: unknown) => {
        // What of the body is still to come is let go, and the connection with it.
        request.resume();
        if (!request.complete) response.setHeader('connection', 'close');
        if (error instanceof Refused) send(response, error.status, { error: error.message });
        else send(response, 500, { error: 'it failed; its log says why' }, error);
      });
  });
}

async function answer(predictor: Predictor, request: IncomingMessage): Promise<unknown> {
  const { pathname } = new URL(request.url ?? '/', 'http://container');
  if (pathname === '/ping' && request.method === 'GET') return { status: 'ok', ...(await predictor.describe()) };
  if (pathname !== '/invocations') throw new Refused(404, 'there is /ping and /invocations');
  if (request.method !== 'POST') throw new Refused(405, 'POST it');
  const invocation = parseInvocation(await readJson(request));
  if (typeof invocation === 'string') throw new Refused(400, invocation);
  // What was committed was so before this question.
  if (invocation.finished !== undefined) await predictor.learn(invocation.finished);
  const candidates = await predictor.predict(invocation.contexts);
  const { version } = await predictor.describe();
  return { candidates, version };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Without an end to the request the answer would not get through.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Refused(413, `more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch {
    throw new Refused(400, 'the body is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: unknown, error?: unknown): void {
  if (error instanceof Error) process.stderr.write(`${error.stack ?? error.message}\n`);
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
