/** SageMaker's training contract: everything is a file in a known place. */
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod/mini';
import type { FinishedContext } from '../core/prediction/context.js';
import { parseFinished } from '../core/prediction/contract.js';
import { encodeModel } from '../core/prediction/model-file.js';
import { type Verdict, judgeModel } from '../core/prediction/succession.js';
import { TRAINING, trainForecaster, type TrainingOptions } from '../core/prediction/training.js';

/** Below the prefix, which on SageMaker is `/opt/ml`. */
export const PLACES = {
  hyperparameters: 'input/config/hyperparameters.json',
  training: 'input/data/training',
  validation: 'input/data/validation',
  champion: 'input/data/champion/model.json',
  model: 'model/model.json',
  evaluation: 'output/data/evaluation.json',
  failure: 'output/failure',
} as const;

/** The latest so many are learned from. */
const MAX_TRANSACTIONS = 500_000;

/** SageMaker hands every value over as text. */
const number = (min: number, max: number, preset: number) =>
  z._default(
    z.pipe(
      z.union([z.number(), z.string().check(z.regex(/^\d+(\.\d+)?$/))]),
      z.pipe(z.transform(Number), z.number().check(z.minimum(min), z.maximum(max))),
    ),
    preset,
  );
const hyperparameters = z.strictObject({
  seed: number(0, 4_294_967_295, TRAINING.seed),
  networks: number(0, 8, TRAINING.networks),
  hidden: number(4, 128, TRAINING.hidden),
  maxEpochs: number(1, 1000, TRAINING.maxEpochs),
  validation: number(0.05, 0.5, TRAINING.validation),
});

/**
 * Trains from `input/data/training/*.jsonl` (a committed transaction on each line) into `model/model.json`. With data of
 * a later time in the channel `validation`, and the model in use in `champion`, both are judged there, and
 * `output/data/evaluation.json` says which is better.
 *
 * @throws Error where there is nothing to train from, or the hyperparameters are wrong; see `train`
 */
async function trainFrom(prefix: string, tell: (line: string) => void): Promise<void> {
  const options = await readHyperparameters(join(prefix, PLACES.hyperparameters));
  const { transactions, broken } = await readTransactions(join(prefix, PLACES.training), tell);
  if (transactions.length === 0) throw new Error(`no transaction in ${PLACES.training}: one JSON object on each line`);
  tell(`training on ${transactions.length} transactions; ${broken} broken lines left out`);
  const forecaster = runThrough(trainForecaster(transactions, options), ({ epoch, validationLoss }) => {
    if (validationLoss !== undefined) tell(`epoch=${epoch ?? 0}; validation:loss=${validationLoss.toFixed(5)};`);
  });
  const text = encodeModel(forecaster, forecaster.describe().metrics);
  await write(join(prefix, PLACES.model), text);
  await judge(prefix, text, tell);
}

/** As a process: tells what went wrong where SageMaker looks for it. @returns the exit code */
export async function train(prefix: string, tell: (line: string) => void): Promise<number> {
  try {
    await trainFrom(prefix, tell);
    return 0;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    tell(`failed: ${why}`);
    await write(join(prefix, PLACES.failure), why);
    return 1;
  }
}

async function judge(prefix: string, challenger: string, tell: (line: string) => void): Promise<void> {
  const later = await readTransactions(join(prefix, PLACES.validation), tell).catch(() => undefined);
  if (later === undefined || later.transactions.length === 0) return;
  const champion = await readFile(join(prefix, PLACES.champion), 'utf8').catch(() => undefined);
  const judged = (text: string): Verdict | null => judgeModel(text, later.transactions) ?? null;
  const figures = { challenger: judged(challenger), champion: champion === undefined ? null : judged(champion) };
  const [ours, theirs] = [figures.challenger?.logLoss ?? Infinity, figures.champion?.logLoss ?? Infinity];
  tell(`challenger:logLoss=${ours.toFixed(5)}; better=${ours < theirs};`);
  await write(join(prefix, PLACES.evaluation), `${JSON.stringify({ ...figures, isBetter: ours < theirs })}\n`);
}

async function readHyperparameters(file: string): Promise<TrainingOptions> {
  const text = await readFile(file, 'utf8').catch(() => '{}');
  const parsed = hyperparameters.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`hyperparameters.json: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'wrong'}`);
}

async function readTransactions(
  folder: string,
  tell: (line: string) => void,
): Promise<{ transactions: FinishedContext[]; broken: number }> {
  const transactions: FinishedContext[] = [];
  let broken = 0;
  // A channel that is told by a manifest keeps the folders of its files.
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  for (const file of files.sort()) {
    if (!/\.(jsonl|ndjson)$/.test(file)) {
      tell(`${file} is left out: training data are .jsonl files`);
      continue;
    }
    for await (const line of createInterface({ input: createReadStream(join(folder, file)), crlfDelay: Infinity })) {
      if (line.trim() === '') continue;
      const transaction = parseLine(line);
      if (transaction === undefined) broken += 1;
      else transactions.push(transaction);
    }
  }
  transactions.sort((a, b) => a.endedAtMs - b.endedAtMs);
  return { transactions: transactions.slice(-MAX_TRANSACTIONS), broken };
}

function parseLine(line: string): FinishedContext | undefined {
  try {
    return parseFinished(JSON.parse(line));
  } catch {
    return undefined;
  }
}

function runThrough<Step, Result>(work: Generator<Step, Result>, onStep: (step: Step) => void): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    onStep(value);
  }
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, text);
}
