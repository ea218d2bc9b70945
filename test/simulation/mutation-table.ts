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

async function tryMutation(mutation: Mutation, given: Arguments): Promise<Row> {
  const state: { seeds: number; first: WorkedSeed | undefined } = { seeds: 0, first: undefined };
  await runSeeds({
    ...given,
    theme: given.theme ?? mutation.theme,
    mutation,
    onResult: (result) => {
      state.seeds += 1;
      if (result.violations.length > 0) state.first ??= result;
      return state.first === undefined;
    },
  });
  const { first, seeds } = state;
  if (!first) return { mutation: mutation.name, seeds, found: undefined };
  const [line = ''] = first.violations;
  return { mutation: mutation.name, seeds, found: `${line.slice(0, 120).replaceAll('|', '/')} (seed ${first.seed})` };
}
