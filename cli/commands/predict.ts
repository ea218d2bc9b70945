import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type Command, Option } from 'commander';
import { LockstepError } from '../../src/core/errors.js';
import type { FinishedContext, OpenContext, SeenEvent } from '../../src/core/prediction/context.js';
import { evaluate, type Evaluation, type Split, splitOf, SPLITS } from '../../src/core/prediction/evaluation.js';
import { Forecaster } from '../../src/core/prediction/forecaster.js';
import { decodeModel, encodeModel } from '../../src/core/prediction/model-file.js';
import { TRAINING, type TrainingOptions } from '../../src/core/prediction/training.js';
import { accuracyOverTime, reliabilityDiagram } from '../predict/plots.js';
import { type ExplainedStep, renderEvaluation, renderPredictions, renderSteps } from '../predict/render.js';
import { readCommitted, transactionsOf } from '../predict/transactions.js';
import { runThrough, trainShown } from '../predict/work.js';
import { type EventLogOptions, readEventLog } from '../tour/event-log.js';
import { Progress } from '../ui/progress.js';
import type { Io } from '../ui/terminal.js';
import { counted, plain } from '../ui/text.js';
import { addCommand, type Session } from './command.js';
import { names, present, wholeNumber } from './parse.js';

interface LogOptions {
  readonly log?: string;
  readonly case?: string;
  readonly activity?: string;
  readonly timestamp?: string;
  readonly strict?: boolean;
}

interface TrainOptions extends LogOptions {
  readonly streams?: readonly string[];
  readonly out: string;
  readonly stream?: string;
  readonly seed: number;
  readonly networks: number;
  readonly hidden: number;
  readonly epochs: number;
}

interface EvaluateOptions extends LogOptions {
  readonly split: Split;
  readonly seed: number;
  readonly plots?: string;
}

interface ExplainOptions extends LogOptions {
  readonly model?: string;
}

const LOG_OPTIONS = [
  new Option('--log <file.csv>', 'an event log with case, activity and time'),
  new Option('--case <column>', 'the column that names the case, where it is not found by itself'),
  new Option('--activity <column>', 'the column that names the activity'),
  new Option('--timestamp <column>', 'the column with the time'),
  new Option('--strict', 'a broken row ends it; else such rows are counted and left out'),
];
const seedOption = (): Option =>
  new Option('--seed <n>', 'the same seed gives the same model').argParser(wholeNumber(0, 4_294_967_295)).default(1);

export function addPredict(program: Command, io: Io): void {
  const predict = program
    .command('predict')
    .summary('train, judge and look into the models that foresee events')
    .description('Models that foresee the events of open transactions.');
  addTrain(predict, io);
  addEvaluate(predict, io);
  addExplain(predict, io);
  addStats(predict, io);
}

function addTrain(predict: Command, io: Io): void {
  addCommand<TrainOptions>(
    predict,
    io,
    {
      name: 'train',
      summary: 'Train a model, from a log or from what was committed, and write it to a file',
      options: [
        ...LOG_OPTIONS,
        new Option('--streams <a,b>', 'instead of a log: whatever was committed on these streams').argParser(names),
        new Option('--out <file>', 'where the model goes').default('model.json'),
        new Option('--stream <name>', 'the stream that the events of the log are on').default('log'),
        seedOption(),
        new Option('--networks <n>', 'networks that answer together; 0: only what counts')
          .argParser(wholeNumber(0, 8))
          .default(TRAINING.networks),
        new Option('--hidden <n>', 'units of a network').argParser(wholeNumber(4, 128)).default(TRAINING.hidden),
        new Option('--epochs <n>', 'at most so many').argParser(wholeNumber(1, 1000)).default(TRAINING.maxEpochs),
      ],
      examples: [
        'lockstep predict train --log tickets.csv --out model.json',
        'lockstep predict train --streams orders,payments',
      ],
    },
    async (session, options) => {
      const transactions = await sourceOf(session, options);
      const training: TrainingOptions = { ...TRAINING, ...options, maxEpochs: options.epochs };
      const forecaster = await trainShown(transactions, training, session.terminal, session.io.interrupted);
      const text = encodeModel(forecaster, forecaster.describe().metrics);
      await writeFile(options.out, text);
      const { state: _state, ...model } = JSON.parse(text) as Record<string, unknown>;
      if (session.json) session.printJson({ ...model, file: options.out, bytes: Buffer.byteLength(text) });
      else
        session.terminal.print(
          `${String(model['version'])}, ${Buffer.byteLength(text)} bytes, is in ${plain(options.out)}`,
        );
    },
  );
}

