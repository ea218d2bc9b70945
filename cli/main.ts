/** The command `lockstep`, as a process: its streams, signals and exit code. What it does is in `program.ts`. */
import { once } from 'node:events';
import { runCli } from './program.js';
import type { Io, TextSink } from './ui/terminal.js';

const EXIT_BY_SIGNAL = 130;

function sinkOf(stream: NodeJS.WriteStream): TextSink {
  let full = false;
  return {
    write: (text) => {
      full = !stream.write(text);
    },
    flush: async () => {
      if (full && stream.writableNeedDrain) await once(stream, 'drain');
    },
    isTTY: stream.isTTY,
    get columns() {
      return stream.columns;
    },
  };
}

/** The first Ctrl-C asks for a clean end, the second one does not wait for it. */
function interruptions(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_BY_SIGNAL);
    controller.abort();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  return controller.signal;
}

// A reader that went away (`lockstep tail orders | head`) wants no more; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const io: Io = {
  stdin: process.stdin,
  stdout: sinkOf(process.stdout),
  stderr: sinkOf(process.stderr),
  env: process.env,
  interrupted: interruptions(),
};

/** What was written before is out once this is. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

void runCli(process.argv.slice(2), io).then(async (code) => {
  await Promise.all([written(process.stdout), written(process.stderr)]);
  // The command is over; an answer that is still awaited somewhere (a long poll) keeps nobody waiting.
  process.exit(code);
});
