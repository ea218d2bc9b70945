import { readFileSync, rmSync, writeFileSync } from 'node:fs';

const WAIT_MS = 200;

/**
 * Waits until no other live process holds the lock file, and takes it. @returns what gives it back
 *
 * @param {string} file @param {number} limitMs how long to wait @throws Error when that was not enough
 */
export function takeLock(file, limitMs) {
  const giveUp = Date.now() + limitMs;
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!isAlive(ownerOf(file))) rmSync(file, { force: true });
    else if (Date.now() > giveUp)
      throw new Error(`another installation does not end; if there is none, remove ${file}`);
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
  }
}

function ownerOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

/** Whether a process of this id runs. */
export function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
