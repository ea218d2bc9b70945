import { randomBytes } from 'node:crypto';
import { type InvokeCommandInput, LambdaClient } from '@aws-sdk/client-lambda';
import fc from 'fast-check';
import { fromWire, fromWireError, toWire, toWireError } from '../../../src/adapters/aws/agent-wire.js';
import { lambdaExchange, peersOf } from '../../../src/adapters/aws/lambda-agent.js';
import { agentHandler, remoteAgent } from '../../../src/adapters/aws/remote-agent.js';
import type { DecidedEntry } from '../../../src/core/entry.js';
import { LockstepError, PROBLEMS, type ProblemCode, SiteUnavailable } from '../../../src/core/errors.js';
import { PortFull, PortThrottled, PortUnavailable } from '../../../src/ports/failures.js';
import { AGENT_CALLS, type MirrorAgent, type ReplicateRequest } from '../../../src/ports/mirror-agent.js';
import { HomeFails, NotHomeAnyMore } from '../../../src/ports/signals.js';
import { ConditionFailed, WriteConflict } from '../../../src/ports/tables.js';
import { caught } from '../../contract/support.js';
import { NOWHERE, noAnswer, refused, scripted } from './scripted.js';

const TIMEOUTS = { quick: 100, bulk: 200, forwarded: 300 };
const overJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** An agent whose every call does this, reached through JSON. */
function reached(call: (method: string, request: unknown) => unknown): MirrorAgent {
  const methods = Object.keys(AGENT_CALLS).map((method) => [method, async (request: unknown) => call(method, request)]);
  const answer = agentHandler(Object.fromEntries(methods) as MirrorAgent);
  return remoteAgent(async (request) => overJson(await answer(overJson(request))), TIMEOUTS);
}

const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, true, false, undefined, '~', 'undefined', ''),
    fc.integer(),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom('~', 'of', 'plain', 'gzip', '__proto__'), fc.string()), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
})).value;

/** Members without a value are left out, as in JSON. */
function asSent(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(asSent);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, asSent(member)]));
}

describe('what sites say to each other', () => {
  it('arrives as it was, whatever it is', () => {
    fc.assert(
      fc.property(anything, (value) => {
        expect(fromWire(overJson(toWire(value)) as never)).toEqual(asSent(value));
      }),
      { examples: [[{ '~': [Object.fromEntries([['__proto__', undefined]])] }]] },
    );
  });

  it('keeps the places of what is not there', () => {
    const list = fromWire(overJson(toWire([undefined, 1, undefined])) as never) as unknown[];
    expect(list.map((value) => value === undefined)).toEqual([true, false, true]);
  });

  it('is packed where it is long: a whole transaction fits one call', () => {
    const data = JSON.stringify(JSON.stringify({ text: '"\\'.repeat(1024 * 1024) }));
    const wire = toWire({ events: [data] });
    expect(Buffer.byteLength(JSON.stringify(wire))).toBeLessThan(6 * 1024 * 1024);
    expect(fromWire(wire)).toEqual({ events: [data] });
    const noise = randomBytes(6_750_000).toString('base64');
    expect(() => toWire(noise)).toThrow(PortUnavailable);
  });

  it('errors arrive as what they are', () => {
    const codes = Object.keys(PROBLEMS) as ProblemCode[];
    const kinds = [PortUnavailable, PortThrottled, PortFull, WriteConflict, NotHomeAnyMore, HomeFails, Error];
    const error = fc.oneof(
      fc
        .tuple(
          fc.constantFrom(...codes),
          fc.string(),
          fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
        )
        .map(([code, text, extras]) => new LockstepError(code, text, overJson(extras) as object as never)),
      fc.tuple(fc.constantFrom(...kinds), fc.string()).map(([Kind, text]) => new Kind(text)),
      fc.string().map((text) => new SiteUnavailable(text)),
      fc.constant(new ConditionFailed(new Map())),
    );
    fc.assert(
      fc.property(error, (thrown) => {
        const there = fromWireError(overJson(toWireError(thrown)) as never);
        expect(there.constructor).toBe(thrown.constructor);
        expect(there.message).toBe(thrown.message);
        if (thrown instanceof LockstepError) {
          expect(there).toMatchObject({ code: thrown.code, extras: thrown.extras });
        }
      }),
    );
  });
});

