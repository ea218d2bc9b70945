/**
 * npm run bench [-- --json] [-- --quick]: what the embedded engine does on this machine, durably, with two sites.
 * The clients of the HTTP benchmarks run in a process of their own.
 */
import { execFile } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LmdbStore } from '../../src/adapters/embedded/lmdb-store.js';
import { type EmbeddedLockstep, openEmbedded, serveEmbedded } from '../../src/embedded/index.js';
import { countCalls } from './counts.js';
import { firstCommitAfter } from './failover.js';
import { type Latency, STREAMS, closedLoop, httpLoad, round, transaction } from './load.js';

const run = promisify(execFile);
const CLIENTS = [1, 16, 64, 256];
const READ_PAGE = 1000;

interface Row {
  readonly what: string;
  readonly roundTripMs: number;
  readonly clients: number;
  readonly result: Latency;
}

async function withEngine<T>(roundTripMs: number, work: (engine: EmbeddedLockstep) => Promise<T>): Promise<T> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'lockstep-bench-'));
  const engine = await openEmbedded({ dataDirectory, roundTripMs });
  try {
    for (const stream of STREAMS) await engine.service.putStream(stream, {});
    return await work(engine);
  } finally {
    await engine.close();
    rmSync(dataDirectory, { recursive: true });
  }
}

/** One write of 4 KiB and its fdatasync; one durable commit of a small record in lmdb. Milliseconds, the mean of 300. */
async function bareSync(): Promise<{ readonly fdatasyncMs: number; readonly lmdbCommitMs: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-bench-'));
  const file = openSync(join(directory, 'bare'), 'w');
  const block = Buffer.alloc(4096, 1);
  const timed = async (step: (index: number) => void | Promise<void>): Promise<number> => {
    const startedAt = performance.now();
    for (let index = 0; index < 300; index += 1) await step(index);
    return round((performance.now() - startedAt) / 300);
  };
  const fdatasyncMs = await timed((index) => {
    writeSync(file, block, 0, block.length, index * block.length);
    fdatasyncSync(file);
  });
  closeSync(file);
  const store = new LmdbStore(join(directory, 'lmdb'));
  const lmdbCommitMs = await timed((index) => {
    store.put(`key-${index}`, block.subarray(0, 256));
    return store.commit();
  });
  await store.close();
  rmSync(directory, { recursive: true });
  return { fdatasyncMs, lmdbCommitMs };
}

async function inProcess(roundTripMs: number, durationMs: number, tell: (row: Row) => void): Promise<void> {
  for (const clients of CLIENTS) {
    await withEngine(roundTripMs, async ({ service }) => {
      const send = async (index: number) => (await service.commitOnce(transaction(index)), 1);
      await closedLoop(clients, durationMs / 4, send);
      tell({ what: 'one-shot, in process', roundTripMs, clients, result: await closedLoop(clients, durationMs, send) });
    });
  }
}

async function overHttp(batch: number, clients: number, durationMs: number, tell: (row: Row) => void): Promise<void> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'lockstep-bench-'));
  const server = await serveEmbedded({ dataDirectory, port: 0 });
  try {
    for (const stream of STREAMS) await server.engine.service.putStream(stream, {});
    const load = async (ms: number) => {
      const { stdout } = await run(process.execPath, [
        'scripts/run-ts.mjs',
        'test/benchmark/main.ts',
        ...['load', server.url, String(clients), String(batch), String(ms)],
      ]);
      return JSON.parse(stdout) as Latency;
    };
    await load(durationMs / 4);
    const what = batch === 1 ? 'one-shot, over HTTP' : `batches of ${batch}, over HTTP`;
    tell({ what, roundTripMs: 0, clients, result: await load(durationMs) });
  } finally {
    await server.close();
    rmSync(dataDirectory, { recursive: true });
  }
}

/** Events a second that one reader gets from a stream that holds so many. */
async function reading(transactions: number): Promise<{ readonly eventsPerSecond: number; readonly events: number }> {
  return withEngine(0, async ({ service }) => {
    let next = 0;
    const writer = async () => {
      while (next < transactions) await service.commitOnce(transaction((next += 1)));
    };
    await Promise.all(Array.from({ length: 256 }, writer));
    let checkpoint: string | undefined;
    let events = 0;
    const startedAt = performance.now();
    for (let caughtUp = false; !caughtUp;) {
      const page = await service.readEvents({
        stream: STREAMS[0],
        limit: READ_PAGE,
        ...(checkpoint === undefined ? {} : { checkpoint }),
      });
      events += page.events.length;
      ({ checkpoint, caughtUp } = page);
    }
    return { eventsPerSecond: Math.round((events / (performance.now() - startedAt)) * 1000), events };
  });
}

async function main(args: readonly string[]): Promise<void> {
  const durationMs = args.includes('--quick') ? 1000 : 4000;
  const json = args.includes('--json');
  const say = (line: string) => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  say(`Lockstep, embedded, two sites, durable; 3 streams × 1 event × 256 bytes. ${machine}`);
  const sync = await bareSync();
  say(`bare disk: write and fdatasync ${sync.fdatasyncMs} ms; durable lmdb commit ${sync.lmdbCommitMs} ms`);
  const rows: Row[] = [];
  const tell = (row: Row) => {
    rows.push(row);
    const { transactionsPerSecond, p50Ms, p99Ms } = row.result;
    say(
      `${row.what.padEnd(28)} ${String(row.roundTripMs).padStart(3)} ms apart ${String(row.clients).padStart(4)} clients` +
        `${String(transactionsPerSecond).padStart(8)} tx/s   p50 ${p50Ms} ms   p99 ${p99Ms} ms`,
    );
  };
  await inProcess(0, durationMs, tell);
  await inProcess(20, durationMs, tell);
  await overHttp(1, 64, durationMs, tell);
  await overHttp(100, 8, durationMs, tell);
  const reader = await reading(durationMs * 5);
  say(`reader: ${reader.eventsPerSecond} events/s (${reader.events} events)`);
  const failover = {
    switchover: await firstCommitAfter('switchover', 20),
    takeover: await firstCommitAfter('takeover', 20),
  };
  say(
    `first commit after the first failed put: switchover ${failover.switchover} ms, takeover ${failover.takeover} ms (20 ms apart)`,
  );
  const counts = await countCalls();
  say(`calls of one small one-shot transaction: ${JSON.stringify(counts)}`);
  if (json) console.log(JSON.stringify({ machine, sync, rows, reader, failover, counts }));
}

const [, , mode, ...rest] = process.argv;
await (mode === 'load' ? httpLoad(rest) : main([mode ?? '', ...rest]));
