import type { Command } from 'commander';
import { CommanderError, InvalidArgumentError, Option } from 'commander';
import { type HttpTransportOptions, LockstepClient } from '../../src/client/index.js';
import { messageOf } from '../errors.js';
import { signer } from '../signing.js';
import { reportError } from '../ui/problem.js';
import { type Io, Terminal } from '../ui/terminal.js';

const DEFAULT_ENDPOINT = 'http://127.0.0.1:4040';

/** A person waits: long enough for a switchover, short enough to hear of a wrong endpoint, milliseconds. */
const RETRY_FOR_MS = 3_000;

/** What went as it should, what was refused or failed, and what was not said as the command wants it. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** Thrown by a command whose work has failed in a way that it has told already. */
export class CommandFailed extends Error {}

/** What a command works with. */
export interface Session {
  readonly io: Io;
  /** A program reads stdout: it gets JSON and nothing else. */
  readonly json: boolean;
  readonly terminal: Terminal;
  /** In the order in which they are tried. */
  readonly endpoints: readonly string[];
  /** Whether the user named an endpoint. */
  readonly endpointGiven: boolean;
  /** How the deployment is reached: its endpoints, and what signs where they want it. */
  readonly reach: HttpTransportOptions;
  readonly client: LockstepClient;
  /** Whether the user gave this option, rather than left it to its default. */
  readonly isGiven: (option: string) => boolean;
  /** One JSON document, on a line of stdout. */
  readonly printJson: (value: unknown) => void;
}

interface CommonOptions {
  readonly endpoint?: readonly string[];
  readonly region?: string;
  readonly json?: boolean;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** What its parent does when none is named. */
  readonly isDefault?: true;
  /** Arguments as commander writes them: `<name>`, `[names...]`, with what they are. */
  readonly args?: readonly (readonly [string, string])[];
  readonly options?: readonly Option[];
  readonly examples: readonly string[];
  /** More to know, below the options. */
  readonly notes?: string;
}

/**
 * Adds a command to a program, with the options that all commands share, its examples, and its errors told as one line.
 *
 * @param run gets the options, and the arguments in their order; those that were left out are not there
 */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- a command says which options it defines
export function addCommand<Options extends object>(
  parent: Command,
  io: Io,
  spec: CommandSpec,
  run: (session: Session, options: Options, args: readonly string[]) => Promise<void>,
): Command {
  const command = parent
    .command(spec.name, { isDefault: spec.isDefault === true })
    .summary(spec.summary)
    .description(`${spec.summary}.`);
  for (const [name, description] of spec.args ?? []) command.argument(name, description);
  for (const option of spec.options ?? []) command.addOption(option);
  addCommonOptions(command);
  const examples = spec.examples.map((example) => `  $ ${example}`).join('\n');
  command.addHelpText('after', `\n${spec.notes === undefined ? '' : `${spec.notes}\n\n`}Example:\n${examples}`);
  command.action(async (...parameters: unknown[]) => {
    const options = command.optsWithGlobals<Options & CommonOptions>();
    let session: Session | undefined;
    try {
      session = openSession(io, options, (name) => command.getOptionValueSourceWithGlobals(name) === 'cli');
      // Options and command come last; a list of arguments comes as a list.
      const args = (parameters.slice(0, -2) as readonly (string | string[] | undefined)[]).flat();
      await run(
        session,
        options,
        args.filter((arg) => arg !== undefined),
      );
    } catch (error) {
      if (error instanceof CommanderError) command.error(error.message, { exitCode: error.exitCode, code: error.code });
      const told = error instanceof CommandFailed;
      if (!told) reportError(error, session ?? { io, json: options.json === true, endpoints: [] });
      throw new CommanderError(EXIT.failed, 'lockstep.failed', '');
    }
  });
  return command;
}

export function addCommonOptions(command: Command): void {
  command
    .addOption(
      new Option(
        '--endpoint <url>',
        `where Lockstep answers; repeatable, or a list with commas (env LOCKSTEP_ENDPOINT, default ${DEFAULT_ENDPOINT})`,
      ).argParser(collectUrls),
    )
    .option('--region <name>', 'sign for this AWS region, where the name of an https endpoint does not tell it')
    .option('--json', 'print JSON for a program instead of text for a person');
}

function collectUrls(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), ...parseUrls(text)];
}

function parseUrls(text: string): string[] {
  const urls = splitList(text);
  const wrong = urls.find((url) => !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol));
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is no http URL.`);
  return urls.map((url) => url.replace(/\/+$/, ''));
}

/** `a,b` */
function splitList(text: string): string[] {
  return text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
}

function openSession(io: Io, options: CommonOptions, isGiven: Session['isGiven']): Session {
  const given = options.endpoint ?? urlsOfEnvironment(io);
  const endpoints = given.length > 0 ? given : [DEFAULT_ENDPOINT];
  const reach = { endpoints, sign: signer(options.region) };
  const json = options.json === true;
  let client: LockstepClient | undefined;
  return {
    io,
    json,
    terminal: new Terminal(io, json),
    endpoints,
    endpointGiven: given.length > 0,
    reach,
    isGiven,
    get client() {
      return (client ??= new LockstepClient({ ...reach, retryForMs: RETRY_FOR_MS }));
    },
    printJson: (value) => io.stdout.write(`${JSON.stringify(value)}\n`),
  };
}

function urlsOfEnvironment({ env }: Io): string[] {
  try {
    return parseUrls(env['LOCKSTEP_ENDPOINT'] ?? '');
  } catch (error) {
    throw new InvalidArgumentError(`error: LOCKSTEP_ENDPOINT: ${messageOf(error)}`);
  }
}
