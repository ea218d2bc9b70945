import { SFNClient } from '@aws-sdk/client-sfn';
import { stepFunctionsWorkflows } from '../../../src/adapters/aws/step-functions.js';
import { PortThrottled, PortUnavailable } from '../../../src/ports/failures.js';
import type { Run } from '../../../src/ports/workflows.js';
import { caught } from '../../contract/support.js';
import { NOWHERE, type Script, half, inTurn, noAnswer, refused, scripted, sleepless } from './scripted.js';

const RUN: Run = { workflow: 'switchover', context: { incident: 'i-1' }, name: 'i-1' };
const RETURN: Run = { workflow: 'reconciliation', context: {}, name: 'return-2', unless: 'return-' };

function workflowsOn(script: Script) {
  const client = new SFNClient(NOWHERE);
  const sent = scripted(client, script);
  const arnOf = (workflow: string) => `arn:${workflow}`;
  const workflows = stepFunctionsWorkflows({ client, arnOf, clock: sleepless(), random: half });
  const perform = () => Promise.reject(new Error('steps are done elsewhere'));
  return { run: (run: Run) => workflows.run(run, perform), sent, commands: () => sent.map(({ command }) => command) };
}

describe('workflows on Step Functions', () => {
  it('are started under their own name, with their context', async () => {
    const { run, sent } = workflowsOn(() => ({}));
    await run(RUN);
    expect(sent).toEqual([
      {
        command: 'StartExecution',
        input: { stateMachineArn: 'arn:switchover', name: 'i-1', input: '{"incident":"i-1"}' },
      },
    ]);
  });

  it('are started again with the same name where nobody knows whether they were', async () => {
    const { run, sent } = workflowsOn(inTurn(noAnswer(), refused('ThrottlingException'), {}));
    await run(RUN);
    expect(new Set(sent.map(({ input }) => input['name']))).toEqual(new Set(['i-1']));
    expect(sent).toHaveLength(3);
  });

  it('that were started before, and have ended, are not started again', async () => {
    const { run, sent } = workflowsOn(inTurn(noAnswer(), refused('ExecutionAlreadyExists')));
    await run(RUN);
    expect(sent).toHaveLength(2);
  });

  it('are left where another is under way that rules them out, on whatever page it stands', async () => {
    const running = (name: string, nextToken?: string) => ({ executions: [{ name }], nextToken });
    const { run, sent, commands } = workflowsOn(inTurn(running('01AB', 'more'), running('return-1')));
    await run(RETURN);
    expect(commands()).toEqual(['ListExecutions', 'ListExecutions']);
    expect(sent[1]?.input).toMatchObject({ statusFilter: 'RUNNING', nextToken: 'more' });
  });

  it('are started where others are under way', async () => {
    const { run, commands } = workflowsOn(inTurn({ executions: [{ name: '01AB' }, { name: 'compare-return-1' }] }, {}));
    await run(RETURN);
    expect(commands()).toEqual(['ListExecutions', 'StartExecution']);
  });

  it('that cannot be started are for later', async () => {
    expect(await caught(workflowsOn(() => noAnswer()).run(RUN))).toBeInstanceOf(PortUnavailable);
    const missing = workflowsOn(() => refused('StateMachineDoesNotExist'));
    expect(await caught(missing.run(RUN))).toBeInstanceOf(PortUnavailable);
    const full = workflowsOn(() => refused('ExecutionLimitExceeded'));
    expect(await caught(full.run(RUN))).toBeInstanceOf(PortThrottled);
  });
});
