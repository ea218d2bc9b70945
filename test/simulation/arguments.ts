import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { themeNamed } from './themes.js';

export const USAGE = `npm run simulate -- [options]

Runs the whole deployment, all sites, in one process per core, under faults drawn from seeds.

  --seeds N          how many seeds (default 100)
  --from N           the first one (default 1)
  --transactions N   transactions of each seed (default 50)
  --workers K        worker processes (default: the cores of this machine)
  --theme NAME       seeds of one theme only (test/simulation/themes.ts)
  --seed N           one seed, here, with what happened; the same seed tells the same story byte for byte
  --trace            with --seed: every call through a port as well
  --history          with --seed: the history of versioned keys as list-append transactions, JSON, instead
  --first            stop at the first violation
  --mutation NAME    with one rule of the protocol broken (test/mutations.ts)
  --mutations        each rule broken in turn, at most --seeds seeds each (default 2000): a table of what found it
  --json             end with one line of JSON
  --help             this

Exit code 1: a violation (with --mutations: a broken rule that was not found), 2: arguments that make no sense.
`;

export interface Arguments {
  readonly seeds: number;
  readonly from: number;
  readonly transactions: number;
  readonly workers: number;
  readonly theme: string | undefined;
  readonly seed: number | undefined;
  readonly trace: boolean;
  readonly history: boolean;
  readonly first: boolean;
  readonly mutation: string | undefined;
  readonly mutations: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** @throws Error with a sentence for the user */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      transactions: { type: 'string', default: '50' },
      workers: { type: 'string', default: String(cpus().length) },
      theme: { type: 'string' },
      seed: { type: 'string' },
      trace: { type: 'boolean', default: false },
      history: { type: 'boolean', default: false },
      first: { type: 'boolean', default: false },
      mutation: { type: 'string' },
      mutations: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    ...values,
    seeds: count('seeds', values.seeds ?? (values.mutations ? '2000' : '100')),
    from: count('from', values.from),
    transactions: count('transactions', values.transactions),
    workers: count('workers', values.workers),
    seed: values.seed === undefined ? undefined : count('seed', values.seed),
    mutation: values.mutation,
    theme: values.theme === undefined ? undefined : themeNamed(values.theme).name,
  };
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name}: ${text} is no whole number from 1`);
  return value;
}
