import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isLockstepError, LockstepClient } from '../../src/client/index.js';
import type { EventIn } from '../../src/core/api.js';
import { type Bundle, bundleCommand } from './support/bundle.js';
import { eventually, findingsIn, readAll } from './support/check.js';
import { Journal } from './support/journal.js';
import { CommandProcess, type RunningServer, spawnServer, startServer } from './support/server-process.js';

const NO_RETRY = { retryForMs: 0, maxAttempts: 1 };

let folder: string;
let bundle: Bundle;
const running: CommandProcess[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-process-'));
  bundle = await bundleCommand();
});
afterEach(() => Promise.all(running.splice(0).map((process) => process.kill())));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  bundle.remove();
});

async function serve(data: string, shell?: string): Promise<RunningServer> {
  const server = await startServer(bundle, { data, ...(shell === undefined ? {} : { shell }) });
  running.push(server.process);
  return server;
}

const command = (...args: string[]) => new CommandProcess(bundle, args).ended();

test('a data directory in use is refused with the process that has it, and is free again once that is killed', async () => {
  const data = join(folder, 'in-use');
  const first = await serve(data);
  const second = await spawnServer(bundle, { data }).ended();
  expect(second).toMatchObject({ code: 1, stdout: '' });
  const problem = JSON.parse(second.stderr) as { code: string; detail: string };
  expect(problem.code).toBe('DataDirectoryInUse');
  expect(problem.detail).toContain(`${data} is in use by process ${first.process.pid}: `);
  expect(await new LockstepClient({ endpoints: [first.url], ...NO_RETRY }).getRoute()).toMatchObject({ home: 'east' });

  await first.process.kill();
  const third = await serve(data);
  expect(await third.process.stop()).toMatchObject({ code: 0, stderr: '' });
}, 60_000);

test('a port in use is refused, and the data directory is not kept', async () => {
  const first = await serve(join(folder, 'port-1'));
  const data = join(folder, 'port-2');
  const second = await spawnServer(bundle, { data, port: first.port }).ended();
  expect(second).toMatchObject({ code: 1, stdout: '' });
  expect(JSON.parse(second.stderr)).toMatchObject({
    code: 'PortInUse',
    detail: expect.stringContaining(`Port ${first.port} of 127.0.0.1 is in use`),
  });
  const third = await serve(data);
  expect(await third.process.stop()).toMatchObject({ code: 0, stderr: '' });
}, 60_000);

test('on a full disk commits are refused with a code, reads go on, and nothing acknowledged is lost', async () => {
  const data = join(folder, 'full');
  // No file may get longer than 6 MiB: what a write meets on a full disk, on any machine.
  const limited = await serve(data, 'ulimit -f 6144');
  const journal = new Journal();
  const client = new LockstepClient({ endpoints: [limited.url], ...NO_RETRY });
  await client.putStream('orders');
  await client.putStream('payments');
  const refusals = new Map<string, string>();
  for (let n = 0; n < 200 && refusals.size < 5; n += 1) {
    const id = `t${n}`;
    const events = eventsOf(id);
    journal.begin(id, events);
    try {
      await client.commit(events, { id });
      journal.learn(id, 'committed');
    } catch (error) {
      if (!isLockstepError(error)) throw error;
      refusals.set(id, error.code);
      // Of a refusal that says so, nothing may be there; of any other the client does not know.
      if (/nothing was written/.test(error.message)) journal.learn(id, 'refused');
    }
  }
  expect(journal.acknowledged).toBeGreaterThan(5);
  expect([...refusals.values()]).toEqual(
    Array.from({ length: 5 }, () => expect.stringMatching(/^(Unavailable|Undetermined)$/)),
  );
  expect(await client.getTransaction('t0')).toMatchObject({ status: 'committed' });
  expect((await client.readEvents({ stream: 'orders', limit: 5 })).events).toHaveLength(5);
  await limited.process.kill();

  const { url } = await serve(data);
  const again = new LockstepClient({ endpoints: [url] });
  const [unknown] = refusals.keys();
  await again.commit(journal.attempts.get(unknown!)!.events, { id: unknown! });
  journal.learn(unknown!, 'committed');
  await eventually('both sites are in sync', async () => (await again.getRoute()).inSync.length === 2, 20_000);
  for (const site of ['east', 'west']) {
    const events = await readAll(again, ['orders', 'payments'], site);
    expect(findingsIn(site, events, ['orders', 'payments'], journal)).toEqual([]);
  }
}, 60_000);

