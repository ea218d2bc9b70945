/** npm run simulate: see `USAGE`, and docs/RELIABILITY.md for what it proves. */
import { MUTATIONS, type Mutation } from '../mutations.js';
import { type Arguments, USAGE, parseArguments } from './arguments.js';
import { FAULT_KINDS } from './faults/index.js';
import { runMutations } from './mutation-table.js';
import { type WorkedSeed, runSeeds } from './pool.js';
import { PREDICTION_FAULTS } from './oracle.js';
import { simulate } from './simulation.js';
import { traceInto } from './trace.js';

async function main(args: readonly string[]): Promise<number> {
  let given: Arguments;
  let mutation: Mutation | undefined;
  try {
    given = parseArguments(args);
    mutation = given.mutation === undefined ? undefined : mutationNamed(given.mutation);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (given.help) {
    console.log(USAGE);
    return 0;
  }
  if (given.seed !== undefined) return tellSeed(given.seed, given);
  return given.mutations ? runMutations(given) : manySeeds(given, mutation);
}

function mutationNamed(name: string): Mutation {
  const found = MUTATIONS.find((mutation) => mutation.name === name);
  if (!found)
    throw new Error(`--mutation: there is none named ${name}; they are ${MUTATIONS.map((one) => one.name).join(', ')}`);
  return found;
}

async function tellSeed(seed: number, { transactions, theme, trace, history }: Arguments): Promise<number> {
  const lines: string[] = [];
  const write = (line: string): void => {
    if (!history) lines.push(line);
  };
  const result = await simulate(seed, {
    transactions,
    theme,
    trace: (elapsedMs) => traceInto(write, elapsedMs, { detailed: trace }),
  });
  if (history) lines.push(JSON.stringify(result.history));
  lines.push(...result.violations.map((line) => `VIOLATION: ${line}`));
  if (!history) lines.push(`faults that took effect: ${JSON.stringify(result.faults)}`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return result.violations.length > 0 ? 1 : 0;
}

async function manySeeds(given: Arguments, mutation: Mutation | undefined): Promise<number> {
  const startedAt = performance.now();
  const sum = new Sum(more(given, mutation));
  await runSeeds({
    ...given,
    mutation,
    onResult: (result) => {
      sum.add(result);
      if (process.stderr.isTTY)
        process.stderr.write(`\r${sum.seeds} of ${given.seeds} seeds, ${sum.failed} with violations `);
      return !(given.first && sum.failed > 0);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\n');
  sum.tell(performance.now() - startedAt, given);
  return sum.failed > 0 ? 1 : 0;
}

function more({ theme }: Arguments, mutation: Mutation | undefined): string {
  return (theme ? ` --theme '${theme}'` : '') + (mutation ? ` --mutation '${mutation.name}'` : '');
}

/** What came of all seeds together. */
class Sum {
  seeds = 0;
  failed = 0;
  #transactions = 0;
  #acknowledged = 0;
  #foreseen = 0;
  #busyMs = 0;
  readonly #faults: Record<string, number> = Object.fromEntries(
    [...FAULT_KINDS.map(({ name }) => name), ...PREDICTION_FAULTS].map((name) => [name, 0]),
  );
  readonly #more: string;

  /** @param more what a command needs beside the seed to show the same */
  constructor(more: string) {
    this.#more = more;
  }

  add({ seed, transactions, acknowledged, foreseen, faults, violations, ms }: WorkedSeed): void {
    this.seeds += 1;
    this.#transactions += transactions;
    this.#acknowledged += acknowledged;
    this.#foreseen += foreseen;
    this.#busyMs += ms;
    for (const [kind, times] of Object.entries(faults)) this.#faults[kind] = (this.#faults[kind] ?? 0) + times;
    if (violations.length === 0) return;
    this.failed += 1;
    console.log(`seed ${seed}: ${violations.slice(0, 3).join('; ')}${violations.length > 3 ? '; …' : ''}`);
    console.log(
      this.#more === ''
        ? `  npm run simulate -- --seed ${seed} --trace`
        : `  npm run simulate -- --from ${seed} --seeds 1${this.#more}`,
    );
  }

  tell(wallMs: number, { json, transactions, from }: Arguments): void {
    const perCore = Math.round(this.#transactions / Math.max(0.001, this.#busyMs / 1000));
    if (json) {
      const { seeds, failed } = this;
      const told = { seeds, transactions: this.#transactions, faults: this.#faults, violations: failed };
      const more = {
        from,
        perSeed: transactions,
        acknowledged: this.#acknowledged,
        foreseenWrites: this.#foreseen,
        wallMs: Math.round(wallMs),
        perSecondAndCore: perCore,
      };
      console.log(JSON.stringify({ ...told, ...more }));
      return;
    }
    console.log(`${this.seeds} seeds, ${this.#transactions} transactions, ${this.#acknowledged} acknowledged commits`);
    console.log(`${this.#foreseen} writes were foreseen`);
    console.log(`${(wallMs / 1000).toFixed(1)} s, ${perCore} transactions per second and core`);
    for (const [kind, times] of Object.entries(this.#faults)) console.log(`  ${String(times).padStart(8)}  ${kind}`);
    console.log(`${this.failed} seeds with violations`);
  }
}

process.exitCode = await main(process.argv.slice(2));