describe('a mirror agent of another site', () => {
  it('answers every call, with and without a request', async () => {
    const asked: unknown[] = [];
    const agent = reached((method, request) => {
      asked.push([method, request]);
      return method === 'tend' ? undefined : { method, request };
    });
    await expect(agent.tend()).resolves.toBeUndefined();
    expect(await agent.lookup({ ids: ['a'] })).toEqual({ method: 'lookup', request: { ids: ['a'] } });
    expect(asked).toEqual([
      ['tend', undefined],
      ['lookup', { ids: ['a'] }],
    ]);
  });

  it('throws what was thrown there', async () => {
    const agent = reached(() => {
      throw new NotHomeAnyMore('west is home');
    });
    expect(await caught(agent.closeNow())).toBeInstanceOf(NotHomeAnyMore);
  });

  it('refuses calls that it does not have', async () => {
    const answer = agentHandler({} as MirrorAgent);
    for (const request of [null, 'text', {}, { method: 'constructor' }, { method: 'rm' }]) {
      expect(await answer(request)).toMatchObject({ error: { kind: 'Error' } });
    }
  });

  it('is asked several times for what does not fit one call', async () => {
    const entry = (id: string): DecidedEntry => ({
      id,
      status: 'committed',
      at: '00000001.0000000000000001',
      streams: ['s'],
      startedAtMs: 0,
      expiresAtMs: 0,
      events: [{ stream: 's', key: 'k', type: 't', digest: 'd', number: 0, data: 'x'.repeat(1_500_000) }],
    });
    const sizes: number[] = [];
    const agent = reached((_, request) => {
      const { entries } = request as ReplicateRequest;
      sizes.push(entries.length);
      const outcomes = entries.map(({ id }) => ({ kind: id === 'c' ? 'early' : 'logged' }));
      return { outcomes, behind: ['s', entries[0]?.id], nowMs: sizes.length };
    });
    const entries = ['a', 'b', 'c', 'd', 'e'].map(entry);
    const answer = await agent.replicate({ term: 1, epoch: 1, entries, put: true, joining: false });
    expect(sizes).toEqual([2, 2, 1]);
    expect(answer.outcomes.map(({ kind }) => kind)).toEqual(['logged', 'logged', 'early', 'logged', 'logged']);
    expect(answer).toMatchObject({ behind: ['s', 'a', 'c', 'e'], nowMs: 3 });
  });
});

describe('an agent behind a function', () => {
  const payload = (value: unknown) => ({ Payload: { transformToString: () => JSON.stringify(value) } });

  function exchangeOn(answer: object) {
    const client = new LambdaClient(NOWHERE);
    const sent = scripted(client, () => answer);
    return { exchange: lambdaExchange(client, 'd-west-mirror-agent'), sent };
  }

  it('is invoked for an answer', async () => {
    const { exchange, sent } = exchangeOn(payload({ answer: { plain: 7 } }));
    expect(await exchange({ method: 'probe' }, 100)).toEqual({ answer: { plain: 7 } });
    const { FunctionName, Payload } = sent[0]?.input as unknown as InvokeCommandInput;
    expect([FunctionName, Buffer.from(Payload as Uint8Array).toString()]).toEqual([
      'd-west-mirror-agent',
      '{"method":"probe"}',
    ]);
  });

  it.each([
    ['it crashed', { ...payload({ errorMessage: 'Task timed out' }), FunctionError: 'Unhandled' }, PortUnavailable],
    ['too many at once', refused('TooManyRequestsException', 429), PortThrottled],
    ['it is not there', refused('ResourceNotFoundException', 404), PortUnavailable],
    ['no answer', noAnswer(), PortUnavailable],
  ])('%s', async (_, answer, type) => {
    expect(await caught(exchangeOn(answer).exchange({ method: 'probe' }, 100))).toBeInstanceOf(type);
  });

  it('own site is a plain call', async () => {
    const own = { probe: async () => 'here' } as unknown as MirrorAgent;
    const peers = peersOf(
      'east',
      () => own,
      () => () => Promise.resolve({ answer: { plain: 'there' } }),
      TIMEOUTS,
    );
    expect(await peers.agent('east').probe()).toBe('here');
    expect(await peers.agent('west').probe()).toBe('there');
    expect(peers.agent('west')).toBe(peers.agent('west'));
  });
});
