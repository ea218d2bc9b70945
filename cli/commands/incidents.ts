import { type Command, Option } from 'commander';
import type { Incident, Paging } from '../../src/core/api.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { duration, plain } from '../ui/text.js';
import { addCommand } from './command.js';
import { present, wholeNumber } from './parse.js';

export interface PageOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

export const PAGE_OPTIONS = [
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
