import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ConflictAnswer, ConflictFunctions, ConflictQuestion } from '../../ports/conflict-functions.js';
import type { Clock } from '../../ports/environment.js';

/** Chooses between two changes of one (stream, key), neither of which knew of the other. */
export type ConflictFunction = (question: ConflictQuestion) => ConflictAnswer | Promise<ConflictAnswer>;

/** In the thread: loads the module, asks it once, and tells. */
const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.module)
    .then(({ default: choose }) => choose(workerData.question))
    .then((answer) => parentPort.postMessage({ answer: JSON.stringify(answer) ?? null }),
          (error) => parentPort.postMessage({ error: String(error?.message ?? error) }));
`;

/** @param functions by name: functions, or the paths of modules that export one as `default` */
export function conflictFunctions(
  functions: Readonly<Record<string, ConflictFunction | string>>,
  clock: Clock,
): ConflictFunctions {
  return {
    names: Object.keys(functions),
    choose: async (name, question, timeoutMs) => {
      const given = Object.hasOwn(functions, name) ? functions[name] : undefined;
      if (given === undefined) throw new Error(`there is no function ${name} in the configuration`);
      if (typeof given === 'string') return inThread(given, question, timeoutMs);
      const late = clock.sleep(timeoutMs).then(() => Promise.reject(tooLong(timeoutMs)));
      late.catch(() => undefined);
      return Promise.race([Promise.resolve(question).then(given), late]);
    },
  };
}

const tooLong = (timeoutMs: number): Error => new Error(`it took longer than ${timeoutMs} ms`);

/** A thread of its own: a loop in it stops nobody else, and ends with the thread. */
function inThread(path: string, question: ConflictQuestion, timeoutMs: number): Promise<unknown> {
  const module = pathToFileURL(resolve(path)).href;
  const worker = new Worker(THREAD, { eval: true, workerData: { module, question } });
  return new Promise<unknown>((answered, failed) => {
    const timer = setTimeout(() => failed(tooLong(timeoutMs)), timeoutMs);
    worker.once('message', ({ answer, error }: { readonly answer?: string | null; readonly error?: string }) => {
      clearTimeout(timer);
      if (error === undefined) answered(answer === null || answer === undefined ? undefined : JSON.parse(answer));
      else failed(new Error(error));
    });
    // What it had told before comes first, if it had told anything.
    worker.once('exit', (code) => {
      clearTimeout(timer);
      failed(new Error(`its thread ended with exit code ${code}`));
    });
    worker.once('error', (error) => {
      clearTimeout(timer);
      failed(error instanceof Error ? error : new Error(String(error)));
    });
  }).finally(() => void worker.terminate());
}
