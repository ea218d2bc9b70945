import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { runCli } from '../../cli/program.js';
import type { Io } from '../../cli/ui/terminal.js';
import { sealOf } from '../../src/core/proof.js';
import { createApp } from '../../src/http/app.js';
import { type RunningServer, serve } from '../../src/http/server.js';
import { CONFLICT, FakeDeployment, INCIDENT } from './fake-service.js';

let deployment: FakeDeployment;
let server: RunningServer;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  deployment = new FakeDeployment();
  deployment.putStream('orders', { shards: 2 });
  deployment.putStream('payments', {});
  server = await serve({ app: createApp({ service: deployment.service }), port: 0 });
});
afterEach(() => server.close());

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  args: readonly string[],
  given: { stdin?: string; env?: Io['env']; interruptMs?: number } = {},
): Promise<Run> {
  const texts = { stdout: '', stderr: '' };
  const interrupted =
    given.interruptMs === undefined ? new AbortController().signal : AbortSignal.timeout(given.interruptMs);
  const io: Io = {
    stdin: Readable.from(given.stdin === undefined ? [] : [given.stdin]),
    stdout: { write: (text) => void (texts.stdout += text) },
    stderr: { write: (text) => void (texts.stderr += text) },
    env: { LOCKSTEP_PACKAGE_ROOT: process.env['LOCKSTEP_PACKAGE_ROOT'], LOCKSTEP_ENDPOINT: server.url, ...given.env },
    interrupted,
  };
  const code = await runCli(args, io);
  return { code, ...texts };
}

const json = async (...args: readonly string[]) => JSON.parse((await run([...args, '--json'])).stdout) as unknown;

const EVENT = { stream: 'orders', key: '1', type: 'placed', data: { total: 9 } };

describe('scale', () => {
  test('plan: of a stream without rules, of rules that are said, and for a program', async () => {
    const { code, stdout } = await run(['scale', 'plan', 'orders']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('It has no rules: lockstep scale apply NAME')]);
    expect(deployment.lastRequest('planScaling')).toEqual(['orders', {}]);
    const plan = await run(['scale', 'plan', 'orders', '--shards', '1-16']);
    expect(deployment.lastRequest('planScaling')).toEqual(['orders', { scaling: { shards: { min: 1, max: 16 } } }]);
    for (const text of [
      /shards +2 \(1 so far\), between 1 and 16; 9 of the day's 10 changes left/,
      /2 KiB\/s, 12.5 records\/s, 0.25 refused\/s; 91.2 % of its shards, 150 % of the busiest/,
      /at most 1.25 full shards as likely as not, 2.5 but once in twenty/,
      /under load +0.912 +fires/,
      /shards 2 to 4 {2}under load: high/,
    ])
      expect(plan.stdout).toMatch(text);
    expect(await json('scale', 'plan', 'orders')).toMatchObject({ stream: 'orders', mode: 'off' });
    expect(deployment.getStream('orders').policy.scaling).toBeUndefined();
  });

  test('apply: what is not said stays, a file gives rules, and nothing said is refused', async () => {
    const rules = [{ name: 'r', when: { signal: 'utilisation', above: 0.5 }, then: { shards: { times: 2 } } }];
    const file = join(folder, 'rules.json');
    writeFileSync(file, JSON.stringify({ shards: { min: 1, max: 4 }, rules }));
    expect((await run(['scale', 'apply', 'orders', '--policy', file])).code).toBe(0);
    expect((await run(['scale', 'apply', 'orders', '--mode', 'dry-run'])).stdout).toMatch(/scaling +dry-run/);
    expect(deployment.lastRequest('putStream')).toEqual([
      'orders',
      { scaling: { shards: { min: 1, max: 4 }, rules, mode: 'dry-run' } },
    ]);
    expect((await run(['streams', 'show', 'orders'])).stdout).toMatch(/scaling +dry-run: lockstep scale plan orders/);
    const stdin = JSON.stringify({ shards: { min: 3, max: 9 } });
    await run(['scale', 'apply', 'orders', '--policy', '-'], { stdin });
    expect(deployment.getStream('orders').policy.scaling).toEqual({ shards: { min: 3, max: 9 } });
    const puts = deployment.requests.length;
    expect(await run(['scale', 'apply', 'orders'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--shards'),
    });
    expect((await run(['scale', 'apply', 'orders', '--policy', '-'], { stdin: 'no json' })).code).toBe(1);
    expect((await run(['scale', 'apply', 'orders', '--shards', '9-3'])).code).toBe(2);
    expect(deployment.requests.slice(puts).map(([name]) => name)).not.toContain('putStream');
  });

  test('explain: decisions, newest first', async () => {
    expect((await run(['scale', 'explain', 'orders'])).stdout).toBe('Nothing was decided yet\n');
    const at = '2026-11-23T18:00:00.000Z';
    const step = { at, quantity: 'shards', why: 'under load: high', rule: 'under load' } as const;
    deployment.decisions.push(
      { ...step, from: 4, to: 4, outcome: 'held', limit: 'ten a day' },
      { ...step, from: 2, to: 4, outcome: 'done' },
    );
    const { stdout } = await run(['scale', 'explain', 'orders']);
    expect(stdout).toMatch(/shards 4 → 4 +held +under load: high; ten a day\n.*shards 2 → 4 +done/);
    const told = await json('scale', 'explain', 'orders', '--limit', '1');
    expect(told).toEqual({ stream: 'orders', decisions: [deployment.decisions[0]] });
  });
});

