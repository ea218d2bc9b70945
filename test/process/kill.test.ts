import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { LockstepClient } from '../../src/client/index.js';
import { type Bundle, bundleCommand } from './support/bundle.js';
import { eventually, findingsIn, logFindings, readAll } from './support/check.js';
import { startFollowers } from './support/followers.js';
import { Load, STREAMS } from './support/load.js';
import { type CommandProcess, spawnServer, startServer } from './support/server-process.js';

const KILLS = 20;
const WORKERS = 8;
const SEED = Number(process.env['LOCKSTEP_SEED'] ?? 20_260_301);

let folder: string;
let bundle: Bundle;
let running: CommandProcess | undefined;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-kill-'));
  bundle = await bundleCommand();
});
afterAll(async () => {
  await running?.kill();
  rmSync(folder, { recursive: true, force: true });
  bundle.remove();
});

test(`I3, I8: the server is killed ${KILLS} times under load (seed ${SEED}), and nothing acknowledged is lost, doubled or torn`, async () => {
  const random = seededRandom(SEED);
  const data = join(folder, 'data');
  const { process: first, url, port } = await startServer(bundle, { data });
  running = first;
  const client = new LockstepClient({ endpoints: [url] });
  await client.putStream('orders', { shards: 2 });
  await client.putStream('payments');
  await client.putStream('ledger', { ordering: 'versioned' });

  const load = new Load(url, WORKERS, SEED);
  const followers = startFollowers(STREAMS, { url, folder: join(folder, 'checkpoints'), seed: SEED });
  const { journal } = load;
  const reached = (acknowledged: number): boolean => {
    if (journal.surprises.length > 0) throw new Error(journal.surprises.join('\n'));
    return journal.acknowledged >= acknowledged;
  };
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const goal = journal.acknowledged + Math.floor(random.next() * 120);
    await eventually(`kill ${kill}: ${goal} acknowledged`, () => reached(goal));
    await new Promise((resolve) => setTimeout(resolve, random.next() * 10));
    await running.kill();
    // Every fifth time it is killed again while it starts.
    if (kill % 5 === 0) {
      const starting = spawnServer(bundle, { data, port });
      await new Promise((resolve) => setTimeout(resolve, random.next() * 600));
      await starting.kill();
    }
    running = (await startServer(bundle, { data, port })).process;
  }
  const goal = journal.acknowledged + 50;
  await eventually('the load goes on after the last kill', () => reached(goal));

  await load.stop();
  expect(journal.surprises).toEqual([]);

  await eventually('both sites are in sync', async () => (await client.getRoute()).inSync.length === 2);
  await eventually('all that was left open has expired', async () => {
    const { transactions } = await client.listTransactions({ status: 'open', limit: 1 });
    return transactions.length === 0;
  });

  const east = await readAll(client, STREAMS, 'east');
  const west = await readAll(client, STREAMS, 'west');
  const findings = [...findingsIn('east', east, STREAMS, journal), ...findingsIn('west', west, STREAMS, journal)];
  findings.push(...(await logFindings(client, journal, new Set(east.map(({ transactionid }) => transactionid)))));

  for (const follower of followers) {
    const streams = STREAMS.filter((name) => follower.streams.includes(name));
    const expected = east.filter(({ stream }) => follower.streams.includes(stream)).length;
    const isDone = () => follower.failure !== undefined || follower.delivered.length >= expected;
    await eventually(`${follower.name}: ${expected} events`, isDone).catch((error: unknown) =>
      findings.push(`${String(error)}: ${follower.delivered.length}`),
    );
    await follower.stop();
    expect(follower.failure).toBeUndefined();
    findings.push(...findingsIn(follower.name, follower.delivered, streams, journal));
  }
  expect(findings).toEqual([]);
  // It was a test of something.
  expect(east.length).toBeGreaterThan(1_000);
  expect(journal.with('refused').length).toBeGreaterThan(50);
  const ended = await running.stop();
  expect(ended).toMatchObject({ code: 0, stderr: '' });
}, 120_000);
