import type { Json } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import type { Clock, Random } from '../ports/environment.js';
import type { Context, Perform } from '../ports/workflows.js';
import type { Choice, Each, Failure, Retry, State, Task, Workflow } from './declaration.js';

const SLICE_MS = 200;

export interface Surroundings {
  readonly perform: Perform;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the workflow before its next state. */
  readonly stopping?: AbortSignal;
}

/** Thrown where a workflow is ended from outside, or takes too long. */
export class WorkflowEnded extends Error {
  override readonly name = 'WorkflowEnded';
}

/**
 * Runs a workflow in this process, as Step Functions would run what it compiles to.
 *
 * @returns the context at its end @throws the error of the step that made it fail, WorkflowEnded
 */
export async function run(workflow: Workflow, given: Context, surroundings: Surroundings): Promise<Context> {
  const { clock, stopping } = surroundings;
  const endMs = clock.now() + workflow.timeoutSeconds * 1000;
  let context = given;
  let failure: unknown;
  let at: string | undefined = workflow.startAt;
  while (at !== undefined) {
    if (stopping?.aborted) throw new WorkflowEnded(`${workflow.name} was stopped; it begins anew at the next start`);
    if (clock.now() > endMs) throw new WorkflowEnded(`${workflow.name} took longer than it may`);
    const state: State | undefined = workflow.states[at];
    if (!state) throw new Error(`${workflow.name}: there is no state ${at}`);
    switch (state.kind) {
      case 'task':
      case 'each': {
        const end: Ended = await work(state, context, surroundings);
        failure = end.failure ?? failure;
        context = end.context;
        at = end.next;
        break;
      }
      case 'choice':
        at = isTrue(context, state) ? state.yes : state.no;
        break;
      case 'wait':
        await pause(state.seconds * 1000, surroundings);
        at = state.next;
        break;
      case 'end':
        return context;
      case 'fail':
        throw failure;
    }
  }
  return context;
}

/** In slices: who ends this must not wait for the rest of it. */
async function pause(ms: number, { clock, stopping }: Surroundings): Promise<void> {
  for (let leftMs = ms; leftMs > 0 && !stopping?.aborted; leftMs -= SLICE_MS) {
    await clock.sleep(Math.min(SLICE_MS, leftMs));
  }
}

interface Ended {
  readonly context: Context;
  readonly next?: string;
  readonly failure?: unknown;
}

async function work(state: Task | Each, context: Context, surroundings: Surroundings): Promise<Ended> {
  const next = state.next === undefined ? {} : { next: state.next };
  try {
    const answer =
      state.kind === 'task' ? await attempts(state, context, surroundings) : await each(state, context, surroundings);
    return { context: state.into === undefined ? context : { ...context, [state.into]: answer ?? null }, ...next };
  } catch (failure) {
    if (state.otherwise === undefined) throw failure;
    const error = {
      Error: errorName(failure),
      Cause: failure instanceof Error ? failure.message : String(failure),
    } satisfies Failure;
    return { context: { ...context, error }, next: state.otherwise, failure };
  }
}

/** So many at a time; the answers stand in the order of the items. */
async function each(state: Each, context: Context, surroundings: Surroundings): Promise<Json> {
  const items = memberOf(context, state.over);
  if (!Array.isArray(items)) throw new Error(`${state.over} is no list`);
  const answers: Json[] = items.map(() => null);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      answers[index] = (await attempts(state, { ...context, item: items[index] as Json }, surroundings)) ?? null;
    }
  };
  await Promise.all(Array.from({ length: state.concurrency }, worker));
  return answers;
}

async function attempts(
  { step, retry }: Task | Each,
  context: Context,
  surroundings: Surroundings,
): Promise<Json | undefined> {
  const { perform, random, stopping } = surroundings;
  for (let failed = 0; ; failed += 1) {
    try {
      return await perform(step, context);
    } catch (error) {
      if (!retry || failed >= retry.times || !isMeant(retry, error) || stopping?.aborted) throw error;
      // Full jitter, as Step Functions has it.
      await pause(retry.pauseSeconds * 1000 * retry.backoff ** failed * random.next(), surroundings);
    }
  }
}

const isMeant = ({ on }: Retry, error: unknown): boolean => on === 'any' || on.includes(errorName(error));

/** By this name a retry knows an error, here as on Step Functions. */
export function errorName(error: unknown): string {
  if (error instanceof LockstepError) return error.code;
  return error instanceof Error ? error.name : 'Error';
}

const isTrue = (context: Context, { on }: Choice): boolean => memberOf(context, on) === true;

function memberOf(context: Context, path: string): Json | undefined {
  return path
    .split('.')
    .reduce<Json | undefined>(
      (value, name) =>
        typeof value === 'object' && value !== null && !Array.isArray(value)
          ? (value as Readonly<Record<string, Json>>)[name]
          : undefined,
      context,
    );
}