function eventsOf(id: string): readonly EventIn[] {
  return ['orders', 'payments'].map((stream, i) => ({
    stream,
    key: id,
    type: 'large',
    data: { of: id, i, filler: 'x'.repeat(50_000) },
  }));
}

test('a stream that is not there is told by name, and the server is alive afterwards', async () => {
  const { url } = await serve(join(folder, 'unknown-stream'));
  const event = JSON.stringify({ stream: 'nowhere', key: 'k', type: 't', data: 1 });
  for (const args of [
    ['tail', 'nowhere'],
    ['append', event],
    ['streams', 'show', 'nowhere'],
    ['switchover', 'nowhere'],
  ]) {
    const { code, stdout, stderr } = await command(...args, '--endpoint', url, '--json');
    expect([args[0], code, stdout]).toEqual([args[0], 1, '']);
    expect(JSON.parse(stderr)).toMatchObject({ code: 'UnknownStream', status: 404, retryable: false });
    expect(stderr).toContain('nowhere');
  }
  expect(await new LockstepClient({ endpoints: [url], ...NO_RETRY }).listTransactions()).toEqual({ transactions: [] });
}, 60_000);

test.each(['notaport', '65536', '-1', '1.5'])(
  'port %s is refused before anything is opened',
  async (port) => {
    const data = join(folder, 'bad-port');
    const { code, stdout, stderr } = await command('serve', '--port', port, '--data', data);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('--port');
  },
  60_000,
);

describe('a log with broken rows and two columns of one name', () => {
  const T = '2012-04-03 16:55:38';
  const rows = Array.from({ length: 80 }, (_, i) => `c${i % 40},step ${i},${T},a,b${i}`);
  let log: string;
  beforeEach(() => {
    log = join(folder, 'log.csv');
    // Lines 4 and 8 of the file.
    const lines = [
      'case,activity,time,note,note',
      ...rows.slice(0, 2),
      'c1,short',
      ...rows.slice(2, 5),
      'c1,x,never,,',
      ...rows.slice(5),
    ];
    writeFileSync(log, `${lines.join('\n')}\n`);
  });

  test('--strict ends it at the first broken row, named by its line', async () => {
    const { code, stdout, stderr } = await command('tour', '--log', log, '--strict', '--once', '--json', '--port', '0');
    expect([code, stdout]).toEqual([1, '']);
    expect(JSON.parse(stderr)).toMatchObject({ detail: expect.stringContaining('log.csv, line 4: 2 fields where') });
  }, 60_000);

  test('broken rows are counted and left out, the second column gets _2', async () => {
    const data = join(folder, 'tour');
    const { code, stdout } = await command('tour', '--log', log, '--once', '--json', '--port', '0', '--data', data);
    expect(code).toBe(0);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({
      transactions: { committed: 40, aborted: 0 },
      events: { input: 80, delivered: 80, lost: 0, duplicated: 0, torn: 0 },
    });
    const { url } = await serve(data);
    const client = new LockstepClient({ endpoints: [url] });
    const { transactions } = await client.listTransactions({ status: 'committed', limit: 1_000 });
    const payloads = transactions.flatMap(({ events }) => events.map((event) => JSON.stringify(event.data)));
    expect(
      payloads.filter((payload) => payload.includes('"note":"a"') && payload.includes('"note_2":"b')),
    ).toHaveLength(80);
  }, 60_000);
});
