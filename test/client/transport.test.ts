import * as fc from 'fast-check';
import { httpTransport, LockstepClient, LockstepError } from '../../src/client/index.js';
import { seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { PROBLEMS } from '../../src/core/errors.js';
import type { ProblemCode } from '../../src/core/errors.js';
import { committed } from '../http/support/fake-service.js';
import { environment, problemReply, scriptedFetch } from './support/scripted.js';

const EAST = 'http://127.0.0.1:1/sites/east';
const WEST = 'http://127.0.0.1:1/sites/west';
const EVENT = { stream: 'orders', key: 'k', type: 'placed', data: 1 };
const COMMITTED = { body: committed('c1') };

function clientOf(script: ReturnType<typeof scriptedFetch>, endpoints = [EAST, WEST], more = {}) {
  const env = environment();
  return { env, client: new LockstepClient({ ...env, endpoints, fetch: script.fetch, ...more }) };
}

const urlsOf = (script: ReturnType<typeof scriptedFetch>) => script.sent.map(({ url }) => url.replace('/commits', ''));

describe('a request', () => {
  test('has an id that the client made, the same in each attempt', async () => {
    const script = scriptedFetch(new TypeError('reset'), problemReply(503, 'Undetermined'), COMMITTED);
    const { client, env } = clientOf(script);
    await env.clock.run(client.commit([EVENT]));
    const bodies = script.sent.map(({ body }) => body as { id: string });
    expect(bodies[0]!.id).toMatch(/^[0-9A-Z]{26}$/);
    expect(bodies).toEqual([bodies[0], bodies[0], bodies[0]]);
    expect(bodies[0]).toMatchObject({ events: [EVENT] });
  });

  test('goes to the next site at once when one does not answer, and stays there', async () => {
    const script = scriptedFetch(new TypeError('reset'), COMMITTED);
    const { client, env } = clientOf(script);
    await env.clock.run(client.commit([EVENT], { id: 'c1' }));
    await env.clock.run(client.commit([EVENT], { id: 'c2' }));
    expect(urlsOf(script)).toEqual([EAST, WEST, WEST]);
    expect(env.clock.slept).toEqual([]);
  });

  test.each(['Unavailable', 'Undetermined', 'NotEnoughReplicas'])('is retried after %s', async (code) => {
    const script = scriptedFetch(problemReply(503, code), COMMITTED);
    const { client, env } = clientOf(script);
    await env.clock.run(client.commit([EVENT]));
    expect(urlsOf(script)).toEqual([EAST, WEST]);
  });

  test('follows NotHome to the endpoint that it names, also an unknown one', async () => {
    const elsewhere = 'http://127.0.0.1:2/sites/north/';
    const script = scriptedFetch(problemReply(421, 'NotHome', { endpoint: elsewhere }), COMMITTED);
    const { client, env } = clientOf(script);
    await env.clock.run(client.commit([EVENT]));
    expect(urlsOf(script)).toEqual([EAST, elsewhere.replace(/\/$/, '')]);
    expect(env.clock.slept).toEqual([]);
  });

  test.each([undefined, 'ftp://elsewhere', 'nonsense', 7])(
    'goes to the next site after NotHome with endpoint %p',
    async (endpoint) => {
      const script = scriptedFetch(problemReply(421, 'NotHome', { endpoint }), COMMITTED);
      const { client, env } = clientOf(script);
      await env.clock.run(client.commit([EVENT]));
      expect(urlsOf(script)).toEqual([EAST, WEST]);
    },
  );

  test('that is sent in circles slows down and ends', async () => {
    const script = scriptedFetch(problemReply(421, 'NotHome', { endpoint: EAST }));
    const { client, env } = clientOf(script);
    await expect(env.clock.run(client.commit([EVENT]))).rejects.toMatchObject({ code: 'NotHome' });
    expect(script.sent.length).toBeLessThanOrEqual(200);
    expect(env.clock.slept.length).toBeGreaterThan(10);
  });

  test('waits as long as Throttled says, at the same site', async () => {
    const script = scriptedFetch(problemReply(429, 'Throttled', {}, { 'retry-after': '3' }), COMMITTED);
    const { client, env } = clientOf(script);
    await env.clock.run(client.commit([EVENT]));
    expect(urlsOf(script)).toEqual([EAST, EAST]);
    expect(env.clock.slept).toHaveLength(1);
    expect(env.clock.slept[0]).toBeGreaterThanOrEqual(3_000);
  });

  test('that nobody answers ends with Unavailable after its time, having tried all sites in turn', async () => {
    const script = scriptedFetch(new TypeError('reset'));
    const { client, env } = clientOf(script, [EAST, WEST], { retryForMs: 5_000 });
    const startedAt = env.clock.now();
    await expect(env.clock.run(client.commit([EVENT]))).rejects.toMatchObject({ code: 'Unavailable' });
    expect(env.clock.now() - startedAt).toBeLessThanOrEqual(5_000);
    expect(env.clock.now() - startedAt).toBeGreaterThan(2_500);
    expect(urlsOf(script).slice(0, 4)).toEqual([EAST, WEST, EAST, WEST]);
    expect(script.sent.length).toBeLessThan(50);
  });

  test('pauses with full jitter: longer and longer, never longer than the bound', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const script = scriptedFetch(new TypeError('reset'));
        const options = { random: seededRandom(seed), maxAttempts: 12, backoffMs: 50, maxBackoffMs: 400 };
        const { client, env } = clientOf(script, [EAST], options);
        await expect(env.clock.run(client.commit([EVENT]))).rejects.toMatchObject({ code: 'Unavailable' });
        expect(env.clock.slept).toHaveLength(11);
        env.clock.slept.forEach((ms, i) => expect(ms).toBeLessThan(Math.min(400, 50 * 2 ** i)));
        expect(new Set(env.clock.slept).size).toBe(11);
      }),
      { numRuns: 20 },
    );
  });

  test.each(
    (Object.keys(PROBLEMS) as ProblemCode[]).filter((code) => !PROBLEMS[code].retryable).concat('ReplicaBehind'),
  )('that is refused with %s is not retried, and the error has everything', async (code) => {
    const script = scriptedFetch(problemReply(PROBLEMS[code].status, code, { missing: [1], from: 'a' }));
    const { client } = clientOf(script);
    const error = await client.commit([EVENT]).catch((reason: unknown) => reason as LockstepError);
    expect(error).toBeInstanceOf(LockstepError);
    expect(error).toMatchObject({ code, message: 'do this', extras: { missing: [1], from: 'a' } });
    expect(script.sent).toHaveLength(1);
  });

  test.each([
    [500, 'Internal', 'Unavailable'],
    [502, 'Strange', 'Unavailable'],
    [403, 'Forbidden', 'InvalidRequest'],
    [404, 'Nowhere', 'NotFound'],
    [429, 'Busy', 'Throttled'],
  ])('that is answered with %d %s, which it does not know, fails as %s', async (status, code, expected) => {
    const { client, env } = clientOf(scriptedFetch(problemReply(status, code)), [EAST], { maxAttempts: 2 });
    const error = env.clock.run(client.getRoute());
    await expect(error).rejects.toMatchObject({ code: expected, extras: { status, code } });
  });

  test.each<[string, Parameters<typeof scriptedFetch>[0]]>([
    ['an answer that is no JSON', { body: '<html>' }],
    ['an answer that is cut off', { body: '{"id":' }],
    ['a gateway’s page', { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' }],
  ])('%s is tried again', async (_, reply) => {
    const script = scriptedFetch(reply, COMMITTED);
    const { client, env } = clientOf(script);
    await env.clock.run(client.commit([EVENT]));
    expect(script.sent).toHaveLength(2);
  });

  test('is signed, each attempt anew', async () => {
    const script = scriptedFetch(new TypeError('reset'), COMMITTED);
    const seen: unknown[] = [];
    const sign = async (request: { url: string; headers: Readonly<Record<string, string>> }) => {
      seen.push(request);
      return { ...request.headers, authorization: `signed ${request.url}` };
    };
    const { client, env } = clientOf(script, [EAST, WEST], { sign });
    await env.clock.run(client.commit([EVENT], { id: 'c1' }));
    expect(script.sent.map(({ headers }) => headers['authorization'])).toEqual([
      `signed ${EAST}/commits`,
      `signed ${WEST}/commits`,
    ]);
    const body = JSON.stringify({ id: 'c1', events: [EVENT] });
    expect(seen[0]).toMatchObject({ method: 'POST', url: `${EAST}/commits`, body });
  });
});

