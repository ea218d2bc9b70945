import { type ChildProcess, fork } from 'node:child_process';
import { dirname } from 'node:path';
import { rmSync } from 'node:fs';
import type { Mutation } from '../mutations.js';
import { bundleWorker } from './bundle.js';
import type { SeedResult } from './simulation.js';

export interface WorkedSeed extends SeedResult {
  /** Of a core, milliseconds. */
  readonly ms: number;
}

export interface PoolOptions {
  readonly from: number;
  readonly seeds: number;
  readonly transactions: number;
  readonly workers: number;
  readonly mutation: Mutation | undefined;
  /** Seeds of one theme only. */
  readonly theme: string | undefined;
  /** Called with each result, in the order in which they come. False: that is enough. */
  readonly onResult: (result: WorkedSeed) => boolean;
}

/** A seed that takes so long does not end; real milliseconds. */
const STUCK_MS = 60_000;

/** Shares seeds among worker processes. What comes of a seed does not depend on which one took it, or when. */
export async function runSeeds(options: PoolOptions): Promise<void> {
  const file = await bundleWorker(options.mutation);
  const todo = { next: options.from, last: options.from + options.seeds - 1 };
  try {
    const workers = Array.from({ length: Math.min(options.workers, options.seeds) }, () =>
      runWorker(file, todo, options),
    );
    await Promise.all(workers);
  } finally {
    rmSync(dirname(file), { recursive: true, force: true });
  }
}

/** One worker after the other, until no seed is left: one that hangs or crashes is replaced. */
async function runWorker(file: string, todo: { next: number; last: number }, options: PoolOptions): Promise<void> {
  while (todo.next <= todo.last) await workUntilItEnds(file, todo, options);
}

function workUntilItEnds(
  file: string,
  todo: { next: number; last: number },
  { transactions, theme, onResult }: PoolOptions,
): Promise<void> {
  return new Promise((resolve) => {
    const worker: ChildProcess = fork(file, { execArgv: ['--max-semi-space-size=64'] });
    let seed: number | undefined;
    let watchdog: NodeJS.Timeout | undefined;
    const told = (result: WorkedSeed): void => {
      seed = undefined;
      if (!onResult(result)) todo.next = Infinity;
    };
    const next = (): void => {
      clearTimeout(watchdog);
      if (todo.next > todo.last) {
        worker.disconnect();
        return;
      }
      seed = todo.next;
      todo.next += 1;
      watchdog = setTimeout(() => worker.kill('SIGKILL'), STUCK_MS);
      worker.send({ seed, transactions, theme });
    };
    worker.on('message', (message: WorkedSeed | 'ready') => {
      if (message !== 'ready') told(message);
      next();
    });
    worker.once('exit', (code, signal) => {
      clearTimeout(watchdog);
      if (seed !== undefined) {
        const why = signal === 'SIGKILL' ? `does not end within ${STUCK_MS} ms` : `crashes: ${code ?? signal}`;
        told({
          seed,
          transactions: 0,
          acknowledged: 0,
          foreseen: 0,
          faults: {},
          violations: [`the simulation ${why}`],
          ms: 0,
        });
      }
      resolve();
    });
  });
}
