import { ListExecutionsCommand, type SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import type { Clock, Random } from '../../ports/environment.js';
import type { Run, WorkflowName, Workflows } from '../../ports/workflows.js';
import { failureOf, isNamed, portError } from './failures.js';
import { Backoff, type RetryLimits } from './retry.js';

export interface StepFunctionsOptions {
  /** Of the site's region; it must not retry by itself (`maxAttempts: 1`). */
  readonly client: SFNClient;
  readonly arnOf: (workflow: WorkflowName) => string;
  readonly clock: Clock;
  readonly random: Random;
  /** @default 4 attempts, within about a second */
  readonly retry?: RetryLimits;
}

/**
 * Workflows as state machines of Step Functions, whose steps are done by the function `workflow-step`.
 *
 * An execution has the name of its run, and Step Functions starts each name once: an attempt whose answer was lost starts
 * no second one. What is under way is listed a moment late, so that two runs may slip past each other: their steps bear it.
 */
export function stepFunctionsWorkflows({ client, arnOf, clock, random, retry }: StepFunctionsOptions): Workflows {
  const backoff = new Backoff(clock, random, retry);
  const repeated = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await backoff.run(call, (error) => failureOf(error) !== 'refused');
    } catch (error) {
      throw isNamed(error, 'ExecutionAlreadyExists') ? error : portError(error, `the state machine ${what}`);
    }
  };

  async function isUnderWay(stateMachineArn: string, prefix: string): Promise<boolean> {
    let nextToken: string | undefined;
    do {
      const asked = { stateMachineArn, statusFilter: 'RUNNING' as const, nextToken };
      const page = await repeated(stateMachineArn, () => client.send(new ListExecutionsCommand(asked)));
      if (page.executions?.some(({ name }) => name?.startsWith(prefix))) return true;
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return false;
  }

  return {
    async run({ workflow, context, name, unless }: Run): Promise<void> {
      const stateMachineArn = arnOf(workflow);
      if (unless !== undefined && (await isUnderWay(stateMachineArn, unless))) return;
      const started = { stateMachineArn, name, input: JSON.stringify(context) };
      try {
        await repeated(stateMachineArn, () => client.send(new StartExecutionCommand(started)));
      } catch (error) {
        if (!isNamed(error, 'ExecutionAlreadyExists')) throw error;
      }
    },
  };
}
