import { PASSING, type Workflow, checked } from './declaration.js';

/**
 * A site is made equal to the others: one that comes back fences and cleans itself and joins first; one in sync is only
 * compared. What differs is copied, the streams are filled from the log, and a proof is kept.
 */
export const RECONCILIATION: Workflow = checked({
  name: 'reconciliation',
  comment: 'Compares a site with the others, copies what it lacks, keeps a proof',
  timeoutSeconds: 6 * 3600,
  startAt: 'Auditing?',
  states: {
    'Auditing?': { kind: 'choice', on: 'auditing', yes: 'Audit', no: 'Returning?' },
    Audit: { kind: 'task', step: 'audit', timeoutSeconds: 900, retry: PASSING, otherwise: 'Give up' },
    'Returning?': { kind: 'choice', on: 'returning', yes: 'Fence', no: 'Plan' },
    Fence: {
      kind: 'task',
      step: 'fenceSelf',
      into: 'round',
      timeoutSeconds: 60,
      otherwise: 'Give up',
      next: 'Resolve',
    },
    Resolve: {
      kind: 'task',
      step: 'resolveDiverged',
      timeoutSeconds: 900,
      otherwise: 'Give up',
      next: 'Clean',
    },
    Clean: { kind: 'task', step: 'clean', timeoutSeconds: 900, otherwise: 'Give up', next: 'Join' },
    Join: { kind: 'task', step: 'beginJoin', into: 'since', timeoutSeconds: 60, otherwise: 'Give up', next: 'Plan' },
    Plan: {
      kind: 'task',
      step: 'planWindows',
      into: 'plan',
      timeoutSeconds: 120,
      otherwise: 'Give up',
      next: 'Compare',
    },
    Compare: {
      kind: 'task',
      step: 'compareWindows',
      into: 'before',
      timeoutSeconds: 900,
      retry: PASSING,
      otherwise: 'Give up',
      next: 'Copy',
    },
    Copy: {
      kind: 'task',
      step: 'copyMissing',
      into: 'copied',
      timeoutSeconds: 900,
      otherwise: 'Give up',
      next: 'Joining?',
    },
    'Joining?': { kind: 'choice', on: 'returning', yes: 'Enter', no: 'Drain' },
    Enter: { kind: 'task', step: 'finishJoin', timeoutSeconds: 60, otherwise: 'Give up', next: 'Drain' },
    Drain: {
      kind: 'task',
      step: 'drain',
      into: 'drained',
      timeoutSeconds: 300,
      retry: PASSING,
      otherwise: 'Give up',
      next: 'Drained?',
    },
    'Drained?': { kind: 'choice', on: 'drained.over', yes: 'Prove', no: 'Pause' },
    Pause: { kind: 'wait', seconds: 1, next: 'Drain' },
    Prove: { kind: 'task', step: 'prove', timeoutSeconds: 900, otherwise: 'Give up', next: 'Fail back' },
    'Fail back': { kind: 'task', step: 'failBack', timeoutSeconds: 60 },
    'Give up': { kind: 'task', step: 'giveUp', timeoutSeconds: 60, retry: PASSING, next: 'Failed' },
    Failed: { kind: 'fail' },
  },
});
