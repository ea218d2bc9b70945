/** A worker of `npm run simulate`: takes a seed, answers what came of it, takes the next. */
import { type SeedResult, simulate } from './simulation.js';

interface Task {
  readonly seed: number;
  readonly transactions: number;
  readonly theme: string | undefined;
}

// Whoever fails on purpose a thousand times a second needs no stack.
Error.stackTraceLimit = 0;

process.on('message', (task: Task) => void work(task));
process.send?.('ready');

async function work(task: Task): Promise<void> {
  const before = process.cpuUsage();
  const result = await resultOf(task);
  const { user, system } = process.cpuUsage(before);
  process.send?.({ ...result, ms: (user + system) / 1000 });
}

async function resultOf({ seed, ...options }: Task): Promise<SeedResult> {
  try {
    const { history: _history, ...result } = await simulate(seed, options);
    return result;
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      seed,
      transactions: 0,
      acknowledged: 0,
      foreseen: 0,
      faults: {},
      violations: [`the simulation failed: ${why}`],
    };
  }
}
