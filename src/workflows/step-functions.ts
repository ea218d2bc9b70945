import type { Choice, Each, Retry, State, Task, Workflow } from './declaration.js';

/** What the call of a function itself may meet, before or instead of its answer: steps may be repeated. */
const CALL_FAILED = {
  ErrorEquals: [
    'Lambda.ServiceException',
    'Lambda.AWSLambdaException',
    'Lambda.SdkClientException',
    'Lambda.TooManyRequestsException',
  ],
  MaxAttempts: 6,
  IntervalSeconds: 2,
  BackoffRate: 2,
  JitterStrategy: 'FULL',
};

/**
 * A workflow in Amazon States Language. A step is a call of one function, which gets `{step, context, item?}` and answers
 * what the step answers; its errors have the names by which retries know them.
 *
 * @param functionArn of the function that performs steps
 */
export function toStepFunctions(workflow: Workflow, functionArn: string): object {
  const states = Object.entries(workflow.states).map(([name, state]) => [name, compile(state, functionArn)] as const);
  return {
    Comment: workflow.comment,
    TimeoutSeconds: workflow.timeoutSeconds,
    StartAt: workflow.startAt,
    States: Object.fromEntries(states),
  };
}

function compile(state: State, functionArn: string): object {
  switch (state.kind) {
    case 'task':
      return { ...call(state, functionArn, { 'context.$': '$' }), ...catching(state), ...after(state) };
    case 'each':
      return each(state, functionArn);
    case 'choice':
      return choice(state);
    case 'wait':
      return { Type: 'Wait', Seconds: state.seconds, Next: state.next };
    case 'end':
      return { Type: 'Succeed' };
    case 'fail':
      return { Type: 'Fail', ErrorPath: '$.error.Error', CausePath: '$.error.Cause' };
  }
}

function call({ step, timeoutSeconds, retry }: Task | Each, functionArn: string, input: object): object {
  return {
    Type: 'Task',
    Resource: functionArn,
    Parameters: { step, ...input },
    TimeoutSeconds: timeoutSeconds,
    Retry: [...(retry ? [retrying(retry)] : []), CALL_FAILED],
  };
}

function each(state: Each, functionArn: string): object {
  return {
    Type: 'Map',
    ItemsPath: `$.${state.over}`,
    ItemSelector: { 'context.$': '$', 'item.$': '$$.Map.Item.Value' },
    MaxConcurrency: state.concurrency,
    ItemProcessor: {
      ProcessorConfig: { Mode: 'INLINE' },
      StartAt: state.step,
      States: {
        [state.step]: { ...call(state, functionArn, { 'context.$': '$.context', 'item.$': '$.item' }), End: true },
      },
    },
    ...catching(state),
    ...after(state),
  };
}

function choice({ on, yes, no }: Choice): object {
  const variable = `$.${on}`;
  const isTrue = {
    And: [
      { Variable: variable, IsPresent: true },
      { Variable: variable, BooleanEquals: true },
    ],
  };
  return { Type: 'Choice', Choices: [{ ...isTrue, Next: yes }], Default: no };
}

function retrying({ on, times, pauseSeconds, backoff }: Retry): object {
  return {
    ErrorEquals: on === 'any' ? ['States.ALL'] : [...on],
    MaxAttempts: times,
    IntervalSeconds: Math.max(1, Math.round(pauseSeconds)),
    BackoffRate: backoff,
    JitterStrategy: 'FULL',
  };
}

function catching({ otherwise }: Task | Each): object {
  if (otherwise === undefined) return {};
  return { Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: otherwise }] };
}

function after({ into, next }: Task | Each): object {
  return {
    ResultPath: into === undefined ? null : `$.${into}`,
    ...(next === undefined ? { End: true } : { Next: next }),
  };
}
