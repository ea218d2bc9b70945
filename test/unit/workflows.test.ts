import fc from 'fast-check';
import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { LockstepError } from '../../src/core/errors.js';
import type { Json } from '../../src/core/api.js';
import type { Site } from '../../src/app/site.js';
import { type StepName, performerOf } from '../../src/app/steps.js';
import type { Context } from '../../src/ports/workflows.js';
import { type State, type Workflow, checked } from '../../src/workflows/declaration.js';
import { WORKFLOWS } from '../../src/workflows/index.js';
import { WorkflowEnded, errorName, run } from '../../src/workflows/run.js';
import { toStepFunctions } from '../../src/workflows/step-functions.js';
import { interpret } from '../support/states-language.js';

type Perform = (step: string, context: Context) => Promise<Json | undefined>;

const named = (states: Record<string, State>, startAt = 'A'): Workflow =>
  checked({ name: 'switchover', comment: '', timeoutSeconds: 60, startAt, states });
const A: StepName = 'clean';
const B: StepName = 'drain';
const task = { kind: 'task', timeoutSeconds: 10 } as const;

function runs(workflow: Workflow, perform: Perform, context: Context = {}, stopping?: AbortSignal) {
  const clock = new VirtualClock();
  const ended = run(workflow, context, { perform, clock, random: seededRandom(1), ...(stopping ? { stopping } : {}) });
  return { clock, ended: clock.run(ended) };
}

describe('a workflow run in this process', () => {
  it('hands each step what those before it have left', async () => {
    const seen: Context[] = [];
    const workflow = named({
      A: { ...task, step: A, into: 'first', next: 'B' },
      B: { ...task, step: B },
    });
    const { ended } = runs(workflow, (step, context) => (seen.push(context), Promise.resolve(step)), { id: 'x' });
    await ended;
    expect(seen).toEqual([{ id: 'x' }, { id: 'x', first: A }]);
  });

  it('repeats a step for the errors it is told, as often as it is told', async () => {
    let calls = 0;
    const retry = { on: ['Throttled'], times: 2, pauseSeconds: 1, backoff: 2 };
    const fail = (code: 'Throttled' | 'NotFound') => () => {
      calls += 1;
      return Promise.reject(new LockstepError(code, 'no'));
    };
    const workflow = named({ A: { ...task, step: A, retry } });
    await expect(runs(workflow, fail('Throttled')).ended).rejects.toMatchObject({ code: 'Throttled' });
    expect(calls).toBe(3);
    await expect(runs(workflow, fail('NotFound')).ended).rejects.toMatchObject({ code: 'NotFound' });
    expect(calls).toBe(4);
  });

  it('does a step for each item, no more at a time than said, and keeps the order of the answers', async () => {
    const clock = new VirtualClock();
    let at = 0;
    let most = 0;
    const perform: Perform = async (_step, { item }) => {
      most = Math.max(most, (at += 1));
      await clock.sleep(10 * (5 - Number(item)));
      at -= 1;
      return Number(item) * 2;
    };
    const workflow = named({
      A: { kind: 'each', over: 'plan.items', concurrency: 2, step: A, into: 'out', timeoutSeconds: 10 },
    });
    const surroundings = { perform, clock, random: seededRandom(1) };
    const end = await clock.run(run(workflow, { plan: { items: [1, 2, 3, 4] } }, surroundings));
    expect(end['out']).toEqual([2, 4, 6, 8]);
    expect(most).toBe(2);
  });

  it('goes where it is told when a step fails, and fails with that error in the end', async () => {
    const seen: string[] = [];
    const workflow = named({
      A: { ...task, step: A, otherwise: 'B' },
      B: { ...task, step: B, next: 'C' },
      C: { kind: 'fail' },
    });
    const perform: Perform = (step, { error }) => {
      seen.push(`${step} ${JSON.stringify(error ?? null)}`);
      return step === A ? Promise.reject(new LockstepError('Unavailable', 'later')) : Promise.resolve(undefined);
    };
    await expect(runs(workflow, perform).ended).rejects.toMatchObject({ code: 'Unavailable' });
    expect(seen).toEqual([`${A} null`, `${B} {"Error":"Unavailable","Cause":"later"}`]);
  });

  it('ends when it takes longer than it may', async () => {
    const workflow = named({ A: { kind: 'wait', seconds: 7, next: 'A' } });
    const { ended, clock } = runs(workflow, () => Promise.resolve(undefined));
    await expect(ended).rejects.toThrow(WorkflowEnded);
    expect(clock.now()).toBeLessThan(new VirtualClock().now() + 70_000);
  });

  it('ends soon when it is stopped while it waits', async () => {
    const stopping = new AbortController();
    const workflow = named({ A: { kind: 'wait', seconds: 50, next: 'B' }, B: { ...task, step: B } });
    const perform = jest.fn(() => Promise.resolve(undefined));
    const { ended, clock } = runs(workflow, perform, {}, stopping.signal);
    const before = clock.now();
    stopping.abort();
    await expect(ended).rejects.toThrow(WorkflowEnded);
    expect(clock.now() - before).toBeLessThanOrEqual(200);
    expect(perform).not.toHaveBeenCalled();
  });
});

