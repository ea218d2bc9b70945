/**
 * npm run bench:prediction [-- --json] [-- --log FILE.csv]: replays an event log as interactive transactions over two
 * sites, with and without prediction, on the virtual clock.
 */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { ownPredictor } from '../../../src/app/own-predictor.js';
import { type EventLog, type LogCase, readEventLog } from '../../../cli/tour/event-log.js';
import { type CurvePoint, curveChart } from './chart.js';
import { FAILING, failing } from './failing.js';
import { PAYLOADS, type Payload, type Replay, type ReplayOptions, replay } from './replay.js';

const USAGE = `Usage: npm run bench:prediction -- [options]
  --log FILE.csv     an event log with columns for case, activity and time (default examples/helpdesk.csv)
  --payload WHAT     ${PAYLOADS.join(', ')}: activity and case; all columns but the time; all columns (default activity)
  --cases N          only the first N cases, by when they began (default all)
  --round-trip MS    distance between the sites (default 60)
  --think MS         mean time between two writes of a client (default 2000)
  --clients N        cases under way at the same time (default 20)
  --curve N          cases for each point of the curve over the threshold, 0: no curve (default 1000)
  --svg FILE.svg     where the curve goes
  --json             one line of JSON on standard output`;

/** Cases that a failing predictor is tried on. */
const FEW = 500;
const COSTS_MS = [1, 3, 8, 20, 50, 120, 300];

interface Arguments {
  readonly log: string;
  readonly payload: Payload;
  readonly cases: number;
  readonly curve: number;
  readonly replaying: Pick<ReplayOptions, 'roundTripMs' | 'thinkMs' | 'concurrency'>;
  readonly svg?: string;
  readonly json: boolean;
}

function argumentsOf(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      log: { type: 'string', default: 'examples/helpdesk.csv' },
      payload: { type: 'string', default: 'activity' },
      cases: { type: 'string', default: '1000000' },
      'round-trip': { type: 'string', default: '60' },
      think: { type: 'string', default: '2000' },
      clients: { type: 'string', default: '20' },
      curve: { type: 'string', default: '1000' },
      svg: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const payload = PAYLOADS.find((one) => one === values.payload);
  const [cases, curve, roundTripMs, thinkMs, concurrency] = [
    ...[values.cases, values.curve, values['round-trip']],
    ...[values.think, values.clients],
  ].map(Number) as [number, number, number, number, number];
  const isRight = [cases, curve, roundTripMs, thinkMs, concurrency].every(
    (value) => Number.isInteger(value) && value >= 0,
  );
  if (!payload || !isRight || cases < 1 || concurrency < 1) throw new Error('a number or a payload is not one');
  const { log, svg, json } = values;
  return {
    ...{ log, payload, cases, curve, json },
    replaying: { roundTripMs, thinkMs, concurrency },
    ...(svg === undefined ? {} : { svg }),
  };
}

/** By when they began: what is learned lies in the past. */
function inOrder({ cases }: EventLog, most: number): readonly LogCase[] {
  const begun = (one: LogCase) => Math.min(...one.events.map(({ time }) => Date.parse(time)));
  return cases
    .map((one) => ({ one, beganMs: begun(one) }))
    .sort((a, b) => a.beganMs - b.beganMs)
    .map(({ one }) => one)
    .slice(0, most);
}

function lineOf(what: string, it: Replay): string {
  const { wait, commitMs, foreseen, candidatesPerEvent, precision, extraBytes, dollarsPerMillionEvents } = it;
  return [
    what.padEnd(10),
    `wait ${wait.meanMs.toFixed(1)} ms (p50 ${wait.p50Ms}, p99 ${wait.p99Ms})`,
    `commit ${commitMs.toFixed(1)} ms`,
    `foreseen ${(foreseen * 100).toFixed(1)} %`,
    `${candidatesPerEvent.toFixed(2)} candidates per event`,
    `precision ${(precision * 100).toFixed(1)} %`,
    `+${(extraBytes * 100).toFixed(0)} % bytes`,
    `$${dollarsPerMillionEvents.toFixed(2)} per million`,
  ].join('  ');
}

async function main(given: Arguments): Promise<void> {
  const say = (line: string) => void (given.json ? process.stderr : process.stdout).write(`${line}\n`);
  const log = await readEventLog(given.log);
  const cases = inOrder(log, given.cases);
  const common = { ...given.replaying, payload: given.payload, timeColumn: log.columns.timestamp };
  const run = (predictor: ReplayOptions['predictor'], more: Partial<ReplayOptions> = {}) =>
    replay({ ...common, cases, ...(predictor ? { predictor } : {}), ...more });
  const tell = async (what: string, replayed: Promise<Replay>): Promise<Replay> => {
    say(lineOf(what, await replayed));
    return replayed;
  };
  const { roundTripMs, thinkMs, concurrency } = given.replaying;
  say(
    `${basename(given.log)}: ${cases.length} cases, payload ${given.payload}; two sites ${roundTripMs} ms apart, ` +
      `${concurrency} clients that think ${thinkMs} ms`,
  );
  const without = await tell('without', run(undefined));
  const foreseeing = await tell(
    'with',
    run(() => ownPredictor()),
  );
  const few = { cases: cases.slice(0, FEW) };
  say(`the first ${few.cases.length} cases, and predictors that fail:`);
  const failed: Record<string, Replay> = { without: await tell('without', run(undefined, few)) };
  for (const how of FAILING) failed[how] = await tell(how, run(failing(how), few));
  const curve = given.curve === 0 ? [] : await curveOf(run, cases.slice(0, given.curve), tell);
  if (given.svg !== undefined) writeFileSync(given.svg, curveChart(`${basename(given.log)}, ${given.payload}`, curve));
  if (!given.json) return;
  const told = { log: basename(given.log), payload: given.payload, cases: cases.length, ...given.replaying };
  console.log(
    JSON.stringify({ ...told, without, with: foreseeing, failing: { cases: few.cases.length, ...failed }, curve }),
  );
}

async function curveOf(
  run: (predictor: ReplayOptions['predictor'], more: Partial<ReplayOptions>) => Promise<Replay>,
  cases: readonly LogCase[],
  tell: (what: string, replayed: Promise<Replay>) => Promise<Replay>,
): Promise<readonly CurvePoint[]> {
  const points: CurvePoint[] = [];
  for (const costMs of COSTS_MS) {
    const options = { predictionCostMs: costMs };
    const { extraBytes, wait } = await tell(
      `cost ${costMs}`,
      run(() => ownPredictor(), { cases, options }),
    );
    points.push({ costMs, extraBytes, meanMs: wait.meanMs });
  }
  return points;
}

try {
  await main(argumentsOf(process.argv.slice(2)));
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  process.exitCode = 2;
}
