import type { Json } from '../core/api.js';

/** The work of several steps that outlives a request: declared in src/workflows/, run by the engine. */
export type WorkflowName = 'reconciliation' | 'switchover' | 'provisioning';

/** What travels from step to step: JSON, a member per step that had something to tell. */
export type Context = Readonly<Record<string, Json>>;

/** Performs one step: idempotent, so that it may be repeated, by anyone and at any time. */
export type Perform = (step: string, context: Context) => Promise<Json | undefined>;

/** One run of a workflow. */
export interface Run {
  readonly workflow: WorkflowName;
  readonly context: Context;
  /**
   * Of this run alone, of letters, digits, `-` and `_`, at most 80. It names the incident, so that each is found by the
   * other.
   */
  readonly name: string;
  /** Where runs are seen by all processes of a site: there is none while one is under way whose name begins so. */
  readonly unless?: string;
}

export interface Workflows {
  /**
   * Runs a workflow of this site. Resolves when it has ended, or, where it is run elsewhere, once it is on its way there.
   *
   * @param perform how its steps are done where it is run in this process
   * @throws the error of the step that could not be done, where it is run in this process
   * @throws PortUnavailable, PortThrottled it could not be started
   */
  run(run: Run, perform: Perform): Promise<void>;
}
