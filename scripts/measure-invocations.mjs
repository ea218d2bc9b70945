// npm run measure:invocations: trains the container on examples/helpdesk.csv, serves the model, asks for the next events
// of one and of sixteen open transactions again and again, and prints how long /invocations takes, milliseconds.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './lib/install.mjs';

const WARM_UP = 300;
const REQUESTS = 2000;

const prefix = mkdtempSync(join(tmpdir(), 'lockstep-invocations-'));
const main = join(prefix, 'main.mjs');
const env = { ...process.env, LOCKSTEP_ML_PREFIX: prefix, LOCKSTEP_HOST: '127.0.0.1', SAGEMAKER_BIND_TO_PORT: '0' };
let server;
try {
  const transactions = readTransactions();
  mkdirSync(join(prefix, 'input/data/training'), { recursive: true });
  writeFileSync(
    join(prefix, 'input/data/training/log.jsonl'),
    transactions.map((each) => `${JSON.stringify(each)}\n`).join(''),
  );
  run([join(ROOT, 'scripts/bundle-container.mjs'), prefix]);
  run([main, 'train']);
  const url = await serve();
  for (const width of [1, 16]) {
    const took = [];
    for (let i = 0; i < WARM_UP + REQUESTS; i += 1) {
      const contexts = Array.from({ length: width }, (_, n) => openAt(transactions, i * width + n));
      const started = performance.now();
      const response = await fetch(`${url}/invocations`, { method: 'POST', body: JSON.stringify({ contexts }) });
      await response.json();
      if (!response.ok) throw new Error(`/invocations answered ${response.status}`);
      if (i >= WARM_UP) took.push(performance.now() - started);
    }
    took.sort((a, b) => a - b);
    const at = (quantile) => Number(took[Math.floor(took.length * quantile)].toFixed(3));
    console.log(JSON.stringify({ contexts: width, requests: REQUESTS, p50Ms: at(0.5), p99Ms: at(0.99) }));
  }
} finally {
  server?.kill();
  rmSync(prefix, { recursive: true, force: true });
}

function readTransactions() {
  const cases = new Map();
  const [, ...lines] = readFileSync(join(ROOT, 'examples/helpdesk.csv'), 'utf8').trim().split('\n');
  for (const line of lines) {
    const [id, type, time] = line.split(',');
    const events = cases.get(id) ?? [];
    cases.set(id, events);
    events.push({ stream: 'log', key: id, type, data: {}, atMs: Date.parse(`${time.replace(' ', 'T')}Z`) });
  }
  return [...cases].map(([id, events]) => ({
    id,
    startedAtMs: events[0].atMs,
    endedAtMs: events.at(-1).atMs,
    events,
  }));
}

function openAt(transactions, n) {
  const { id, startedAtMs, events } = transactions[n % transactions.length];
  const seen = events.slice(0, 1 + (n % events.length));
  return { id: `${id}-${n}`, streams: ['log'], startedAtMs, nowMs: seen.at(-1).atMs, events: seen };
}

function run(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${args[0]} ended with ${status}`);
}

async function serve() {
  server = spawn(process.execPath, [main, 'serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const chunk of server.stdout) {
    const port = /serving on port (\d+)/.exec(String(chunk))?.[1];
    if (port !== undefined) return `http://127.0.0.1:${port}`;
  }
  throw new Error('the container ended');
}
