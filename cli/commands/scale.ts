import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ScalingAnswer, ScalingDecision } from '../../src/core/api.js';
import { LockstepError } from '../../src/core/errors.js';
import type { ScalingPolicy } from '../../src/core/scaling/rules.js';
import { messageOf } from '../errors.js';
import { renderFacts, renderTable } from '../ui/table.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { plain } from '../ui/text.js';
import { addCommand, type Session } from './command.js';
import { present, wholeNumber } from './parse.js';

type Bounds = NonNullable<ScalingPolicy['shards']>;

interface RuleOptions {
  readonly shards?: Bounds;
  readonly mode?: 'on' | 'dry-run' | 'off';
  readonly policy?: string;
}

const WHAT =
  'Shards follow the load of a stream by rules: when a signal, measured or forecast, is above or below something, then\n' +
  'so many shards. By default ahead of the peak that is forecast, at once under load and where records were refused,\n' +
  'and back after the peak. Kinesis takes ten changes in 24 hours, each at most doubling or halving: rules keep to that.';

const RULES = [
  new Option('--shards <min-max>', 'the fewest and the most shards, such as 1-16').argParser(boundsOf),
  new Option('--mode <mode>', 'on; dry-run: what would be done is only told; off').choices(['on', 'dry-run', 'off']),
  new Option('--policy <file>', 'bounds and rules as JSON, - for stdin: see docs/SCALING.md'),
];
const KEPT = 'What is not said stays as the stream has it.';

export function addScale(program: Command, io: Io): void {
  const scale = program
    .command('scale')
    .summary('let the shards of streams follow their load')
    .description(`Scaling. ${WHAT}`);
  addCommand<RuleOptions>(
    scale,
    io,
    {
      name: 'plan',
      summary: 'Show what the rules of a stream, or others, would do now, and change nothing',
      args: [['<stream>', 'the stream']],
      options: RULES,
      notes: `${KEPT} A stream is measured once it has rules: apply them with --mode dry-run first.`,
      examples: ['lockstep scale plan orders', 'lockstep scale plan orders --shards 2-32'],
    },
    async (session, options, [stream = '']) => {
      const scaling = await policyOf(session, stream, options);
      const answer = await session.client.planScaling(stream, present<{ scaling: ScalingPolicy }>({ scaling }));
      if (session.json) session.printJson(answer);
      else session.terminal.print(...renderPlan(answer, session.terminal));
    },
  );
  addCommand<RuleOptions>(
    scale,
    io,
    {
      name: 'apply',
      summary: 'Give a stream rules, or change, pause or stop them',
      args: [['<stream>', 'the stream']],
      options: RULES,
      notes: `${KEPT} Rules that contradict themselves, or have no bounds, are refused.`,
      examples: [
        'lockstep scale apply orders --shards 1-16 --mode dry-run',
        'lockstep scale apply orders --mode on',
        'lockstep scale apply orders --policy rules.json',
      ],
    },
    async (session, options, [stream = '']) => {
      const scaling = await policyOf(session, stream, options);
      if (!scaling)
        throw new LockstepError('InvalidRequest', 'say what is to be: --shards 1-16, --mode, or --policy FILE');
      await session.client.putStream(stream, { scaling });
      const answer = await session.client.getScaling(stream);
      if (session.json) session.printJson(answer);
      else session.terminal.print(...renderPlan(answer, session.terminal));
    },
  );
  addExplain(scale, io);
}

function addExplain(scale: Command, io: Io): void {
  addCommand<{ readonly limit?: number }>(
    scale,
    io,
    {
      name: 'explain',
      summary: 'Show what was decided about a stream, and why',
      args: [['<stream>', 'the stream']],
      options: [new Option('--limit <n>', 'at most so many, the newest first').argParser(wholeNumber(1, 100))],
      notes:
        'done: the stream was changed. held: a limit left it as it is. dry-run: it would have been changed. What is held\n' +
        'or only would be done is told once, as long as nothing about it changes. The last 100 decisions are kept.',
      examples: ['lockstep scale explain orders'],
    },
    async (session, { limit = 100 }, [stream = '']) => {
      const { decisions } = await session.client.getScaling(stream);
      const shown = decisions.slice(0, limit);
      if (session.json) session.printJson({ stream, decisions: shown });
      else session.terminal.print(...renderDecisions(shown, session.terminal));
    },
  );
}