describe('help and usage', () => {
  const COMMANDS = [
    ...['serve', 'tour', 'streams list', 'streams show', 'streams create', 'append', 'tail', 'tx show', 'tx list'],
    ...['tx abort', 'route', 'switchover', 'move-home', 'reconcile', 'verify', 'incidents', 'conflicts list'],
    ...['conflicts show', 'conflicts resolve', 'audit', 'scale plan', 'scale apply', 'scale explain'],
    ...['predict train', 'predict evaluate', 'predict explain', 'predict stats'],
  ];

  test.each(COMMANDS)('%s has help with an example', async (command) => {
    const { code, stdout, stderr } = await run([...command.split(' '), '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: lockstep ${command}`);
    expect(stdout).toContain(`Example:\n  $ lockstep ${command}`);
    for (const option of ['--endpoint <url>', '--json']) expect(stdout).toContain(option);
  });

  test('the help of all names each command and the exit codes', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command.split(' ')[0]} `, 'm'));
    expect(stdout).toContain('Exit codes: 0 done, 1 refused or failed, 2 not called as it wants to be');
  });

  test('the version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(process.env['LOCKSTEP_PACKAGE_ROOT']!, 'package.json'), 'utf8'));
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test.each<[string, string[], string]>([
    ['nothing at all', [], 'Usage: lockstep'],
    ['an unknown command', ['strems'], "unknown command 'strems'"],
    ['a group without a command', ['streams'], 'Usage: lockstep streams'],
    ['an unknown option', ['route', '--colour'], "unknown option '--colour'"],
    ['a missing argument', ['switchover'], "missing required argument 'stream'"],
    ['an argument too many', ['route', 'east'], 'too many arguments'],
    ['a number that is none', ['tx', 'list', '--limit', 'ten'], 'A whole number, 1 to 1000.'],
    ['a number that is too large', ['serve', '--port', '65536'], 'A whole number, 0 to 65535.'],
    [
      'a choice that is none',
      ['streams', 'create', 'x', '--ordering', 'random'],
      'Allowed choices are arrival, versioned.',
    ],
    ['an endpoint that is no URL', ['route', '--endpoint', 'localhost:4040'], '"localhost:4040" is no http URL.'],
    ['a site that is none', ['serve', '--sites', 'East'], '"East" is no name of a site'],
    ['a site twice', ['serve', '--sites', 'east,east'], 'Each site once.'],
    ['a transaction id that is none', ['append', '--id', 'a b', '{}'], 'Letters, digits, _ and -, up to 64.'],
    ['a tail of nothing', ['tail'], 'name a stream, or streams with --transactions'],
    [
      'a tail of two things',
      ['tail', 'orders', '--transactions', 'a'],
      'name a stream, or streams with --transactions',
    ],
  ])('%s: exit code 2, said on stderr', async (_name, args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  test('an environment with a wrong endpoint is said to be the cause', async () => {
    const { code, stderr } = await run(['route'], { env: { LOCKSTEP_ENDPOINT: 'nonsense' } });
    expect(code).toBe(2);
    expect(stderr).toContain('LOCKSTEP_ENDPOINT: "nonsense" is no http URL.');
  });
});

describe('errors', () => {
  test('a refusal is one line with its code and what to do', async () => {
    expect(await run(['streams', 'show', 'nope'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'lockstep: UnknownStream: there is no stream nope: create it first\n',
    });
  });

  test('with --json it is the problem document, and stdout stays empty', async () => {
    const { code, stdout, stderr } = await run(['move-home', 'north', '--json']);
    expect([code, stdout]).toEqual([1, '']);
    expect(JSON.parse(stderr)).toMatchObject({ code: 'ReplicaBehind', status: 409, retryable: true });
  });

  test('where nothing answers it says so, with what to do', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => probe.once('listening', resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    const { code, stderr } = await run(['route', '--endpoint', `http://127.0.0.1:${port}`]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `lockstep: Unreachable: nothing answers at http://127.0.0.1:${port}: start \`lockstep serve\` there, or name another with --endpoint\n`,
    );
  });

  test('the next endpoint is tried where one does not answer', async () => {
    const { code } = await run(['route', '--endpoint', 'http://127.0.0.1:1', '--endpoint', server.url]);
    expect(code).toBe(0);
  });
});

