import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { runCli } from '../../cli/program.js';
import type { Io } from '../../cli/ui/terminal.js';
import { openEmbedded, serveEmbedded } from '../../src/embedded/index.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-serve-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command until it ends; `onText` may interrupt it. */
async function run(args: readonly string[], onText: (stdout: string, interrupt: () => void) => void = () => undefined) {
  const interruption = new AbortController();
  const texts = { stdout: '', stderr: '' };
  const io: Io = {
    stdin: Readable.from([]),
    stdout: {
      write: (text) => {
        texts.stdout += text;
        onText(texts.stdout, () => interruption.abort());
      },
    },
    stderr: { write: (text) => void (texts.stderr += text) },
    env: { LOCKSTEP_PACKAGE_ROOT: process.env['LOCKSTEP_PACKAGE_ROOT'] },
    interrupted: interruption.signal,
  };
  return { code: await runCli(args, io), ...texts };
}

test('serve answers at the port that it names, keeps what was written, and ends when it is interrupted', async () => {
  const sites = ['--sites', 'north,south,west'];
  const serving = ['serve', '--port', '0', '--data', folder, '--json', ...sites];
  let seen: unknown;
  const first = await run(serving, (stdout, interrupt) => {
    const { url } = JSON.parse(stdout) as { url: string };
    void fetch(`${url}/streams/orders`, { method: 'PUT', body: '{}', headers: { 'content-type': 'application/json' } })
      .then(() => fetch(`${url}/route`))
      .then(async (response) => (seen = await response.json()))
      .finally(interrupt);
  });
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(seen).toMatchObject({ home: 'north', inSync: ['north', 'south', 'west'], active: { orders: 'north' } });
  const again = await openEmbedded({ dataDirectory: folder, sites: ['north', 'south', 'west'] });
  expect((await again.service.listStreams()).streams.map(({ name }) => name)).toEqual(['orders']);
  await again.close();
}, 60_000);

test.each(['serve', 'tour'])('%s says that its port is in use', async (command) => {
  const other = await serveEmbedded({ port: 0 });
  try {
    const { port } = new URL(other.url);
    const { code, stderr } = await run([command, '--port', port]);
    expect(code).toBe(1);
    expect(stderr).toContain(`lockstep: PortInUse: Port ${port} of 127.0.0.1 is in use`);
    expect(stderr).toContain('--port');
  } finally {
    await other.close();
  }
});

test.each(['serve', 'tour'])('%s says that its data directory is in use', async (command) => {
  const other = await openEmbedded({ dataDirectory: folder });
  try {
    const { code, stderr } = await run([command, '--port', '0', '--data', folder]);
    expect(code).toBe(1);
    expect(stderr).toContain(`lockstep: DataDirectoryInUse: ${folder} is in use by process ${process.pid}`);
  } finally {
    await other.close();
  }
});

test('serve says that its data directory is no directory', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const { code, stderr } = await run(['serve', '--port', '0', '--data', file]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^lockstep: EEXIST: /);
});

test('the tour names broken rows by line, and ends at the first one with --strict', async () => {
  const log = join(folder, 'log.csv');
  writeFileSync(log, `case,activity,time\n1,a,2012-04-03\n1,b\n2,a,never\n`);
  const strict = await run(['tour', '--log', log, '--strict', '--once', '--port', '0']);
  expect(strict).toMatchObject({ code: 1, stdout: '' });
  expect(strict.stderr).toContain(`${log}, line 3: 2 fields where the header has 3 (--strict)`);
  const { stdout } = await run(['tour', '--log', log, '--once', '--port', '0'], (text, interrupt) => {
    if (text.includes('apart')) interrupt();
  });
  expect(stdout).toContain('2 broken rows left out:');
  expect(stdout).toContain('line 3: 2 fields where the header has 3');
  expect(stdout).toContain('line 4: "never" is no time like 2012-04-03 16:55:38');
}, 60_000);