/** What is said, over what the stream has; nothing where nothing is said. */
async function policyOf(
  { client, io }: Session,
  stream: string,
  { policy: file, ...said }: RuleOptions,
): Promise<ScalingPolicy | undefined> {
  const changes = present<ScalingPolicy>({ mode: said.mode, shards: said.shards });
  if (file !== undefined) return { ...(await policyIn(io, file)), ...changes };
  const { policy } = await client.getStream(stream);
  return Object.keys(changes).length === 0 ? undefined : { ...policy.scaling, ...changes };
}

/** What it holds is for the service to judge. */
async function policyIn(io: Io, file: string): Promise<ScalingPolicy> {
  let text = '';
  try {
    if (file === '-') for await (const chunk of io.stdin) text += String(chunk);
    else text = await readFile(file, 'utf8');
    return JSON.parse(text) as ScalingPolicy;
  } catch (error) {
    throw new LockstepError('InvalidRequest', `--policy ${file}: ${messageOf(error)}`);
  }
}

function boundsOf(text: string): Bounds {
  const [min = 0, max = 0] = (/^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []).slice(1).map(Number);
  if (min < 1 || max < min) throw new InvalidArgumentError('The fewest and the most, such as 1-16.');
  return { min, max };
}

// ------------------------------------------------------------------------------------------------------------- text

function renderPlan(answer: ScalingAnswer, { style, width }: Terminal): string[] {
  const { stream, mode, shards, openShards, changesLeft, rules, steps, policy } = answer;
  const soFar = openShards === shards ? '' : ` (${openShards} so far)`;
  const bounds = policy.shards ? `, between ${policy.shards.min} and ${policy.shards.max}` : '';
  const facts: [string, string][] = [
    ['stream', style.bold(plain(stream))],
    ['scaling', mode],
    ['shards', `${shards}${soFar}${bounds}; ${changesLeft} of the day's 10 changes left`],
    ['last minute', loadOf(answer)],
    ['next hour', forecastOf(answer)],
  ];
  const table = renderTable(
    [{ title: 'RULE' }, { title: 'FINDS', align: 'right' }, { title: '' }],
    rules.map(({ rule, value, state }) => [plain(rule), value === undefined ? '-' : short(value), state]),
    width,
    style.dim,
  );
  const said = steps.map(({ quantity, from, to, why, limit }) => {
    const what = from === to ? `${quantity} stay ${from}` : `${quantity} ${from} to ${to}`;
    return `${style.bold(what)}  ${plain(why)}${limit === undefined ? '' : `; ${limit}`}`;
  });
  return [
    ...renderFacts(facts, width),
    ...(rules.length === 0 ? ['It has no rules: lockstep scale apply NAME --shards 1-16'] : table),
    ...(said.length === 0 ? ['Nothing is to be changed now'] : said),
  ];
}

function loadOf({ load, measuredMinutes }: ScalingAnswer): string {
  if (!load) return measuredMinutes === 0 ? 'not measured yet' : 'nothing';
  const { bytesPerSecond, recordsPerSecond, throttledPerSecond, utilisation, shardUtilisation } = load;
  return (
    `${short(bytesPerSecond / 1024)} KiB/s, ${short(recordsPerSecond)} records/s, ${short(throttledPerSecond)} refused/s; ` +
    `${percent(utilisation)} of its shards, ${percent(shardUtilisation)} of the busiest`
  );
}

const forecastOf = ({ forecast }: ScalingAnswer): string =>
  forecast === undefined
    ? 'not known yet: an hour has to be measured'
    : `at most ${short(forecast.median)} full shards as likely as not, ${short(forecast.high)} but once in twenty`;

function renderDecisions(decisions: readonly ScalingDecision[], { style, width }: Terminal): string[] {
  if (decisions.length === 0) return ['Nothing was decided yet'];
  return renderTable(
    [{ title: 'AT' }, { title: 'WHAT' }, { title: '' }, { title: 'WHY' }],
    decisions.map(({ at, quantity, from, to, outcome, why, limit }) => [
      at,
      `${quantity} ${from} → ${to}`,
      outcome,
      plain(limit === undefined ? why : `${why}; ${limit}`),
    ]),
    width,
    style.dim,
  );
}

const short = (value: number): string => String(Number(value.toPrecision(3)));
const percent = (share: number): string => `${short(100 * share)} %`;
