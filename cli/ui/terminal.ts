import type { Readable } from 'node:stream';
import { createStyle, type Style, wantsColours } from './style.js';

/** Where text goes: a stream of the process, or a list in a test. */
export interface TextSink {
  write(text: string): void;
  /** Resolves when it takes more: awaited by whoever writes without end. */
  flush?(): Promise<void>;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** The world as a command sees it. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when a person wants it to end. */
  readonly interrupted: AbortSignal;
}

const USUAL_WIDTH = 80;

/** What a person sees. With `--json` it is stderr, since stdout is then a program's. */
export class Terminal {
  readonly sink: TextSink;
  readonly style: Style;
  readonly isTerminal: boolean;

  constructor(io: Io, json: boolean) {
    this.sink = json ? io.stderr : io.stdout;
    this.isTerminal = this.sink.isTTY === true && io.env['TERM'] !== 'dumb';
    this.style = createStyle(wantsColours(io.env, this.isTerminal));
  }

  /** Lines longer than this are cut; into a file or a pipe they are not. */
  get width(): number {
    return this.isTerminal ? (this.sink.columns ?? USUAL_WIDTH) : Number.POSITIVE_INFINITY;
  }

  print(...lines: string[]): void {
    for (const line of lines) this.sink.write(`${line}\n`);
  }
}
