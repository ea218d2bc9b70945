// Installs the packages of package-lock.json where they are missing. Uses nothing but Node.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeLock } from './lock.mjs';

export const ROOT = resolve(fileURLToPath(new URL('../..', import.meta.url)));

const WAIT_LIMIT_MS = 10 * 60 * 1000;

/** Runs `npm ci` unless every package is there in the version of the lock. Says so on stderr: stdout is the program's. */
export function ensureInstalled() {
  requireNode(20, 19);
  if (isInstalled()) return;
  // Also for `npm start` in one terminal and `npm test` in the next.
  const name = createHash('sha256').update(ROOT).digest('hex').slice(0, 16);
  const release = takeLock(join(tmpdir(), `lockstep-install-${name}.lock`), WAIT_LIMIT_MS);
  try {
    if (isInstalled()) return; // another process did it meanwhile
    console.error('Installing the packages of package-lock.json …');
    const { status, error } = npm('ci', '--include=dev', '--no-audit', '--no-fund');
    if (error !== undefined) console.error(error.message);
    if (status !== 0) {
      console.error('npm ci failed: see above.');
      process.exitCode = status ?? 1;
    }
  } finally {
    release();
  }
  if (process.exitCode) process.exit();
}

/** What npm notes down at the end of an installation, whoever ran it, must agree with the lock. */
function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  const present = packagesOf('node_modules/.package-lock.json');
  if (present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true;
    if (present[path] === undefined) return optional === true; // for another kind of machine
    return present[path].version === version && existsSync(join(ROOT, path, 'package.json'));
  });
}

function packagesOf(path) {
  const file = join(ROOT, path);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined;
}

function npm(...parameters) {
  // Under `npm start` and `npm test` npm says where it is; that also works where `npm` is a script of a shell.
  const self = process.env.npm_execpath;
  const [command, ...first] = self?.endsWith('.js') ? [process.execPath, self] : ['npm'];
  return spawnSync(command, [...first, ...parameters], { cwd: ROOT, stdio: ['ignore', 2, 2] });
}

function requireNode(major, minor) {
  const [hasMajor, hasMinor] = process.versions.node.split('.').map(Number);
  if (hasMajor > major || (hasMajor === major && hasMinor >= minor)) return;
  console.error(`Node ${major}.${minor} or newer is needed; this is ${process.version}.`);
  process.exit(1);
}
