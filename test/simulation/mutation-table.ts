import { MUTATIONS, type Mutation } from '../mutations.js';
import type { Arguments } from './arguments.js';
import { type WorkedSeed, runSeeds } from './pool.js';

interface Row {
  readonly mutation: string;
  readonly seeds: number;
  readonly found: string | undefined;
}

/** Breaks one rule after the other, and says how many seeds it takes until a checker notices. */
export async function runMutations(given: Arguments): Promise<number> {
  const rows: Row[] = [];
  const wanted = MUTATIONS.filter(({ unseen, name }) =>
    given.mutation === undefined ? unseen === undefined : name === given.mutation,
  );
  console.log('| rule that is broken | seeds | found by |\n| --- | ---: | --- |');
  for (const mutation of wanted) {
    const row = await tryMutation(mutation, given);
    rows.push(row);
    console.log(`| ${row.mutation} | ${row.seeds} | ${row.found ?? '**not found**'} |`);
  }
  const missed = rows.filter(({ found }) => found === undefined);
  const found = rows.length - missed.length;
  if (given.json)
    console.log(JSON.stringify({ mutations: rows.length, found, missed: missed.map((row) => row.mutation) }));
  else console.log(`\n${found} of ${rows.length} found`);
  return missed.length === 0 ? 0 : 1;
}

/** The seeds of its theme first, which see it soonest, and then any. */
async function tryMutation(mutation: Mutation, given: Arguments): Promise<Row> {
  const themes =
    given.theme === undefined && mutation.theme !== undefined ? [mutation.theme, undefined] : [given.theme];
  const seeds = Math.ceil(given.seeds / themes.length);
  let tried = 0;
  for (const theme of themes) {
    const first = await firstFinding(mutation, { ...given, theme, seeds });
    if (first) return rowOf(mutation, tried + first.seed - given.from + 1, first, theme);
    tried += seeds;
  }
  return { mutation: mutation.name, seeds: tried, found: undefined };
}

/** The lowest seed that sees it, however many workers there are. */
async function firstFinding(mutation: Mutation, given: Arguments): Promise<WorkedSeed | undefined> {
  let first: WorkedSeed | undefined;
  let tried = 0;
  await runSeeds({
    ...given,
    mutation,
    onResult: (result) => {
      tried += 1;
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${mutation.name}: ${tried} of ${given.seeds} seeds`);
      if (result.violations.length > 0 && result.seed < (first?.seed ?? Infinity)) first = result;
      return first === undefined;
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return first;
}

function rowOf({ name }: Mutation, seeds: number, { seed, violations }: WorkedSeed, theme: string | undefined): Row {
  const which = theme === undefined ? `seed ${seed}` : `${theme}, seed ${seed}`;
  return { mutation: name, seeds, found: `${(violations[0] ?? '').slice(0, 120).replaceAll('|', '/')} (${which})` };
}