describe('streams, route, incidents', () => {
  test('list, for a person and for a program', async () => {
    const { stdout } = await run(['streams', 'list']);
    expect(stdout).toBe(
      'STREAM    ACTIVE  SHARDS  MIRRORS\norders    east         2  west in-sync\npayments  east         1  west in-sync\n',
    );
    expect(await json('streams', 'list')).toMatchObject({ streams: [{ name: 'orders' }, { name: 'payments' }] });
  });

  test('create says only what was asked for', async () => {
    const options = ['--shards', '4', '--mirrors', '0', '--create-mirrors', 'on-begin', '--conflict-by', 'event'];
    expect(await json('streams', 'create', 'new', ...options)).toMatchObject({ name: 'new' });
    expect(deployment.lastRequest('putStream')).toEqual([
      'new',
      { shards: 4, mirrors: { count: 0, create: 'on-begin' }, conflict: { policy: 'last-write-wins', by: 'event' } },
    ]);
    await run(['streams', 'create', 'plain']);
    expect(deployment.lastRequest('putStream')).toEqual(['plain', {}]);
  });

  test('route shows home, roles and health', async () => {
    const { stdout } = await run(['route']);
    expect(stdout).toMatch(/^home +east$/m);
    expect(stdout).toMatch(/^east +local +home +well .* orders payments$/m);
    expect(stdout).toMatch(/^west +local +joining +suspect/m);
  });

  test('what a deployment says cannot move the cursor', async () => {
    const { stdout } = await run(['incidents']);
    expect(stdout).toContain('switchover of orders at east, over after 250 ms');
    expect(stdout).toContain('puts fail·[31m');
    expect(await json('incidents')).toEqual({ incidents: [INCIDENT] });
  });

  test('policies of conflicts are said as the contract has them', async () => {
    const said = async (...options: string[]) => {
      await run(['streams', 'create', 'new', ...options]);
      return (deployment.lastRequest('putStream') as [string, unknown])[1];
    };
    expect(await said('--conflict', 'manual')).toEqual({ conflict: { policy: 'manual' } });
    expect(await said('--conflict', 'function:merge')).toEqual({ conflict: { policy: 'function', name: 'merge' } });
    expect(await said('--conflict-otherwise', 'manual')).toEqual({
      conflict: { policy: 'version-vector', otherwise: 'manual' },
    });
    expect((await run(['streams', 'create', 'new', '--conflict', 'luck'])).code).toBe(2);
  });

  test('an open conflict is listed with what to do, shown with both versions, and resolved', async () => {
    deployment.conflicts.push(CONFLICT);
    const { stdout } = await run(['conflicts']);
    expect(stdout).toContain(`lockstep conflicts resolve ${CONFLICT.id} --take standing|waiting`);
    const shown = await run(['conflicts', 'show', CONFLICT.id]);
    expect(shown.stdout).toMatch(/stands +set "here"\n +waits +set "there"/);
    await run(['conflicts', 'resolve', CONFLICT.id, '--take', 'waiting']);
    expect(deployment.lastRequest('resolveConflict')).toEqual([CONFLICT.id, { take: 'waiting' }]);
    const merged = { stream: 'orders', key: 'k', type: 'set', data: 'both' };
    await run(['conflicts', 'resolve', CONFLICT.id, '--events', '-'], { stdin: JSON.stringify([merged]) });
    expect(deployment.lastRequest('resolveConflict')).toEqual([CONFLICT.id, { events: [merged] }]);
    for (const options of [[], ['--take', 'waiting', '--events', 'x'], ['--events', '/nowhere/to/be/found']]) {
      const { code, stderr } = await run(['conflicts', 'resolve', CONFLICT.id, ...options]);
      expect([code, stderr]).toEqual([1, expect.stringContaining('InvalidRequest') as string]);
    }
    deployment.conflicts.pop();
  });

  test('no conflict, switchover and move', async () => {
    expect((await run(['conflicts'])).stdout).toBe('There was no conflict\n');
    await run(['switchover', 'orders', '--to', 'west', '--force']);
    expect(deployment.lastRequest('switchover')).toEqual(['orders', { to: 'west', force: true }]);
    expect((await run(['move-home', 'west'])).stdout).toContain('planned-move of orders');
    expect(deployment.lastRequest('moveHome')).toEqual({ to: 'west' });
  });
});

