import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Another process works in the directory. */
export class DataDirectoryInUse extends Error {
  /** Of the process that works there. */
  readonly pid: number;

  constructor(path: string, pid: number) {
    super(`${path} is in use by process ${pid}: stop it, or choose another data directory`);
    this.name = 'DataDirectoryInUse';
    this.pid = pid;
  }
}

const OWNER = /^owner\.(\d+)\.([\w-]+)$/;

/**
 * A data directory that this process owns alone, on one machine.
 *
 * Each candidate puts a file in it that names itself by process id and start time, and only then looks for others. Of
 * two that start together at least one sees the other's file, so never both go on (it may be that neither does). A
 * process that was killed leaves its file behind, but no process has that id and start time any more: it counts for
 * nothing and is cleared away.
 */
export class DataDirectory {
  readonly path: string;
  readonly #ownerFile: string;

  /**
   * Makes the directory where it is missing, and takes it.
   *
   * @throws DataDirectoryInUse where a living process has it, this one included
   */
  constructor(path: string) {
    this.path = resolve(path);
    mkdirSync(this.path, { recursive: true });
    const name = `owner.${process.pid}.${startOf(process.pid) ?? 'unknown'}`;
    this.#ownerFile = join(this.path, name);
    this.#announce();
    for (const other of readdirSync(this.path)) {
      if (other !== name) this.#outlive(other);
    }
  }

  /** Gives the directory up; it can be taken again. */
  release(): void {
    rmSync(this.#ownerFile, { force: true });
  }

  #announce(): void {
    try {
      writeFileSync(this.#ownerFile, '', { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new DataDirectoryInUse(this.path, process.pid);
      throw error;
    }
  }

  /** Clears the file of a dead process away, and withdraws before a living one. */
  #outlive(file: string): void {
    const [, pid, start] = OWNER.exec(file) ?? [];
    if (pid === undefined || start === undefined) return;
    if (startOf(Number(pid)) !== start) {
      rmSync(join(this.path, file), { force: true });
      return;
    }
    this.release();
    throw new DataDirectoryInUse(this.path, Number(pid));
  }
}

/** What tells a process from a later one with the same id; undefined where no such process is alive. */
function startOf(pid: number): string | undefined {
  try {
    return process.platform === 'linux' ? linuxStart(pid) : posixStart(pid);
  } catch {
    return undefined;
  }
}

/** Clock ticks since boot at which it started, and which boot. A zombie is dead: it has no files open any more. */
function linuxStart(pid: number): string | undefined {
  // The name, in parentheses, may itself hold spaces and parentheses.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  const [state] = fields;
  const ticks = fields[19];
  if (state === 'Z' || state === 'X' || ticks === undefined) return undefined;
  return `${ticks}-${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8)}`;
}

function posixStart(pid: number): string | undefined {
  const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  return started.trim().replaceAll(/\W+/g, '-') || undefined;
}
