// Starts LocalStack and stops it again, with all that it started.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { isAlive } from '../lib/lock.mjs';
import { LOCALSTACK_VERSION, ensureLocalStack } from './install.mjs';

const IMAGE = `localstack/localstack:${LOCALSTACK_VERSION}`;
const READY_MS = 120_000;
const STOP_MS = 20_000;

/**
 * Starts LocalStack on a free port of the loopback interface: in Docker where an engine answers, else as a process.
 *
 * @returns {Promise<{url: string, stop: () => Promise<void>}>} once it answers
 * @throws Error saying what this machine lacks, or with the end of LocalStack's log
 */
export async function startLocalStack() {
  const port = await freePort();
  return hasDocker() ? inDocker(port) : asProcess(port);
}

function hasDocker() {
  if (process.env.LOCKSTEP_LOCALSTACK === 'process') return false;
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

async function inDocker(port) {
  const args = ['run', '--detach', '--rm', '--publish', `127.0.0.1:${port}:4566`];
  const id = execFileSync('docker', [...args, '--volume', '/var/run/docker.sock:/var/run/docker.sock', IMAGE], {
    encoding: 'utf8',
  }).trim();
  const stop = async () => void spawnSync('docker', ['stop', id], { stdio: 'ignore' });
  const log = () => spawnSync('docker', ['logs', '--tail', '40', id], { encoding: 'utf8' }).stdout;
  return untilReady(port, stop, log, () => true);
}

/** Everything that it writes goes into a folder of its own, which goes with it. */
async function asProcess(port) {
  const { python, libraries } = ensureLocalStack();
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-localstack-'));
  const state = join(folder, 'root/var/lib/localstack');
  mkdirSync(state, { recursive: true });
  mkdirSync(join(folder, 'tmp'));
  symlinkSync(libraries, join(state, 'lib'));
  const logFile = join(folder, 'localstack.log');
  // Of its own group: a Ctrl-C in the terminal is for whoever started it.
  const child = spawn(python, ['-m', 'localstack.runtime.main'], {
    detached: true,
    env: environment(python, folder, port),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(logFile);
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  const stop = async () => {
    await stopTree(child.pid, libraries);
    log.end();
    rmSync(folder, { recursive: true, force: true });
  };
  return untilReady(
    port,
    stop,
    () => readFileSync(logFile, 'utf8').slice(-4000),
    () => child.exitCode === null,
  );
}

function environment(python, folder, port) {
  return {
    ...process.env,
    PATH: `${dirname(python)}${delimiter}${process.env.PATH ?? ''}`,
    VIRTUAL_ENV: dirname(dirname(python)),
    // In a container it would take itself to be in its own image.
    OVERRIDE_IN_DOCKER: '0',
    FILESYSTEM_ROOT: join(folder, 'root'),
    TMPDIR: join(folder, 'tmp'),
    // Nothing but the loopback interface, which the stock server would not heed.
    GATEWAY_LISTEN: `127.0.0.1:${port}`,
    GATEWAY_SERVER: 'loopback',
    // The host in the addresses that it gives out; the default needs a DNS server of its own.
    LOCALSTACK_HOST: `127.0.0.1:${port}`,
    DNS_ADDRESS: '0',
    // No calls home.
    SKIP_SSL_CERT_DOWNLOAD: '1',
    DISABLE_EVENTS: '1',
    LAMBDA_RUNTIME_EXECUTOR: 'host',
    SQS_ENDPOINT_STRATEGY: 'path',
    DYNAMODB_IN_MEMORY: '1',
    // Streams of tables by DynamoDB Local itself: the other provider reads each item before it writes it.
    PROVIDER_OVERRIDE_DYNAMODB: 'v2',
    LS_LOG: process.env.LS_LOG ?? 'info',
    // Milliseconds that a stream takes until it is active.
    KINESIS_LATENCY: process.env.KINESIS_LATENCY ?? '0',
    KINESIS_ON_DEMAND_STREAM_COUNT_LIMIT: '50',
    KINESIS_PERSISTENCE: '0',
    CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES: process.env.CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES ?? '1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_DEFAULT_REGION: 'us-east-1',
  };
}

async function untilReady(port, stop, log, isRunning) {
  const url = `http://127.0.0.1:${port}`;
  const giveUp = Date.now() + READY_MS;
  while (isRunning() && Date.now() < giveUp) {
    if (await answers(`${url}/_localstack/health`)) return { url, stop };
    await pause(200);
  }
  const why = log();
  await stop();
  throw new Error(`LocalStack did not start:\n${why}`);
}

async function answers(url) {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

/** LocalStack ends what it started, unless it is killed: then DynamoDB Local and Kinesis would stay. */
async function stopTree(pid, libraries) {
  const started = descendantsOf(pid);
  signal(pid, 'SIGTERM');
  const giveUp = Date.now() + STOP_MS;
  while (isAlive(pid) && Date.now() < giveUp) await pause(100);
  signal(pid, 'SIGKILL');
  const left = new Map(processes().map((one) => [one.pid, one.command]));
  for (const child of started) {
    // An id may be somebody else's by now: only what runs from our folder is ours.
    if (left.get(child)?.includes(libraries)) signal(child, 'SIGKILL');
  }
}

function descendantsOf(pid) {
  const all = processes();
  const found = [pid];
  for (const parent of found) found.push(...all.filter((one) => one.parent === parent).map((one) => one.pid));
  return found.slice(1);
}

function processes() {
  const { stdout = '' } = spawnSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,command='], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  return stdout.split('\n').flatMap((row) => {
    const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort() {
  const wanted = Number(process.env.LOCALSTACK_PORT ?? 0);
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(wanted, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
