import { type Command, CommanderError, Option } from 'commander';
import type { Page } from '../../src/client/index.js';
import type { EventOut, WholeTransaction } from '../../src/core/api.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { counted, fit, plain } from '../ui/text.js';
import { checkpointFile } from './checkpoint-file.js';
import { addCommand, EXIT, type Session } from './command.js';
import { names, wholeNumber } from './parse.js';

const MAX_PAGE = 1_000;

interface TailOptions {
  readonly transactions?: string[];
  readonly checkpoint?: string;
  readonly site?: string;
  readonly limit?: number;
  readonly follow: boolean;
}

export function addTail(program: Command, io: Io): void {
  addCommand<TailOptions>(
    program,
    io,
    {
      name: 'tail',
      summary: 'Follow the events of a stream, or whole transactions over several',
      args: [['[stream]', 'its name']],
      options: [
        new Option('--transactions <streams>', 'whole transactions over these streams, with commas between').argParser(
          names,
        ),
        new Option('--checkpoint <file>', 'go on where it says, and keep there how far it got'),
        new Option('--site <site>', 'read the replica there; by default the active one'),
        new Option('--limit <n>', 'end after so many').argParser(wholeNumber(1, 999_999_999_999)),
        new Option('--no-follow', 'end when everything committed so far has been printed'),
      ],
      notes:
        'It begins with the oldest event that is kept. With --json each line is a CloudEvent, or a transaction with\n' +
        'its events. The checkpoint is written after the events are, so a crash may print some of them twice.',
      examples: [
        'lockstep tail orders --checkpoint orders.checkpoint',
        `lockstep tail --transactions orders,payments --json | jq -c '.events | length'`,
      ],
    },
    async (session, options, [stream]) => {
      if ((stream === undefined) === (options.transactions === undefined)) {
        throw usage('error: name a stream, or streams with --transactions');
      }
      if (stream === undefined && options.site !== undefined) throw usage('error: --site goes with a stream only');
      // Before following, which waits for a lost site as long as it takes: is there anything to follow?
      for (const name of options.transactions ?? [stream ?? '']) await session.client.getStream(name);
      if (stream !== undefined) await tailEvents(session, stream, options);
      else await tailTransactions(session, options.transactions ?? [], options);
    },
  );
}

function usage(message: string): CommanderError {
  return new CommanderError(EXIT.usage, 'lockstep.usage', message);
}

async function tailEvents(session: Session, stream: string, options: TailOptions): Promise<void> {
  const site = options.site === undefined ? {} : { site: options.site };
  const { terminal } = session;
  await follow<EventOut>(
    session,
    options,
    (reading) => session.client.pages({ stream, ...site, ...reading }),
    (event) => [renderEvent(event, terminal)],
  );
}

async function tailTransactions(session: Session, streams: string[], options: TailOptions): Promise<void> {
  const { terminal } = session;
  await follow<WholeTransaction>(
    session,
    options,
    (reading) => session.client.transactionPages({ streams, ...reading }),
    ({ id, committedAt, events }) => [
      `${terminal.style.dim(committedAt)}  ${terminal.style.bold(id)}  ${counted(events.length, 'event')}`,
      ...events.map((event) => renderEvent(event, terminal)),
    ],
  );
}

/** What both kinds of readers take. */
function readingOf({ io }: Session, { checkpoint, follow: goOn, limit }: TailOptions) {
  return {
    signal: io.interrupted,
    limit: Math.min(limit ?? MAX_PAGE, MAX_PAGE),
    ...(checkpoint !== undefined && { checkpointStore: checkpointFile(checkpoint) }),
    ...(!goOn && { until: 'caught-up' as const }),
  };
}

async function follow<Item>(
  session: Session,
  options: TailOptions,
  open: (reading: ReturnType<typeof readingOf>) => AsyncGenerator<Page<Item>, void>,
  render: (item: Item) => string[],
): Promise<void> {
  const { io, json, terminal } = session;
  let left = options.limit ?? Infinity;
  for await (const page of open(readingOf(session, options))) {
    const items = page.items.slice(0, left);
    for (const item of items) {
      if (json) session.printJson(item);
      else terminal.print(...render(item));
    }
    await io.stdout.flush?.();
    left -= items.length;
    // A page of which a part was printed comes again next time: rather twice than never.
    if (items.length === page.items.length) await page.commit();
    if (left === 0) return;
  }
}

function renderEvent(
  { time, stream, subject, type, data, data_base64, version }: EventOut,
  terminal: Terminal,
): string {
  const { style, width } = terminal;
  const payload = data === undefined ? (data_base64 ?? '') : JSON.stringify(data);
  const versioned = version === undefined ? '' : ` v${version}`;
  return fit(`${time}  ${stream}  ${plain(subject)}${versioned}  ${style.bold(plain(type))}  ${plain(payload)}`, width);
}
