import type { HasMiddleware, Middleware } from '../../../src/adapters/aws/count-calls.js';
import type { Clock, Random } from '../../../src/ports/environment.js';

/** For clients that never send anything. */
export const NOWHERE = {
  region: 'us-east-1',
  endpoint: 'http://127.0.0.1:1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  maxAttempts: 1,
};

export interface Sent {
  readonly command: string;
  readonly input: Record<string, unknown>;
}

/** What a service answers to one command; an Error is thrown. */
export type Script = (sent: Sent, count: number) => object;

/** Answers every command of a client by a script, and notes them. */
export function scripted(client: HasMiddleware, script: Script): Sent[] {
  const all: Sent[] = [];
  const middleware: Middleware =
    (_, { commandName }) =>
    async ({ input }) => {
      const sent = { command: commandName?.replace(/Command$/, '') ?? '', input: { ...input } };
      all.push(sent);
      const answer = script(sent, all.length);
      if (answer instanceof Error) throw answer;
      return { output: { $metadata: {}, ...answer }, response: undefined };
    };
  client.middlewareStack.add(middleware, { step: 'initialize', name: 'scripted' });
  return all;
}

/** The answers one after the other, the last one again and again. */
export const inTurn =
  (...answers: readonly object[]): Script =>
  (_, count) =>
    answers[Math.min(count, answers.length) - 1] ?? {};

export function refused(name: string, status = 400, more: object = {}): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status }, ...more });
}

export const noAnswer = (): Error => Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });

/** Sleeps take no time, and are noted. */
export function sleepless(): Clock & { readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    pauses,
    now: () => 1_000_000,
    sleep: async (ms) => void pauses.push(ms),
    nextTurn: async () => undefined,
  };
}

export const half: Random = { next: () => 0.5, bytes: (count) => new Uint8Array(count).fill(7) };
