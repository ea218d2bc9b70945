import { once } from 'node:events';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Deployment, openExistingDeployment, openLocalDeployment } from '../tour/deployment.js';
import { type EventLog, type EventLogOptions, readEventLog } from '../tour/event-log.js';
import { renderReport } from '../tour/picture.js';
import { isFaultless } from '../tour/report.js';
import { runTour, type TourResult } from '../tour/tour.js';
import { createTourView } from '../tour/view.js';
import type { Io } from '../ui/terminal.js';
import { counted, plain } from '../ui/text.js';
import { addCommand, CommandFailed, type Session } from './command.js';
import { present, wholeNumber } from './parse.js';
import { portOption } from './serve.js';

/** Of a server that the tour starts; a deployment may be a small one, or an emulator, and others may use it. */
const DEFAULT_CLIENTS = 32;
const DEFAULT_CLIENTS_THERE = 4;
const DEFAULT_ROUND_TRIP_MS = 20;
const NAMED_ROWS = 5;
const DEFAULT_PREFIX = 'tour-';

const OF_A_LOCAL_ONE = { data: '--data', port: '--port', roundTripMs: '--round-trip-ms' };

interface TourCommandOptions {
  readonly log?: string;
  readonly case?: string;
  readonly activity?: string;
  readonly timestamp?: string;
  readonly strict?: boolean;
  readonly cases?: number;
  readonly clients?: number;
  readonly roundTripMs: number;
  readonly data?: string;
  readonly port: number;
  readonly prefix: string;
  readonly once?: boolean;
}

export function addTour(program: Command, io: Io): void {
  addCommand<TourCommandOptions>(
    program,
    io,
    {
      name: 'tour',
      summary: 'Send a real event log through two sites, break one on the way, and check that nothing is lost',
      options: [
        new Option('--log <file.csv>', 'the event log; by default an extract of a help desk’s'),
        new Option('--case <column>', 'the column that names the case, where it is not found by itself'),
        new Option('--activity <column>', 'the column that names the activity'),
        new Option('--timestamp <column>', 'the column with the time'),
        new Option('--strict', 'a broken row ends it; else such rows are named, counted and left out'),
        new Option('--cases <n>', 'only the first so many cases').argParser(wholeNumber(1, 99_999_999)),
        new Option(
          '--clients <n>',
          `cases under way at a time (default: ${DEFAULT_CLIENTS}; with --endpoint ${DEFAULT_CLIENTS_THERE})`,
        ).argParser(wholeNumber(1, 1_000)),
        new Option('--round-trip-ms <ms>', 'distance between the sites')
          .argParser(wholeNumber(0, 1_000))
          .default(DEFAULT_ROUND_TRIP_MS),
        new Option('--data <directory>', 'where it keeps everything; by default a new one that is removed at the end'),
        portOption(),
        new Option('--prefix <text>', 'what the names of its streams begin with, with --endpoint')
          .argParser(streamPrefix)
          .default(DEFAULT_PREFIX),
        new Option('--once', 'end after the tour instead of serving until Ctrl-C'),
      ],
      notes: [
        'Each case is one interactive transaction over four streams, each event a write of its own. At 40 % the primary',
        'streams of the first site fail, at 60 % all of that site, at 75 % it comes back. At the end both sites are read',
        'from the beginning and held against the file. It ends with 1 if an event is lost, comes twice, or if a case is',
        'torn (came in part, or in another order), or if the sites are not equal.',
        'With --endpoint it runs against a deployment that is there. It breaks nothing, but asks it to switch over, to move',
        'home, and to reconcile. It makes four streams of its own, which stay. Do not run it where others rely on home',
        'staying where it is.',
      ].join('\n'),
      examples: [
        'lockstep tour --once',
        'lockstep tour --log tickets.csv --case ticket --once --json',
        'lockstep tour --endpoint https://abc123.execute-api.us-east-1.amazonaws.com/v1 --cases 200 --once',
      ],
    },
    async (session, options) => {
      const file = options.log ?? join(io.env['LOCKSTEP_PACKAGE_ROOT'] ?? '.', 'examples', 'helpdesk.csv');
      const readLog = (): Promise<EventLog> => readEventLog(file, logOptions(options));
      const log = await readLog();
      tellLog(session, file, log);
      const deployment = await open(session, options);
      const { clients = deployment.isOurs ? DEFAULT_CLIENTS : DEFAULT_CLIENTS_THERE } = options;
      try {
        tellDeployment(session, deployment, clients);
        const view = createTourView(session.terminal);
        const result = await runTour({
          log,
          readLog,
          clients,
          deployment,
          view,
          signal: io.interrupted,
        });
        tellResult(session, result);
        await tellAfterwards(session, deployment, result, options.once === true);
        if (!isFaultless(result.report)) throw new CommandFailed();
      } catch (error) {
        if (!io.interrupted.aborted || error instanceof CommandFailed) throw error;
        io.stderr.write('lockstep: broken off\n');
        throw new CommandFailed();
      } finally {
        await deployment.close();
      }
    },
  );
}

