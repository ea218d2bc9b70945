import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Bundle } from './bundle.js';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const START_TIMEOUT_MS = 20_000;

/** `lockstep …` as a process of its own: one that can be killed. */
export class CommandProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  /** @param shell what a shell does first, such as setting a limit */
  constructor(bundle: Bundle, args: readonly string[], shell?: string) {
    const command = [process.execPath, bundle.main, ...args];
    const [file = '', ...rest] =
      shell === undefined ? command : ['/bin/bash', '-c', `${shell}; exec "$@"`, 'bash', ...command];
    this.#child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (text: Buffer) => (this.#stdout += text.toString()));
    this.#child.stderr?.on('data', (text: Buffer) => (this.#stderr += text.toString()));
    this.#ended = once(this.#child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  ended(): Promise<Ended> {
    return this.#ended;
  }

  /** `kill -9`: it gets no chance to end anything. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Asked to end, as by Ctrl-C. */
  async stop(): Promise<Ended> {
    this.#child.kill('SIGINT');
    return this.#ended;
  }

  /** What the first line that it prints says. */
  async firstLine(): Promise<string> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!this.#stdout.includes('\n')) {
      const over = await Promise.race([
        this.#ended,
        once(this.#child.stdout!, 'data', { signal: AbortSignal.timeout(Math.max(1, deadline - Date.now())) }),
      ]);
      if (!Array.isArray(over)) throw new Error(`it ended at once: ${this.#stderr}`);
    }
    return this.#stdout.slice(0, this.#stdout.indexOf('\n'));
  }
}

export interface ServerOptions {
  readonly data: string;
  /** @default 0, a free one */
  readonly port?: number;
  readonly shell?: string;
}

export function spawnServer(bundle: Bundle, { data, port = 0, shell }: ServerOptions): CommandProcess {
  return new CommandProcess(bundle, ['serve', '--json', '--data', data, '--port', String(port)], shell);
}

export interface RunningServer {
  readonly process: CommandProcess;
  readonly url: string;
  readonly port: number;
}

/** Resolves when it serves. */
export async function startServer(bundle: Bundle, options: ServerOptions): Promise<RunningServer> {
  const process = spawnServer(bundle, options);
  const { url } = JSON.parse(await process.firstLine()) as { readonly url: string };
  return { process, url, port: Number(new URL(url).port) };
}