describe('append', () => {
  test('commits all its arguments as one transaction', async () => {
    const { code, stdout } = await run([
      'append',
      JSON.stringify(EVENT),
      '{"key":"2","type":"x","data":1}',
      '--stream',
      'payments',
      '--id',
      'tx-1',
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('committed tx-1: 2 events, at 1 site: at risk until another site is back');
    expect(deployment.lastRequest('commitOnce')).toEqual({
      id: 'tx-1',
      events: [EVENT, { stream: 'payments', key: '2', type: 'x', data: 1 }],
    });
  });

  test('commits all lines of stdin as one transaction', async () => {
    const { code } = await run(['append'], { stdin: `${JSON.stringify(EVENT)}\r\n\n[${JSON.stringify(EVENT)}]\n` });
    expect(code).toBe(0);
    expect(deployment.lastRequest('commitOnce')).toMatchObject({ events: [EVENT, EVENT] });
  });

  test('with --each commits each line as its own, and goes on behind one that is refused', async () => {
    const unknown = { ...EVENT, stream: 'nope' };
    const stdin = [EVENT, unknown, EVENT].map((event) => JSON.stringify(event)).join('\n');
    const { code, stdout, stderr } = await run(['append', '--each', '--id', 'import'], { stdin });
    expect([code, stdout]).toEqual([1, '2 transactions committed, 1 failed\n']);
    expect(stderr).toBe('lockstep: line 2: UnknownStream: there is no stream nope: create it first\n');
    expect(deployment.lastRequest('commitBatch')).toMatchObject({
      commits: [{ id: 'import-1' }, { id: 'import-2' }, { id: 'import-3' }],
    });
  });

  test.each([
    ['no JSON', '{"stream":', 'line 1 is no JSON'],
    ['no object', '7', 'line 1 is no event'],
    ['nothing', '', 'there is no event to write'],
    ['an unknown member', JSON.stringify({ ...EVENT, colour: 'red' }), 'colour'],
  ])('%s is refused and nothing is written', async (_name, stdin, message) => {
    const { code, stderr } = await run(['append'], { stdin });
    expect(code).toBe(1);
    expect(stderr).toContain('lockstep: InvalidRequest: ');
    expect(stderr).toContain(message);
    expect(deployment.events['east']).toEqual({});
  });
});

describe('tail', () => {
  beforeEach(() => {
    for (let i = 1; i <= 5; i += 1) deployment.commitOnce({ id: `tx-${i}`, events: [{ ...EVENT, key: String(i) }] });
  });
  const ids = (text: string) =>
    text.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { id: string }).id]));

  test('prints what is there and ends, with --no-follow', async () => {
    const { code, stdout } = await run(['tail', 'orders', '--no-follow', '--json']);
    expect([code, ids(stdout)]).toEqual([0, ['tx-1:0', 'tx-2:0', 'tx-3:0', 'tx-4:0', 'tx-5:0']]);
    const human = await run(['tail', 'orders', '--no-follow', '--limit', '1']);
    expect(human.stdout).toBe('2026-11-23T18:00:00.000Z  orders  1  placed  {"total":9}\n');
  });

  test('goes on where its checkpoint says', async () => {
    const checkpoint = join(folder, 'orders.checkpoint');
    const tail = ['tail', 'orders', '--json', '--checkpoint', checkpoint];
    expect(ids((await run([...tail, '--limit', '2'])).stdout)).toEqual(['tx-1:0', 'tx-2:0']);
    expect(ids((await run([...tail, '--limit', '2'])).stdout)).toEqual(['tx-3:0', 'tx-4:0']);
    expect(ids((await run([...tail, '--no-follow'])).stdout)).toEqual(['tx-5:0']);
    expect(ids((await run([...tail, '--no-follow'])).stdout)).toEqual([]);
  });

  test('refuses the checkpoint of another reading, and a file that is none', async () => {
    const checkpoint = join(folder, 'other.checkpoint');
    await run(['tail', 'orders', '--no-follow', '--checkpoint', checkpoint]);
    const other = await run(['tail', 'payments', '--no-follow', '--checkpoint', checkpoint]);
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toContain('InvalidCheckpoint');
    expect(other.stderr).toContain('is of another reading (default/events/orders)');
    writeFileSync(checkpoint, '{"half');
    expect((await run(['tail', 'orders', '--checkpoint', checkpoint])).stderr).toContain('holds no checkpoint');
  });

  test('follows until it is interrupted, and ends well', async () => {
    const later = setTimeout(() => deployment.commitOnce({ id: 'late', events: [EVENT] }), 200);
    const { code, stdout } = await run(['tail', 'orders', '--json'], { interruptMs: 1_500 });
    clearTimeout(later);
    expect([code, ids(stdout).at(-1)]).toEqual([0, 'late:0']);
  });

  test('whole transactions over several streams', async () => {
    deployment.commitOnce({ id: 'both', events: [EVENT, { ...EVENT, stream: 'payments' }] });
    const { stdout } = await run(['tail', '--transactions', 'orders,payments', '--no-follow', '--json']);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({ id: 'both', events: [{}, {}] });
  });

  test('a stream that is not there', async () => {
    expect(await run(['tail', 'nope'])).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('reconcile and verify', () => {
  beforeEach(() => {
    for (let i = 1; i <= 4; i += 1) deployment.commitOnce({ id: `tx-${i}`, events: [{ ...EVENT, key: String(i) }] });
  });

  test('reconcile follows to the end and gives the proof', async () => {
    const { code, stdout } = await run(['reconcile', 'west', '--streams', 'orders,payments']);
    expect(code).toBe(0);
    expect(deployment.lastRequest('reconcile')).toEqual({ site: 'west', streams: ['orders', 'payments'] });
    expect(stdout).toContain('reconciling west: 40 %');
    expect(stdout).toMatch(/^compared +2 windows of streams, times and keys; digests equal afterwards$/m);
    expect(stdout).toMatch(/^overruled +1 transaction: t-9$/m);
  });

  test('--no-wait prints the id alone', async () => {
    expect((await run(['reconcile', 'west', '--no-wait'])).stdout).toBe('rec-00001\n');
  });

  test('verify computes the proof anew, by id and from a file', async () => {
    deployment.requests.push(['getReconciliation', undefined]);
    const { code, stdout } = await run(['verify', 'rec-00001']);
    expect(code).toBe(0);
    expect(stdout).toContain('✓ the proof holds: 2 windows computed anew, the same at all sites');
    const file = join(folder, 'proof.json');
    writeFileSync(file, JSON.stringify({ id: 'rec-00001', proof: deployment.proof() }));
    expect(await json('verify', file)).toMatchObject({
      holds: true,
      windows: [{ stream: 'orders', sides: [{ parts: 4 }, { parts: 4 }] }, {}],
    });
  });

  test.each<[string, (deployment: FakeDeployment) => void]>([
    ['an event that is missing at one site', ({ events }) => events['west']!['orders']!.splice(1, 1)],
    [
      'an event that was altered',
      ({ events }) => (events['west']!['orders']![0] = { ...events['west']!['orders']![0]!, data: 1 }),
    ],
    ['an event more than was proven', (fake) => fake.commitOnce({ id: 'more', events: [EVENT] })],
  ])('verify finds %s', async (_name, change) => {
    const file = join(folder, 'proof.json');
    writeFileSync(file, JSON.stringify(deployment.proof()));
    change(deployment);
    const { code, stdout } = await run(['verify', file]);
    expect(code).toBe(1);
    expect(stdout).toContain('✗ the proof does not hold: 1 window not as proven');
  });

  test('verify refuses a proof that was changed, with its seal or without', async () => {
    deployment.requests.push(['getReconciliation', undefined]);
    const proof = { ...deployment.proof(), copied: 0 };
    const file = join(folder, 'proof.json');
    const refused = async (content: unknown): Promise<string> => {
      writeFileSync(file, JSON.stringify(content));
      const { code, stderr } = await run(['verify', file]);
      expect(code).toBe(1);
      return stderr;
    };
    expect(await refused(proof)).toContain('does not have the seal of what it says');
    // Sealed anew: the deployment knows better.
    const sealed = { ...proof, seal: sealOf(proof) };
    expect(await refused({ id: 'rec-00001', proof: sealed })).toContain('is not the proof that rec-00001 gave');
  });

  test.each([
    ['no JSON', '{', 'is no JSON'],
    ['no proof', '{"windows":[{}]}', 'holds no proof of a reconciliation'],
    ['null', 'null', 'holds no proof of a reconciliation'],
  ])('verify refuses a file that is %s', async (_name, content, message) => {
    const file = join(folder, 'proof.json');
    writeFileSync(file, content);
    const { code, stderr } = await run(['verify', file]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});

describe('transactions', () => {
  const entry = {
    id: 'tx-7',
    status: 'open' as const,
    streams: ['orders'],
    shards: [{ site: 'east', stream: 'orders', shardId: 'shard-0' }],
    events: [{ ...EVENT, number: 0, digest: 'd'.repeat(64) }],
    startedAt: '2026-11-23T18:00:00.000Z',
    expiresAt: '2026-11-23T18:01:00.000Z',
  };
  beforeEach(() => deployment.transactions.set('tx-7', entry));

  test('show, list and abort', async () => {
    expect((await run(['tx', 'show', 'tx-7'])).stdout).toMatch(/^0 +orders +1 +placed +\{"total":9\}$/m);
    expect((await run(['tx', 'list', '--status', 'open', '--limit', '5'])).stdout).toContain(
      'There are more: --cursor more',
    );
    expect(deployment.lastRequest('listTransactions')).toEqual({ status: 'open', limit: 5 });
    expect((await run(['tx', 'abort', 'tx-7', '--reason', 'gone'])).stdout).toContain('tx-7 is aborted');
    expect(deployment.lastRequest('abort')).toEqual(['tx-7', { reason: 'gone' }]);
    expect((await run(['tx', 'show', 'tx-8'])).code).toBe(1);
  });
});
