import { type Command, Option } from 'commander';
import type { Conflict, Incident, Paging } from '../../src/core/api.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { duration, plain } from '../ui/text.js';
import { addCommand } from './command.js';
import { present, wholeNumber } from './parse.js';

interface PageOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

const PAGE_OPTIONS = [
  new Option('--limit <n>', 'at most so many').argParser(wholeNumber(1, 1_000)),
  new Option('--cursor <cursor>', 'go on where the page before ended'),
];

export function addIncidents(program: Command, io: Io): void {
  addCommand<PageOptions>(
    program,
    io,
    {
      name: 'incidents',
      summary: 'List what happened to sites and streams, with timelines',
      options: PAGE_OPTIONS,
      examples: ['lockstep incidents --limit 5'],
    },
    async (session, { limit, cursor }) => {
      const page = await session.client.listIncidents(present<Paging>({ limit, cursor }));
      if (session.json) {
        session.printJson(page);
        return;
      }
      const lines = page.incidents.flatMap((incident) => renderIncident(incident, session.terminal));
      session.terminal.print(...(lines.length === 0 ? ['Nothing has happened yet'] : lines));
      if (page.cursor !== undefined) session.terminal.print(`There are more: --cursor ${page.cursor}`);
    },
  );
}

export function addConflicts(program: Command, io: Io): void {
  addCommand<PageOptions>(
    program,
    io,
    {
      name: 'conflicts',
      summary: 'List what lost against another version, with both',
      options: PAGE_OPTIONS,
      examples: ['lockstep conflicts --json'],
    },
    async (session, { limit, cursor }) => {
      const page = await session.client.listConflicts(present<Paging>({ limit, cursor }));
      if (session.json) {
        session.printJson(page);
        return;
      }
      const lines = page.conflicts.flatMap((conflict) => renderConflict(conflict, session.terminal));
      session.terminal.print(...(lines.length === 0 ? ['There was no conflict'] : lines));
      if (page.cursor !== undefined) session.terminal.print(`There are more: --cursor ${page.cursor}`);
    },
  );
}

/** A headline and the timeline of an incident. */
export function renderIncident(incident: Incident, { style }: Terminal): string[] {
  const { id, kind, site, stream, startedAt, endedAt, timeline } = incident;
  const what = stream === undefined ? site : `${stream} at ${site}`;
  const lasted =
    endedAt === undefined
      ? style.warn('not over')
      : `over after ${duration(Date.parse(endedAt) - Date.parse(startedAt))}`;
  return [
    `${startedAt}  ${style.bold(kind)} of ${what}, ${lasted}  ${style.dim(id)}`,
    ...timeline.map(({ at, what: happened }) => `  ${style.dim(at)}  ${plain(happened)}`),
  ];
}

function renderConflict(
  { id, stream, key, policy, resolvedAt, winner, loser }: Conflict,
  { style }: Terminal,
): string[] {
  const side = (name: string, { site, transactionId, committedAt }: Conflict['winner']): string =>
    `  ${name}  ${transactionId}, committed ${committedAt} at ${site}`;
  return [
    `${resolvedAt}  ${style.bold(stream)} ${plain(key)}, ${policy}  ${style.dim(id)}`,
    side('won ', winner),
    side('lost', loser),
  ];
}