function addEvaluate(predict: Command, io: Io): void {
  addCommand<EvaluateOptions>(
    predict,
    io,
    {
      name: 'evaluate',
      summary: 'Train on the first part of a log and foresee the rest, beside simple predictors',
      options: [
        ...LOG_OPTIONS,
        new Option('--split <how>', 'which part trains').choices(SPLITS).default('chronological'),
        seedOption(),
        new Option('--plots <directory>', 'draw accuracy over time and reliability there, as SVG'),
      ],
      notes: [
        'tax: the first two thirds of the cases in the order of the file train; then nothing more is learned; prefixes of',
        'two events and more; the end of a case may be foreseen, and is then wrong (as Tax et al. 2017).',
        'chronological: the first 80 % of the cases train; the rest comes in order of time and is learned from as cases',
        'end; the end of a case counts as an event. Times are medians of single calls; of training, of the processor.',
      ].join('\n'),
      examples: ['lockstep predict evaluate --log tickets.csv', 'lockstep predict evaluate --split tax --json'],
    },
    async (session, options) => {
      const transactions = await sourceOf(session, options);
      const parts = splitOf(transactions, options.split);
      const started = process.cpuUsage();
      const training = { ...TRAINING, seed: options.seed };
      const forecaster = await trainShown(parts.train, training, session.terminal, session.io.interrupted);
      const { user, system } = process.cpuUsage(started);
      const trainSeconds = (user + system) / 1e6;
      const progress = new Progress(session.terminal, 'foreseeing');
      const work = evaluate(forecaster, parts, options.split, () => performance.now());
      const evaluation = await runThrough(work, session.io.interrupted, (fraction) => {
        progress.update(fraction);
      });
      progress.end();
      if (options.plots !== undefined) await drawPlots(options.plots, logOf(session, options), options, evaluation);
      if (session.json) session.printJson(jsonOf(evaluation, logOf(session, options), options.split, trainSeconds));
      else session.terminal.print('', ...renderEvaluation(evaluation, trainSeconds, session.terminal));
    },
  );
}

function addExplain(predict: Command, io: Io): void {
  addCommand<ExplainOptions>(
    predict,
    io,
    {
      name: 'explain',
      summary: 'Show what was expected at each step of a transaction, and why',
      args: [['<id>', 'a transaction, or with --log a case']],
      options: [...LOG_OPTIONS, new Option('--model <file>', 'a trained model; else it learns from the other cases')],
      notes: 'Without a log and a model it learns from what was committed on the streams of the transaction.',
      examples: [
        'lockstep predict explain 4711 --log tickets.csv',
        'lockstep predict explain 01JDT0ZQ8R --model m.json',
      ],
    },
    async (session, options, [id = '']) => {
      const steps = await explainSteps(session, options, id);
      if (session.json) session.printJson({ id, steps: steps.map(jsonOfStep) });
      else session.terminal.print(...renderSteps(steps, session.terminal));
    },
  );
}

function addStats(predict: Command, io: Io): void {
  addCommand(
    predict,
    io,
    {
      name: 'stats',
      summary: 'Show which model a deployment uses, what came of its candidates, and the wait that they saved',
      examples: ['lockstep predict stats', 'lockstep predict stats --json'],
    },
    async (session) => {
      const answer = await session.client.getPredictions();
      if (session.json) session.printJson(answer);
      else session.terminal.print(...renderPredictions(answer, session.terminal));
    },
  );
}

async function sourceOf(
  session: Session,
  options: LogOptions & Pick<Partial<TrainOptions>, 'streams' | 'stream'>,
): Promise<FinishedContext[]> {
  const { terminal, io } = session;
  if (options.streams !== undefined) {
    return readCommitted(session.client, options.streams, io.interrupted, () => undefined);
  }
  const file = logOf(session, options);
  const log = await readEventLog(file, logOptions(options));
  const { columns, broken } = log;
  terminal.print(
    `${counted(log.cases.length, 'case')}, ${counted(log.eventCount, 'event')} of ${plain(file)}`,
    terminal.style.dim(`case: ${columns.case}, activity: ${columns.activity}, time: ${columns.timestamp}`),
  );
  if (broken.count > 0) terminal.print(terminal.style.warn(`${counted(broken.count, 'broken row')} left out`));
  return transactionsOf(log, options.stream);
}

function logOf({ io }: Session, { log }: LogOptions): string {
  return log ?? join(io.env['LOCKSTEP_PACKAGE_ROOT'] ?? '.', 'examples', 'helpdesk.csv');
}

