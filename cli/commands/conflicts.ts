import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { Conflict, ConflictSide, EventIn, ListConflicts, ResolveRequest } from '../../src/core/api.js';
import { LockstepError } from '../../src/core/errors.js';
import { messageOf } from '../errors.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { plain } from '../ui/text.js';
import { addCommand, type Session } from './command.js';
import { type PageOptions, PAGE_OPTIONS } from './incidents.js';
import { present } from './parse.js';

const WHAT =
  'After a forced takeover the same key may have been changed on both sides. Each such conflict is kept with both\n' +
  'versions. What the policy of the stream leaves to an operator is open: what stands at home stays until then.';

export function addConflicts(program: Command, io: Io): void {
  const conflicts = program
    .command('conflicts')
    .summary('list, show and resolve what was changed on both sides')
    .description(`Conflicts. ${WHAT}`);
  addList(conflicts, io);
  addCommand(
    conflicts,
    io,
    {
      name: 'show',
      summary: 'Show a conflict with both versions',
      args: [['<id>', 'of the conflict']],
      examples: ['lockstep conflicts show 4b1f0c2d9e8a7b6c5d4e3f2a1b0c9d8e'],
    },
    async (session, _options, [id = '']) => tell(session, await session.client.getConflict(id)),
  );
  addResolve(conflicts, io);
}

function addList(conflicts: Command, io: Io): void {
  addCommand<PageOptions & { readonly open?: boolean }>(
    conflicts,
    io,
    {
      name: 'list',
      summary: 'List conflicts (this is what `lockstep conflicts` does)',
      isDefault: true,
      options: [new Option('--open', 'only those that wait for an operator'), ...PAGE_OPTIONS],
      notes: WHAT,
      examples: ['lockstep conflicts list', 'lockstep conflicts list --open --json'],
    },
    async (session, { limit, cursor, open }) => {
      const status = open === true ? 'open' : undefined;
      const page = await session.client.listConflicts(present<ListConflicts>({ limit, cursor, status }));
      if (session.json) {
        session.printJson(page);
        return;
      }
      const lines = page.conflicts.flatMap((conflict) => renderConflict(conflict, session.terminal));
      const none = open === true ? 'No conflict is open' : 'There was no conflict';
      session.terminal.print(...(lines.length === 0 ? [none] : lines));
      if (page.cursor !== undefined) session.terminal.print(`There are more: --cursor ${page.cursor}`);
    },
  );
}

interface ResolveOptions {
  readonly take?: 'standing' | 'waiting';
  readonly events?: string;
}

function addResolve(conflicts: Command, io: Io): void {
  addCommand<ResolveOptions>(
    conflicts,
    io,
    {
      name: 'resolve',
      summary: 'Resolve an open conflict',
      args: [['<id>', 'of the conflict']],
      options: [
        new Option(
          '--take <version>',
          'standing: what stands at home stays; waiting: the other one is committed',
        ).choices(['standing', 'waiting']),
        new Option('--events <file>', 'neither: a JSON list of events (or - for stdin) is committed in their place'),
      ],
      notes:
        'A transaction stays or goes as a whole: the conflicts of its other keys are resolved with it. What is committed\n' +
        'is a new transaction, which names both versions. The same choice may be repeated; another one is refused.',
      examples: [
        'lockstep conflicts resolve 4b1f0c2d9e8a7b6c5d4e3f2a1b0c9d8e --take waiting',
        'lockstep conflicts resolve 4b1f0c2d9e8a7b6c5d4e3f2a1b0c9d8e --events merged.json',
      ],
    },
    async (session, options, [id = '']) => {
      tell(session, await session.client.resolveConflict(id, await requestOf(io, options)));
    },
  );
}

async function requestOf(io: Io, { take, events }: ResolveOptions): Promise<ResolveRequest> {
  if ((take === undefined) === (events === undefined)) {
    throw new LockstepError('InvalidRequest', 'say what is to stay: --take standing, --take waiting, or --events FILE');
  }
  return take === undefined ? { events: await eventsIn(io, events ?? '') } : { take };
}

async function eventsIn(io: Io, file: string): Promise<readonly EventIn[]> {
  try {
    const text = file === '-' ? await textOf(io.stdin) : await readFile(file, 'utf8');
    const value = JSON.parse(text) as EventIn | EventIn[];
    return Array.isArray(value) ? value : [value];
  } catch (error) {
    throw new LockstepError('InvalidRequest', `${file}: ${messageOf(error)}`);
  }
}

async function textOf(stdin: Io['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString();
}

function tell(session: Session, conflict: Conflict): void {
  if (session.json) session.printJson(conflict);
  else session.terminal.print(...renderConflict(conflict, session.terminal), ...renderContents(conflict));
}

/** A headline, both sides, and what became of them. */
function renderConflict(conflict: Conflict, { style }: Terminal): string[] {
  const { id, stream, key, policy, status, recordedAt, winner, loser, resolution } = conflict;
  const open = status === 'open';
  return [
    `${recordedAt}  ${style.bold(stream)} ${plain(key)}, ${plain(policy)}  ${style.dim(id)}`,
    renderSide(open ? 'stands' : 'won', winner),
    renderSide(open ? 'waits' : 'lost', loser),
    ...(open ? [`  ${style.warn('open')}   lockstep conflicts resolve ${id} --take standing|waiting`] : []),
    ...(resolution?.transactionId === undefined
      ? []
      : [`  as     ${resolution.transactionId}, committed ${resolution.committedAt ?? ''} by an operator's choice`]),
  ];
}

function renderSide(name: string, { site, transactionId, committedAt }: ConflictSide): string {
  return `  ${name.padEnd(6)} ${transactionId}, committed ${committedAt} at ${site}`;
}

/** What both sides wrote on the key, as JSON. */
function renderContents({ stream, key, winner, loser, status }: Conflict): string[] {
  return [winner, loser].flatMap(({ events }, index) => {
    const name = (status === 'open' ? ['stands', 'waits'] : ['won', 'lost'])[index] ?? '';
    const mine = events.filter((event) => event.stream === stream && event.key === key);
    return mine.map(
      ({ type, data, dataBase64 }) => `  ${name.padEnd(6)} ${plain(type)} ${JSON.stringify(data ?? dataBase64)}`,
    );
  });
}
