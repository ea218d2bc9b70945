import { createInterface } from 'node:readline';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BatchResult, CommitAnswer, CommitRequest, EventIn } from '../../src/core/api.js';
import { LockstepError } from '../../src/core/errors.js';
import { messageOf } from '../errors.js';
import type { Io } from '../ui/terminal.js';
import { counted } from '../ui/text.js';
import { addCommand, CommandFailed, type Session } from './command.js';

/** What one batch of the contract takes. */
const MAX_BATCH = 100;
const MAX_BATCH_CHARACTERS = 1024 * 1024;

interface AppendOptions {
  readonly stream?: string;
  readonly id?: string;
  readonly each?: boolean;
}

export function addAppend(program: Command, io: Io): void {
  addCommand<AppendOptions>(
    program,
    io,
    {
      name: 'append',
      summary: 'Write events: all of them as one transaction, or each as its own',
      args: [['[events...]', 'events as JSON; without any, JSON lines are read from stdin']],
      options: [
        new Option('--stream <name>', 'for events that name none'),
        new Option(
          '--id <id>',
          'of the transaction: said again, it is the same one (with --each: ID-1, ID-2, …)',
        ).argParser(transactionId),
        new Option('--each', 'each event, or each list of events, is a transaction of its own'),
      ],
      notes: 'An event is {"stream", "key", "type", "data"} and perhaps "id", "time", "expectedVersion".',
      examples: [
        `lockstep append '{"stream":"orders","key":"4711","type":"placed","data":{"total":9}}'`,
        'lockstep append --each --stream orders --id import-1 < orders.jsonl',
      ],
    },
    async (session, options, args) => {
      const lines = args.length > 0 ? fromArguments(args) : fromStdin(io);
      if (options.each === true) await appendEach(session, options, lines);
      else await appendAll(session, options, lines);
    },
  );
}

function transactionId(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text) || text === 'stream') {
    throw new InvalidArgumentError('Letters, digits, _ and -, up to 64.');
  }
  return text;
}

/** Text with where it stands, for messages. */
type Line = readonly [where: string, text: string];

function* fromArguments(args: readonly string[]): Generator<Line> {
  for (const [index, arg] of args.entries()) yield [`argument ${index + 1}`, arg];
}

async function* fromStdin(io: Io): AsyncGenerator<Line> {
  if (io.stdin.isTTY === true) io.stderr.write('lockstep: reading events as JSON lines; end with Ctrl-D\n');
  let number = 0;
  for await (const text of createInterface({ input: io.stdin, crlfDelay: Infinity, signal: io.interrupted })) {
    number += 1;
    if (text.trim() !== '') yield [`line ${number}`, text];
  }
}

async function appendAll(
  { client, json, terminal, printJson }: Session,
  { stream, id }: AppendOptions,
  lines: Iterable<Line> | AsyncIterable<Line>,
): Promise<void> {
  const events: EventIn[] = [];
  for await (const line of lines) events.push(...parseEvents(line, stream));
  if (events.length === 0)
    throw new LockstepError('InvalidRequest', 'there is no event to write; see lockstep append --help');
  const answer = await client.commit(events, id === undefined ? {} : { id });
  if (json) printJson(answer);
  else terminal.print(describe(answer));
}

/** Many small transactions share a request; what is wrong with one does not stop the others. */
async function appendEach(
  session: Session,
  { stream, id }: AppendOptions,
  lines: Iterable<Line> | AsyncIterable<Line>,
): Promise<void> {
  const counts = { committed: 0, failed: 0 };
  let number = 0;
  let batch: { readonly where: string; readonly request: CommitRequest }[] = [];
  let characters = 0;
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    const results = await session.client.commitBatch(batch.map(({ request }) => request));
    for (const [index, result] of results.entries()) tellResult(session, batch[index]?.where ?? '', result, counts);
    batch = [];
    characters = 0;
  };
  for await (const line of lines) {
    number += 1;
    const events = parseEvents(line, stream);
    characters += line[1].length;
    batch.push({ where: line[0], request: id === undefined ? { events } : { id: `${id}-${number}`, events } });
    if (batch.length === MAX_BATCH || characters > MAX_BATCH_CHARACTERS) await flush();
  }
  await flush();
  const { committed, failed } = counts;
  if (!session.json) session.terminal.print(`${counted(committed, 'transaction')} committed, ${failed} failed`);
  if (failed > 0) throw new CommandFailed();
}

function tellResult(
  { io, json, printJson }: Session,
  where: string,
  result: BatchResult,
  counts: { committed: number; failed: number },
): void {
  if (json) printJson(result);
  if ('problem' in result) {
    counts.failed += 1;
    const { code, detail } = result.problem;
    if (!json) io.stderr.write(`lockstep: ${where}: ${code}: ${detail}\n`);
  } else {
    counts.committed += 1;
  }
}

/** What of an event is wrong beyond being no JSON object the server says, with its own words. */
function parseEvents([where, text]: Line, stream: string | undefined): EventIn[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new LockstepError('InvalidRequest', `${where} is no JSON: ${messageOf(error)}`);
  }
  return (Array.isArray(parsed) ? (parsed as unknown[]) : [parsed]).map((event) => {
    if (typeof event !== 'object' || event === null || Array.isArray(event)) {
      throw new LockstepError('InvalidRequest', `${where} is no event: an event is a JSON object`);
    }
    const withStream = stream === undefined ? event : { stream, ...event };
    return withStream as EventIn;
  });
}

function describe({ id, committedAt, events, replicas, atRisk }: CommitAnswer): string {
  const risk = atRisk ? ': at risk until another site is back' : '';
  return `committed ${id}: ${counted(events, 'event')}, at ${counted(replicas, 'site')}${risk}, ${committedAt}`;
}
