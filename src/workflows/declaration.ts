import type { StepName } from '../app/steps.js';
import type { WorkflowName } from '../ports/workflows.js';

/**
 * A workflow as data. The embedded engine runs it as it stands (run.ts); for AWS it is compiled to Step Functions
 * (step-functions.ts). What a step does is a use case (app/steps.ts); here stands only what follows what.
 */
export interface Workflow {
  readonly name: WorkflowName;
  readonly comment: string;
  /** After this the workflow has failed, whatever it was doing. */
  readonly timeoutSeconds: number;
  readonly startAt: string;
  readonly states: Readonly<Record<string, State>>;
}

export type State = Task | Each | Choice | Wait | End;

/** One step. */
export interface Task extends Attempts {
  readonly kind: 'task';
  readonly step: StepName;
  /** The member of the context that its answer becomes; without it the answer is dropped. */
  readonly into?: string;
  /** Without it the workflow ends here, well. */
  readonly next?: string;
}

/** The same step for each item of a list in the context; each finds its own as `item`. */
export interface Each extends Attempts {
  readonly kind: 'each';
  /** Where the list is: `plan.windows` */
  readonly over: string;
  readonly concurrency: number;
  readonly step: StepName;
  /** The member that the list of answers becomes, in the order of the items. */
  readonly into?: string;
  readonly next?: string;
}

export interface Choice {
  readonly kind: 'choice';
  /** Where a truth value is in the context; one that is not there is false. */
  readonly on: string;
  readonly yes: string;
  readonly no: string;
}

export interface Wait {
  readonly kind: 'wait';
  readonly seconds: number;
  readonly next: string;
}

/** Ends the workflow, well; or as failed, with the error that led here. */
export interface End {
  readonly kind: 'end' | 'fail';
}

interface Attempts {
  /** For how long one attempt may take. */
  readonly timeoutSeconds: number;
  readonly retry?: Retry;
  /** Where to go on when no attempt did it; the error is then the member `error`. Without it the workflow fails. */
  readonly otherwise?: string;
}

/** Attempts after the first, each after a longer pause. */
export interface Retry {
  /** Names of errors, codes of `LockstepError` among them; `any` for all. */
  readonly on: readonly string[] | 'any';
  readonly times: number;
  readonly pauseSeconds: number;
  readonly backoff: number;
}

/** For what may pass by itself. */
export const PASSING: Retry = {
  on: ['Unavailable', 'Undetermined', 'Throttled', 'PortUnavailable', 'PortThrottled'],
  times: 3,
  pauseSeconds: 1,
  backoff: 2,
};

/** What went wrong, as a later step finds it in the member `error`: in the shape that Step Functions gives it. */
export interface Failure {
  readonly Error: string;
  readonly Cause: string;
}

/** @throws Error where a state leads nowhere, or is led to by none: a mistake in the declaration */
export function checked(workflow: Workflow): Workflow {
  const targets = new Set([workflow.startAt, ...Object.values(workflow.states).flatMap(nextOf)]);
  for (const target of targets) {
    if (!Object.hasOwn(workflow.states, target)) throw new Error(`${workflow.name}: there is no state ${target}`);
  }
  for (const name of Object.keys(workflow.states)) {
    if (!targets.has(name)) throw new Error(`${workflow.name}: nothing leads to ${name}`);
  }
  return workflow;
}

function nextOf(state: State): readonly string[] {
  switch (state.kind) {
    case 'task':
    case 'each':
      return [state.next, state.otherwise].filter((name) => name !== undefined);
    case 'choice':
      return [state.yes, state.no];
    case 'wait':
      return [state.next];
    case 'end':
    case 'fail':
      return [];
  }
}