describe('a step', () => {
  it('that there is not is refused', async () => {
    const perform = performerOf(undefined as unknown as Site);
    await expect(perform('fly', {})).rejects.toMatchObject({ code: 'NotFound' });
    await expect(perform('constructor', {})).rejects.toMatchObject({ code: 'NotFound' });
  });
});

describe('a declaration', () => {
  it('is refused where a state leads nowhere, or is led to by none', () => {
    expect(() => named({ A: { ...task, step: A, next: 'X' } })).toThrow('there is no state X');
    expect(() => named({ A: { ...task, step: A }, B: { ...task, step: B } })).toThrow('nothing leads to B');
  });

  // What Step Functions would do, read off the States Language that we compile to, step by step.
  it.each(Object.values(WORKFLOWS))('$name does the same here and compiled to Step Functions', async (workflow) => {
    const definition = toStepFunctions(workflow, 'arn:function');
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.boolean(), async (seed, returning) => {
        const here = await traceOf(
          (perform, clock) => run(workflow, { returning }, { perform, clock, random: seededRandom(1) }),
          seed,
        );
        const there = await traceOf((perform, clock) => interpret(definition, { returning }, { perform, clock }), seed);
        expect(there).toEqual(here);
      }),
      { numRuns: 300 },
    );
  });
});

/** What a run of random answers and errors did, and how it ended. */
async function traceOf(
  start: (perform: Perform, clock: VirtualClock) => Promise<unknown>,
  seed: number,
): Promise<readonly string[]> {
  const clock = new VirtualClock();
  const trace: string[] = [];
  const calls = new Map<string, number>();
  // What a call does depends on the step, its item and how often it was called: not on the order of those at once.
  const perform: Perform = (step, context) => {
    const name = `${step} ${JSON.stringify(context['item'] ?? null)}`;
    const nth = (calls.get(name) ?? 0) + 1;
    calls.set(name, nth);
    trace.push(`${name} ${JSON.stringify(context)}`);
    const draw = seededRandom(hashOf(`${seed} ${name} ${nth}`)).next();
    if (draw < 0.08) return Promise.reject(new LockstepError('Unavailable', `${name} ${nth}`));
    if (draw < 0.1) return Promise.reject(new LockstepError('InvalidRequest', `${name} ${nth}`));
    const over = draw < 0.6;
    return Promise.resolve({ windows: [1, 2, 3], over, well: over });
  };
  const end = await clock.run(start(perform, clock)).then(
    () => 'well',
    (error: unknown) => `${errorName(error)}: ${error instanceof Error ? error.message : ''}`,
  );
  return [...trace.sort(), end];
}

const hashOf = (text: string): number => [...text].reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) | 0, 7);