function logOptions({ strict, ...named }: LogOptions): EventLogOptions {
  const columns = present<NonNullable<EventLogOptions['columns']>>({
    case: named.case,
    activity: named.activity,
    timestamp: named.timestamp,
  });
  return present<EventLogOptions>({ columns, strict });
}

/** The figures of the mixture, and those of the baselines beside them. */
function jsonOf(evaluation: Evaluation, log: string, split: Split, trainSeconds: number): Record<string, unknown> {
  const { reliability: _reliability, curve: _curve, ...figures } = evaluation;
  return { log, split, ...(roundAll(figures) as typeof figures), trainSeconds: roundAll(trainSeconds) };
}

function roundAll(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 1e5) / 1e5;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, roundAll(each)]));
}

async function drawPlots(
  directory: string,
  log: string,
  { split }: EvaluateOptions,
  evaluation: Evaluation,
): Promise<void> {
  const name = basename(log).replace(/\.[^.]*$/, '');
  await mkdir(directory, { recursive: true });
  const draw = (kind: string, svg: string): Promise<void> =>
    writeFile(join(directory, `${name}-${split}-${kind}.svg`), svg);
  await draw('reliability', reliabilityDiagram(evaluation, `${name}, ${split}`));
  await draw('accuracy', accuracyOverTime(evaluation, `${name}, ${split}`));
}

async function explainSteps(session: Session, options: ExplainOptions, id: string): Promise<ExplainedStep[]> {
  const { transaction, isOpen, others } = await findTransaction(session, options, id);
  const forecaster =
    options.model === undefined ? new Forecaster() : decodeModel(await readFile(options.model, 'utf8')).forecaster;
  if (options.model === undefined) for (const other of await others()) forecaster.learn(other);
  const { events, startedAtMs } = transaction;
  const streams = [...new Set(events.map(({ stream }) => stream))];
  const steps: ExplainedStep[] = [];
  for (let written = 0; written <= events.length; written += 1) {
    const came = events[written];
    if (came === undefined && !isOpen) break;
    const seen = events.slice(0, written);
    const open: OpenContext = { id, streams, startedAtMs, nowMs: seen.at(-1)?.atMs ?? startedAtMs, events: seen };
    steps.push({ explanation: forecaster.explain(open), came });
  }
  return steps;
}

interface Found {
  readonly transaction: FinishedContext;
  readonly isOpen: boolean;
  /** What there is to learn from. */
  readonly others: () => Promise<readonly FinishedContext[]>;
}

async function findTransaction(session: Session, options: ExplainOptions, id: string): Promise<Found> {
  if (options.log === undefined) return findAtDeployment(session, id);
  const all = await sourceOf(session, options);
  const transaction = all.find((each) => each.id === id);
  if (transaction === undefined) {
    throw new LockstepError('UnknownTransaction', `there is no case "${id}" in ${options.log}`);
  }
  return { transaction, isOpen: false, others: () => Promise.resolve(all.filter((each) => each !== transaction)) };
}

async function findAtDeployment({ client, io }: Session, id: string): Promise<Found> {
  const entry = await client.getTransaction(id);
  const startedAtMs = Date.parse(entry.startedAt);
  const events = entry.events.map(({ stream, key, type, data, dataBase64, time }): SeenEvent => ({
    stream,
    key,
    type,
    ...(dataBase64 === undefined ? { data: data ?? null } : { dataBase64 }),
    atMs: time === undefined ? startedAtMs : Date.parse(time),
  }));
  const endedAtMs = events.at(-1)?.atMs ?? startedAtMs;
  return {
    transaction: { id, startedAtMs, endedAtMs, events },
    isOpen: entry.status === 'open',
    others: async () => {
      const committed = await readCommitted(client, entry.streams, io.interrupted, () => undefined);
      return committed.filter((each) => each.id !== id);
    },
  };
}

function jsonOfStep({ explanation, came }: ExplainedStep): unknown {
  return {
    came: came === undefined ? null : { stream: came.stream, type: came.type },
    expectedInMs: explanation.pauseMs ?? null,
    expected: explanation.expected.map(({ kind, probability, voices, draft, sources }) => ({
      kind,
      probability,
      voices,
      ...(draft === undefined ? {} : { exact: draft.exact, payload: { key: draft.key, data: draft.data ?? null } }),
      sources: Object.fromEntries([...sources].map(([path, { source, bound }]) => [path, { source, bound }])),
    })),
  };
}