describe('a client with one endpoint', () => {
  const AT = (id: string) => `https://${id}.execute-api.us-east-1.amazonaws.com/v1`;
  const DOWN = new TypeError('reset');
  const routeOf = (...endpoints: string[]) => ({
    body: { term: 1, sites: endpoints.map((endpoint, i) => ({ name: `s${i}`, region: 'r', endpoint })) },
  });

  /** Commits, learns what the route names, and then meets a site that is down. */
  async function visited(given: string, route: Parameters<typeof scriptedFetch>[0]): Promise<string[]> {
    const script = scriptedFetch(COMMITTED, route, DOWN, COMMITTED);
    const { client, env } = clientOf(script, [given]);
    await env.clock.run(client.commit([EVENT]));
    await env.clock.run(env.clock.sleep(1));
    await env.clock.run(client.commit([EVENT]));
    return script.sent.map(({ url }) => url);
  }

  test('learns where the others are, and goes there when its own does not answer', async () => {
    const urls = await visited(AT('east'), routeOf(AT('east'), AT('west')));
    expect(urls).toEqual([
      `${AT('east')}/commits`,
      `${AT('east')}/route`,
      `${AT('east')}/commits`,
      `${AT('west')}/commits`,
    ]);
  });

  test.each([
    ['under it', 'http://127.0.0.1:1', ['http://127.0.0.1:1/sites/east', 'http://127.0.0.1:1/sites/west']],
    ['less secure', AT('east'), [AT('east'), 'http://elsewhere.example/v1']],
    ['not told yet', AT('east'), [AT('east'), '']],
  ])('stays where the others are %s', async (_, given, endpoints) => {
    const urls = await visited(given, routeOf(...endpoints));
    expect(urls.slice(2)).toEqual([`${given}/commits`, `${given}/commits`]);
  });

  test('asks again where it got no answer, and not where it was refused', async () => {
    for (const [reply, asked] of [
      [DOWN, 2],
      [problemReply(403, 'Forbidden'), 1],
    ] as const) {
      const script = scriptedFetch(COMMITTED, reply, COMMITTED, routeOf(AT('east')), COMMITTED);
      const { client, env } = clientOf(script, [AT('east')]);
      for (let n = 0; n < 3; n += 1) {
        await env.clock.run(client.commit([EVENT]));
        await env.clock.run(env.clock.sleep(1));
      }
      expect(script.sent.filter(({ url }) => url.endsWith('/route'))).toHaveLength(asked);
    }
  });

  test('is not ended by an answer that is no route', async () => {
    const ends: unknown[] = [];
    const end = (why: unknown): void => void ends.push(why);
    process.on('unhandledRejection', end);
    const urls = await visited(AT('east'), { body: {} });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', end);
    expect(ends).toEqual([]);
    expect(urls.slice(2)).toEqual([`${AT('east')}/commits`, `${AT('east')}/commits`]);
  });

  test('asks for nothing where it was given several', async () => {
    const script = scriptedFetch(COMMITTED);
    const { client, env } = clientOf(script);
    await env.clock.run(client.commit([EVENT]));
    await env.clock.run(env.clock.sleep(1));
    expect(urlsOf(script)).toEqual([EAST]);
  });
});

test.each([[[]], [['']], [['localhost:80']], [['ftp://x']]])('endpoints %j are refused', (endpoints) => {
  expect(() => httpTransport({ endpoints })).toThrow(LockstepError);
});
