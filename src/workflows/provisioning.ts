import { PASSING, type Workflow, checked } from './declaration.js';

/** Creating a stream takes tens of seconds: `begin` starts this and does not wait. */
export const PROVISIONING: Workflow = checked({
  name: 'provisioning',
  comment: 'Creates and fills the replicas that a site lacks',
  timeoutSeconds: 3600,
  startAt: 'Tend',
  states: {
    Tend: {
      kind: 'task',
      step: 'tend',
      into: 'tended',
      timeoutSeconds: 900,
      retry: PASSING,
      otherwise: 'Failed',
      next: 'Ready?',
    },
    'Ready?': { kind: 'choice', on: 'tended.over', yes: 'Done', no: 'Pause' },
    Pause: { kind: 'wait', seconds: 5, next: 'Tend' },
    Done: { kind: 'end' },
    Failed: { kind: 'fail' },
  },
});