function logOptions({ strict, cases, ...named }: TourCommandOptions): EventLogOptions {
  const columns = present<NonNullable<EventLogOptions['columns']>>({
    case: named.case,
    activity: named.activity,
    timestamp: named.timestamp,
  });
  return present<EventLogOptions>({ columns, strict, maxCases: cases });
}

/** So that what follows it fits the name of a stream. */
function streamPrefix(text: string): string {
  if (/^[A-Za-z0-9_.-]{0,40}$/.test(text)) return text;
  throw new InvalidArgumentError('Letters, digits, _ . -, up to 40.');
}

async function open(session: Session, { data, port, roundTripMs, prefix }: TourCommandOptions): Promise<Deployment> {
  if (session.endpointGiven) {
    const [ours] = Object.entries(OF_A_LOCAL_ONE).filter(([name]) => session.isGiven(name));
    if (ours)
      throw new InvalidArgumentError(`error: ${ours[1]} is of a server that the tour starts: not with --endpoint.`);
    return openExistingDeployment(session.reach, prefix);
  }
  return openLocalDeployment({ ...present<{ dataDirectory?: string }>({ dataDirectory: data }), port, roundTripMs });
}

function tellLog({ terminal }: Session, file: string, { cases, eventCount, columns, broken }: EventLog): void {
  const { style } = terminal;
  terminal.print(
    `${style.bold('Lockstep tour')}  ${counted(cases.length, 'case')}, ${counted(eventCount, 'event')} of ${file}`,
  );
  terminal.print(style.dim(`  case: ${columns.case}, activity: ${columns.activity}, time: ${columns.timestamp}`));
  if (broken.count === 0) return;
  terminal.print(style.warn(`  ${counted(broken.count, 'broken row')} left out:`));
  for (const { line, reason } of broken.rows.slice(0, NAMED_ROWS)) terminal.print(`  line ${line}: ${plain(reason)}`);
  if (broken.rows.length > NAMED_ROWS) terminal.print(`  and lines ${brokenLines(broken.rows.slice(NAMED_ROWS))}`);
}

function brokenLines(rows: EventLog['broken']['rows']): string {
  const shown = rows.slice(0, 20).map(({ line }) => line);
  return `${shown.join(', ')}${rows.length > shown.length ? ', …' : ''}`;
}

function tellDeployment({ terminal }: Session, { words, url }: Deployment, clients: number): void {
  terminal.print(`  ${words}; ${counted(clients, 'client')} at a time`, `  ${url}`, '');
}

function tellResult(session: Session, { report, verdict, reconciliationId }: TourResult): void {
  const { terminal } = session;
  terminal.print(...renderReport(report, verdict, terminal.style, terminal.width));
  const proof = `proof ${reconciliationId ?? '(none)'}: ${report.reconciliation.digestsEqual ? 'both sites hold the same' : 'the sites differ'}`;
  terminal.print(`  ${terminal.style.bold(proof)}`, '');
  if (session.json) session.printJson(report);
}

async function tellAfterwards(
  { io, terminal }: Session,
  deployment: Deployment,
  { reconciliationId }: TourResult,
  isOnce: boolean,
): Promise<void> {
  const { url, isOurs } = deployment;
  const goesOn = isOurs && !isOnce;
  if (goesOn) terminal.print(`It goes on serving at ${terminal.style.bold(url)} until Ctrl-C. To try next:`);
  if (goesOn || !isOurs) terminal.print(...deployment.afterwards(reconciliationId));
  if (goesOn && !io.interrupted.aborted) await once(io.interrupted, 'abort');
}
