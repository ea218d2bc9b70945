import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { PortUnavailable } from '../../ports/failures.js';
import type { MirrorAgent, Peers } from '../../ports/mirror-agent.js';
import { portError } from './failures.js';
import { type AgentTimeouts, type Exchange, remoteAgent } from './remote-agent.js';

/**
 * Calls the mirror agent of another site: a function in its region, invoked for an answer. Not tried again here: every
 * request may be repeated, and its caller knows when that makes sense.
 */
export function lambdaExchange(client: LambdaClient, functionName: string): Exchange {
  return async (request, timeoutMs) => {
    const { FunctionError, Payload } = await client
      .send(new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(request)) }), {
        abortSignal: AbortSignal.timeout(timeoutMs),
      })
      .catch((error: unknown) => {
        throw portError(error, `the function ${functionName}`);
      });
    const text = Payload?.transformToString() ?? '';
    // It crashed or ran out of time: what it had done by then stands.
    if (FunctionError !== undefined) {
      throw new PortUnavailable(`the function ${functionName} failed (${FunctionError}): ${text.slice(0, 500)}`);
    }
    return JSON.parse(text) as unknown;
  };
}

/** The sites as one of them reaches them: itself by a plain call. */
export function peersOf(
  self: string,
  own: () => MirrorAgent,
  exchangeWith: (site: string) => Exchange,
  timeouts: AgentTimeouts,
): Peers {
  const remote = new Map<string, MirrorAgent>();
  return {
    agent: (site) => {
      if (site === self) return own();
      const known = remote.get(site) ?? remoteAgent(exchangeWith(site), timeouts);
      remote.set(site, known);
      return known;
    },
  };
}
