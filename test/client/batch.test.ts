import { directTransport, LockstepClient } from '../../src/client/index.js';
import { PROBLEMS } from '../../src/core/errors.js';
import type { ProblemCode } from '../../src/core/errors.js';
import { committed, fakeService } from '../http/support/fake-service.js';
import { environment, refusal } from './support/scripted.js';

const EVENT = { stream: 'orders', key: 'k', type: 'placed', data: 1 };

describe('a batch', () => {
  const commits = ['a', 'b', 'c'].map((id) => ({ id, events: [EVENT] }));
  const problem = (code: ProblemCode) => {
    const { status, title, retryable } = PROBLEMS[code];
    return { type: 'x', title, status, detail: 'x', code, retryable };
  };

  test('sends again only what could not be decided, and answers in order', async () => {
    const env = environment();
    const asked: string[][] = [];
    const service = fakeService({
      commitBatch: async ({ commits: given }) => {
        asked.push(given.map(({ id }) => id!));
        return {
          results: given.map(({ id }) => {
            if (id === 'b') return { id, problem: problem('VersionConflict') };
            if (id === 'c' && asked.length < 3) return { id, problem: problem('Undetermined') };
            return committed(id);
          }),
        };
      },
    });
    const client = new LockstepClient({ ...env, transport: directTransport(service) });
    const results = await env.clock.run(client.commitBatch(commits));
    expect(asked).toEqual([['a', 'b', 'c'], ['c'], ['c']]);
    expect(results.map((result) => ('problem' in result ? result.problem.code : result.status))).toEqual([
      'committed',
      'VersionConflict',
      'committed',
    ]);
  });

  test('tells what is still open when time is over', async () => {
    const env = environment();
    const service = fakeService({
      commitBatch: async ({ commits: given }) => ({
        results: given.map(({ id = '' }) => (id === 'a' ? committed(id) : { id, problem: problem('Undetermined') })),
      }),
    });
    const client = new LockstepClient({ ...env, transport: directTransport(service), retryForMs: 1_000 });
    const results = await env.clock.run(client.commitBatch(commits));
    expect(results.map((result) => 'problem' in result)).toEqual([false, true, true]);
  });

  test('that nobody answers fails as a whole; ids are made where there are none', async () => {
    const env = environment();
    const ids = new Set<string | undefined>();
    const service = fakeService({
      commitBatch: async ({ commits: given }) => {
        for (const { id } of given) ids.add(id);
        throw refusal('Unavailable');
      },
    });
    const client = new LockstepClient({ ...env, transport: directTransport(service), retryForMs: 1_000 });
    const unnamed = commits.map(({ events }) => ({ events }));
    await expect(env.clock.run(client.commitBatch(unnamed))).rejects.toMatchObject({ code: 'Unavailable' });
    expect(ids.size).toBe(3);
    expect(ids.has(undefined)).toBe(false);
  });
});
