import { once } from 'node:events';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SITE_NAME } from '../../src/core/ids.js';
import type { Io } from '../ui/terminal.js';
import { addCommand } from './command.js';
import { names, present, wholeNumber } from './parse.js';

const DEFAULT_PORT = 4040;
const DEFAULT_SITES = ['east', 'west'];

interface ServeOptions {
  readonly port: number;
  readonly data?: string;
  readonly sites: readonly string[];
  readonly roundTripMs: number;
  readonly conflictFunction?: Readonly<Record<string, string>>;
  readonly predictorEndpoint?: string;
}

export function addServe(program: Command, io: Io): void {
  addCommand<ServeOptions>(
    program,
    io,
    {
      name: 'serve',
      summary: 'Serve Lockstep on this machine: all sites in one process, on 127.0.0.1',
      options: [
        portOption(),
        new Option('--data <directory>', 'where it keeps everything; without it in memory only'),
        new Option('--sites <names>', 'with commas between them; the first one is home')
          .argParser(siteNames)
          .default(DEFAULT_SITES, DEFAULT_SITES.join(',')),
        new Option('--round-trip-ms <ms>', 'distance between the sites').argParser(wholeNumber(0, 60_000)).default(0),
        new Option(
          '--conflict-function <name=module>',
          'a module whose default export resolves conflicts, for streams with --conflict function:NAME; repeatable',
        ).argParser(conflictFunction),
        new Option(
          '--predictor-endpoint <url>',
          'a predictor of your own: it answers URL/invocations, and is asked before that of each site',
        ).argParser(endpoint),
      ],
      notes: 'Ctrl-C ends it. With --data everything acknowledged is there again at the next start.',
      examples: ['lockstep serve --data ./lockstep-data', 'lockstep serve --sites east,west,north --round-trip-ms 20'],
    },
    async (
      session,
      { port, data, sites, roundTripMs, predictorEndpoint, conflictFunction: conflictFunctions = {} },
    ) => {
      // Loads the storage engine, which the other commands do without.
      const { serveEmbedded } = await import('../../src/embedded/index.js');
      const given = present<{ dataDirectory?: string; predictorEndpoint?: string }>({
        dataDirectory: data,
        predictorEndpoint,
      });
      const server = await serveEmbedded({ ...given, sites: [...sites], roundTripMs, port, conflictFunctions });
      try {
        if (session.json) {
          session.printJson({ url: server.url, sites, dataDirectory: data ?? null });
        } else {
          const kept = data === undefined ? 'in memory only: all is gone at the end' : `in ${data}`;
          session.terminal.print(
            `Lockstep at ${session.terminal.style.bold(server.url)}: sites ${sites.join(', ')}; ${kept}`,
          );
          session.terminal.print(`Try: curl ${server.url}/route   Ctrl-C ends it`);
        }
        if (!io.interrupted.aborted) await once(io.interrupted, 'abort');
      } finally {
        await server.close();
      }
    },
  );
}

export function portOption(): Option {
  return new Option('--port <n>', 'of 127.0.0.1; 0 picks a free one')
    .argParser(wholeNumber(0, 65_535))
    .default(DEFAULT_PORT);
}

function conflictFunction(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, name, module] = /^([A-Za-z][A-Za-z0-9_-]{0,63})=(.+)$/.exec(text) ?? [];
  if (name === undefined || module === undefined)
    throw new InvalidArgumentError('NAME=MODULE, such as merge=./merge.mjs.');
  return { ...before, [name]: module };
}

function endpoint(text: string): string {
  if (!/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : ''))
    throw new InvalidArgumentError('A URL, such as http://127.0.0.1:8080.');
  return text;
}

function siteNames(text: string): string[] {
  const sites = names(text);
  const wrong = sites.find((site) => !SITE_NAME.test(site));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`"${wrong}" is no name of a site: lower-case letters, digits, -.`);
  if (new Set(sites).size < sites.length) throw new InvalidArgumentError('Each site once.');
  return sites;
}
