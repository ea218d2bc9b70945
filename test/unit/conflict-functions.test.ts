import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conflictFunctions } from '../../src/adapters/embedded/conflict-functions.js';
import { systemClock } from '../../src/adapters/embedded/system.js';
import type { ConflictQuestion } from '../../src/ports/conflict-functions.js';

const side = (site: string, data: number): ConflictQuestion['standing'] => ({
  site,
  transactionId: site,
  committedAt: '2026-01-01T00:00:00.000Z',
  clock: '00000001.0000000000000001',
  events: [{ stream: 'orders', key: 'k', type: 'set', data, number: 0 }],
});
const QUESTION: ConflictQuestion = { stream: 'orders', key: 'k', standing: side('west', 1), waiting: side('east', 2) };
/** Longer than any thread takes to start, unless it is to be too short. */
const AMPLE_MS = 60_000;

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'lockstep-conflicts-'))));
afterAll(() => rmSync(folder, { recursive: true }));

/** A module that a user has written. */
function choose(body: string, timeoutMs = AMPLE_MS): Promise<unknown> {
  const module = join(folder, `${Buffer.from(body).toString('hex').slice(0, 80)}.mjs`);
  writeFileSync(module, `export default ({ standing, waiting }) => { ${body} };`);
  return conflictFunctions({ mine: module }, systemClock).choose('mine', QUESTION, timeoutMs);
}

describe('a module in a thread of its own', () => {
  it('chooses by what it is told', async () => {
    const larger = "return waiting.events[0].data > standing.events[0].data ? 'waiting' : 'standing'";
    await expect(choose(larger)).resolves.toBe('waiting');
  });

  it('is ended when it loops', async () => {
    await expect(choose('for (;;);', 300)).rejects.toThrow('longer than 300 ms');
  });

  it.each([
    ['throws', "throw new Error('no idea')", 'no idea'],
    ['ends its thread', 'process.exit(3)', /exit/],
    ['is no JavaScript', 'return )', /Unexpected/],
  ])('says so when it %s', async (_what, body, why) => {
    await expect(choose(body)).rejects.toThrow(why);
  });

  it('may answer anything, and nothing', async () => {
    await expect(choose('return { heads: 1 }')).resolves.toEqual({ heads: 1 });
    await expect(choose('')).resolves.toBeUndefined();
  });

  it('may be missing', async () => {
    const { choose: ask } = conflictFunctions({ mine: join(folder, 'nowhere.mjs') }, systemClock);
    await expect(ask('mine', QUESTION, AMPLE_MS)).rejects.toThrow(/nowhere/);
    await expect(ask('other', QUESTION, AMPLE_MS)).rejects.toThrow('no function other');
  });
});
