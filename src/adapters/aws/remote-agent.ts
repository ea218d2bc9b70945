import type { DecidedEntry } from '../../core/entry.js';
import { PortUnavailable } from '../../ports/failures.js';
import {
  AGENT_CALLS,
  type AgentCallKind,
  type MirrorAgent,
  type ReplicateAnswer,
  type ReplicateRequest,
} from '../../ports/mirror-agent.js';
import { type WireAnswer, type WireRequest, fromWire, fromWireError, toWire, toWireError } from './agent-wire.js';

/** Brings one request to the other site and its answer back. @throws PortUnavailable, PortThrottled */
export type Exchange = (request: WireRequest, timeoutMs: number) => Promise<unknown>;

/** How long each kind of call may take, milliseconds. */
export type AgentTimeouts = Readonly<Record<AgentCallKind, number>>;

/** Entries of one call, in bytes of their text: what is longer goes in several. */
const MAX_ENTRIES_BYTES = 4 * 1024 * 1024;

/** Another site's mirror agent, behind whatever brings requests there. */
export function remoteAgent(exchange: Exchange, timeouts: AgentTimeouts): MirrorAgent {
  const remote: Record<string, (request?: unknown) => Promise<unknown>> = {};
  for (const [method, kind] of Object.entries(AGENT_CALLS)) {
    remote[method] = (request) => ask(exchange, method, request, timeouts[kind]);
  }
  const whole = remote as unknown as MirrorAgent;
  return {
    ...whole,
    replicate: (request) => replicateSplit(whole, request),
    adopt: (request) => adoptSplit(whole, request),
  };
}

async function ask(exchange: Exchange, method: string, request: unknown, timeoutMs: number): Promise<unknown> {
  const asked = request === undefined ? { method } : { method, request: toWire(request) };
  const told = (await exchange(asked, timeoutMs)) as WireAnswer | null;
  if (told && 'error' in told) throw fromWireError(told.error);
  if (!told || !('answer' in told)) throw new PortUnavailable(`a mirror agent gave no answer to ${method}`);
  return fromWire(told.answer);
}

/** One call where it fits, which is nearly always; a batch of long transactions takes more. */
async function replicateSplit(agent: MirrorAgent, request: ReplicateRequest): Promise<ReplicateAnswer> {
  const [first = [], ...further] = slices(request.entries);
  let answer = await agent.replicate({ ...request, entries: first });
  for (const entries of further) {
    const next = await agent.replicate({ ...request, entries });
    answer = {
      outcomes: [...answer.outcomes, ...next.outcomes],
      behind: [...new Set([...answer.behind, ...next.behind])],
      nowMs: next.nowMs,
    };
  }
  return answer;
}

async function adoptSplit(
  agent: MirrorAgent,
  request: Parameters<MirrorAgent['adopt']>[0],
): Promise<'adopted' | 'stale'> {
  for (const entries of slices(request.entries)) {
    if ((await agent.adopt({ ...request, entries })) === 'stale') return 'stale';
  }
  return 'adopted';
}

function slices(entries: readonly DecidedEntry[]): readonly (readonly DecidedEntry[])[] {
  const [only] = entries;
  if (!only || entries.length === 1) return [entries];
  const made: DecidedEntry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const size = entry.events.reduce((sum, event) => sum + 512 + (event.data ?? event.dataBase64 ?? '').length, 512);
    const last = made.at(-1);
    if (last && bytes + size <= MAX_ENTRIES_BYTES) last.push(entry);
    else {
      made.push([entry]);
      bytes = 0;
    }
    bytes += size;
  }
  return made;
}

/**
 * The other side: answers a request of another site's `remoteAgent`. Whatever the agent throws goes back as an answer, so
 * that an invocation that fails says one thing only: nobody knows what was done.
 */
export function agentHandler(agent: MirrorAgent): (request: unknown) => Promise<WireAnswer> {
  return async (asked) => {
    try {
      const { method, request } = asked as Partial<WireRequest>;
      if (method === undefined || !Object.hasOwn(AGENT_CALLS, method)) {
        throw new Error(`a mirror agent has no call ${String(method)}`);
      }
      const call = agent[method as keyof MirrorAgent].bind(agent) as (request: unknown) => Promise<unknown>;
      return { answer: toWire(await call(request === undefined ? undefined : fromWire(request))) };
    } catch (error) {
      return { error: toWireError(error) };
    }
  };
}
