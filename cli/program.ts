import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { addAppend } from './commands/append.js';
import { addMoveHome, addSwitchover } from './commands/change-route.js';
import { addCommonOptions, EXIT } from './commands/command.js';
import { addAudit } from './commands/audit.js';
import { addConflicts } from './commands/conflicts.js';
import { addIncidents } from './commands/incidents.js';
import { addPredict } from './commands/predict.js';
import { addReconcile } from './commands/reconcile.js';
import { addRoute } from './commands/route.js';
import { addScale } from './commands/scale.js';
import { addServe } from './commands/serve.js';
import { addStreams } from './commands/streams.js';
import { addTail } from './commands/tail.js';
import { addTour } from './commands/tour.js';
import { addTx } from './commands/tx.js';
import { addVerify } from './commands/verify.js';
import { messageOf } from './errors.js';
import type { Io } from './ui/terminal.js';

const EXIT_CODES = `
Exit codes: 0 done, 1 refused or failed, 2 not called as it wants to be.
Errors are one line on stderr, with --json the problem document (RFC 9457).`;

/** The command with everything below it. */
function createProgram(io: Io): Command {
  const program = new Command('lockstep')
    .description('Atomic transactions across event streams, mirrored to another site before they are acknowledged.')
    .version(packageVersion(io), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError('(add --help for what it takes)');
  for (const add of [addServe, addTour, addStreams, addAppend, addTail, addTx]) add(program, io);
  for (const add of [addRoute, addSwitchover, addMoveHome, addReconcile, addVerify, addAudit, addPredict, addScale])
    add(program, io);
  for (const add of [addIncidents, addConflicts]) add(program, io);
  addCommonOptions(program);
  return program;
}

/**
 * Runs one command line.
 *
 * @param argv without the program's own name @returns the exit code
 */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const program = createProgram(io);
  prepare(program, io);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      io.stderr.write(`lockstep: ${messageOf(error)}\n`);
      return EXIT.failed;
    }
    if (error.code === 'lockstep.failed') return EXIT.failed;
    return error.code === 'commander.helpDisplayed' || error.code === 'commander.version' ? EXIT.ok : EXIT.usage;
  }
}

/** Commander writes to the process and ends it; here it does neither. */
function prepare(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    getOutHelpWidth: () => io.stdout.columns ?? 80,
    getErrHelpWidth: () => io.stderr.columns ?? 80,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  for (const child of command.commands) prepare(child, io);
}

function packageVersion({ env }: Io): string {
  // The launcher says where the package lies.
  const file = join(env['LOCKSTEP_PACKAGE_ROOT'] ?? '.', 'package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string };
  return version;
}
