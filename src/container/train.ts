/** SageMaker's training contract: everything is a file in a known place. */
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod/mini';
import type { FinishedContext } from '../core/prediction/context.js';
import { parseFinished } from '../core/prediction/contract.js';
import { evaluate } from '../core/prediction/evaluation.js';
import type { Forecaster } from '../core/prediction/forecaster.js';
import { decodeModel, encodeModel } from '../core/prediction/model-file.js';
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
  const figures = {
    challenger: judged(decodeModel(challenger).forecaster, later.transactions),
    champion: champion === undefined ? null : judged(decodeModel(champion).forecaster, later.transactions),
  };
  const isBetter = figures.champion === null || figures.challenger.logLoss < figures.champion.logLoss;
  tell(`challenger:logLoss=${figures.challenger.logLoss.toFixed(5)}; better=${isBetter};`);
  await write(join(prefix, PLACES.evaluation), `${JSON.stringify({ ...figures, isBetter })}\n`);
}

function judged(forecaster: Forecaster, test: readonly FinishedContext[]): { logLoss: number; accuracy: number } {
  const work = evaluate(forecaster, { train: [], test }, 'chronological', () => 0);
  const { logLoss, accuracy } = runThrough(work, () => undefined);
  return { logLoss, accuracy };
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
  for (const file of (await readdir(folder)).sort()) {
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
