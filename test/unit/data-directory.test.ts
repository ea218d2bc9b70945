import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataDirectory, DataDirectoryInUse } from '../../src/adapters/embedded/data-directory.js';

describe('a data directory', () => {
  let path: string;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'lockstep.data-'));
  });
  afterEach(() => {
    rmSync(path, { recursive: true, force: true });
  });

  /** Puts the file there that a process with this id would have put. */
  function takeFor(pid: number): void {
    const own = new DataDirectory(join(path, 'probe'));
    const [, boot = ''] = /owner\.\d+\.\d+-(\w+)/.exec(readdirSync(own.path)[0] ?? '') ?? [];
    rmSync(own.path, { recursive: true });
    const ticks = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[19] ?? '';
    writeFileSync(join(path, `owner.${pid}.${ticks}-${boot}`), '');
  }

  it('is made where it is missing, and taken', () => {
    const directory = new DataDirectory(join(path, 'deep', 'er'));
    expect(existsSync(directory.path)).toBe(true);
    directory.release();
  });

  it('is refused while it is taken, also within one process, and free again after its release', () => {
    const first = new DataDirectory(path);
    expect(() => new DataDirectory(path)).toThrow(DataDirectoryInUse);
    first.release();
    const second = new DataDirectory(path);
    second.release();
    expect(readdirSync(path)).toEqual([]);
  });

  it('is not taken by what only looks like an owner', () => {
    writeFileSync(join(path, 'owner.txt'), '');
    writeFileSync(join(path, 'data.mdb'), '');
    const directory = new DataDirectory(path);
    expect(existsSync(join(path, 'data.mdb'))).toBe(true);
    directory.release();
  });

  // `takeFor` makes up the file of another process from what /proc says of it. Real ones meet in test/process.
  const onLinux = process.platform === 'linux' ? it : it.skip;

  onLinux('names the process that has it, and is free as soon as that one was killed', async () => {
    const other = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
    await once(other, 'spawn');
    const pid = other.pid ?? 0;
    takeFor(pid);
    try {
      expect(() => new DataDirectory(path)).toThrow(`in use by process ${pid}`);
      // It withdrew: its own file is gone.
      expect(readdirSync(path).filter((name) => name.startsWith('owner.'))).toHaveLength(1);
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
    new DataDirectory(path).release();
    expect(readdirSync(path)).toEqual([]);
  });

  onLinux('is free when its owner is dead but not yet buried by its parent', async () => {
    // The shell becomes a `sleep` that never asks what became of its child: a zombie.
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(line.toString());
      takeFor(pid);
      expect(() => new DataDirectory(path)).toThrow(DataDirectoryInUse);
      const state = (): string => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1) ?? '';
      while (!state().startsWith('Z')) await new Promise((resolve) => setTimeout(resolve, 10));
      new DataDirectory(path).release();
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('is free where another process has got the id of its owner', () => {
    writeFileSync(join(path, `owner.${process.ppid}.1-00000000`), '');
    new DataDirectory(path).release();
    expect(readdirSync(path)).toEqual([]);
  });
});
