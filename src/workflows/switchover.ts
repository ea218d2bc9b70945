import { PASSING, type Workflow, checked } from './declaration.js';

/**
 * The request that meets a failure moves the stream, or takes over, at once. This completes it: an interrupted takeover
 * is finished (fence, adopt, serve), functions that read follow, and it is told when all is level.
 */
export const SWITCHOVER: Workflow = checked({
  name: 'switchover',
  comment: 'Completes a switchover or takeover: fence, adopt, move consumers, verify, notify',
  timeoutSeconds: 900,
  startAt: 'Finish takeover',
  states: {
    'Finish takeover': {
      kind: 'task',
      step: 'finishTakeover',
      timeoutSeconds: 120,
      retry: PASSING,
      otherwise: 'Failed',
      next: 'Move consumers',
    },
    'Move consumers': {
      kind: 'task',
      step: 'moveConsumers',
      timeoutSeconds: 120,
      retry: PASSING,
      otherwise: 'Failed',
      next: 'Verify',
    },
    Verify: {
      kind: 'task',
      step: 'verifyActive',
      into: 'verified',
      timeoutSeconds: 60,
      retry: PASSING,
      otherwise: 'Failed',
      next: 'Level?',
    },
    'Level?': { kind: 'choice', on: 'verified.well', yes: 'Notify', no: 'Pause' },
    Pause: { kind: 'wait', seconds: 5, next: 'Verify' },
    Notify: { kind: 'task', step: 'tellSwitched', timeoutSeconds: 60 },
    Failed: { kind: 'fail' },
  },
});
