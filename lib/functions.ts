import type { FunctionRole, TRAINER } from '../src/adapters/aws/names.js';
import type { Capability } from './permissions.js';

/** How one function of a site is set up, and why so. */
export interface FunctionDesign {
  readonly does: string;
  /** `request`: somebody waits for its answer. `schedule`: once a minute. `log`: the table's stream. */
  readonly calledBy: 'request' | 'schedule' | 'log';
  /** Memory buys processor time: 1,769 MiB are one whole one. */
  readonly memoryMiB: number;
  readonly timeoutSeconds: number;
  /** Whether only one may run at a time. */
  readonly single: boolean;
  readonly may: readonly Capability[];
  readonly why: string;
}

/**
 * Every function of a site, as data.
 *
 * Dead letters: who calls `api`, `mirror-agent` and `workflow-step` waits for the answer and repeats the call with the
 * same identifiers, so there is nothing to keep. A tick of a schedule that was not taken is not repeated either, since
 * the next one does the same; it goes to the queue of missed ticks, where it can be counted. Records of the log that
 * `backfill` cannot take go to the queue of dead letters, which has an alarm.
 */
export const FUNCTION_DESIGNS: Readonly<Record<FunctionRole | typeof TRAINER, FunctionDesign>> = {
  api: {
    does: 'the REST API',
    calledBy: 'request',
    memoryMiB: 1024,
    timeoutSeconds: 28,
    single: false,
    may: ['site-table', 'control-table', 'put', 'read', 'provision', 'call-sites', 'run-workflows'],
    why: 'API Gateway gives up after 29 s. A commit is a few ms of processor between waits; below 1 GiB TLS and JSON of a 4 MB batch are what one waits for. Any site may have to take over within a request, so it may do all that home does, but delete a stream.',
  },
  'mirror-agent': {
    does: 'what other sites ask of this one',
    calledBy: 'request',
    memoryMiB: 1024,
    timeoutSeconds: 60,
    single: false,
    may: ['site-table', 'control-table', 'put', 'read', 'provision', 'call-sites', 'run-workflows', 'move-consumers'],
    why: 'On the path of each commit, so as fast as `api`, and as many at once. A request that is passed on may poll for 20 s; comparing a range takes longest. It answers requests that were passed on, so it may do what `api` may.',
  },
  sweeper: {
    does: 'raises the bar, finishes what nobody came back for, forgets what is old',
    calledBy: 'schedule',
    memoryMiB: 256,
    timeoutSeconds: 120,
    single: true,
    may: ['site-table', 'control-table', 'put', 'call-sites', 'run-workflows'],
    why: 'It waits most of a minute, between two bars, so it is small. The next tick finds it still at work where much is left over; two would do the same work twice.',
  },
  applier: {
    does: 'drains the backlogs of this site’s streams',
    calledBy: 'schedule',
    memoryMiB: 512,
    timeoutSeconds: 300,
    single: true,
    may: ['site-table', 'control-table', 'put'],
    why: 'A stream that was down for an hour has much to catch up with, in order: one at a time, and long.',
  },
  health: {
    does: 'probes the other sites; takes over, leaves, and has this one come back',
    calledBy: 'schedule',
    memoryMiB: 512,
    timeoutSeconds: 300,
    single: true,
    may: ['site-table', 'control-table', 'put', 'call-sites', 'run-workflows'],
    why: 'A takeover adopts what is pending, which is little. A return is a workflow: this starts it, unless one is under way.',
  },
  backfill: {
    does: 'follows this site’s log: foresees at a mirror what clients will write, and confirms at home what they wrote',
    calledBy: 'log',
    memoryMiB: 512,
    timeoutSeconds: 60,
    single: false,
    may: ['follow-log', 'site-table', 'control-table', 'call-sites', 'ask-predictor'],
    why: 'Off everybody’s path: a batch may wait. It stages candidates in the table that it follows, and announces them to home by its mirror agent; it has no business with streams.',
  },
  'workflow-step': {
    does: 'one step of a workflow',
    calledBy: 'request',
    memoryMiB: 512,
    timeoutSeconds: 900,
    single: false,
    may: [
      'site-table',
      'control-table',
      'put',
      'read',
      'provision',
      'replace',
      'call-sites',
      'run-workflows',
      'move-consumers',
    ],
    why: 'Steps are use cases as large as a reconciliation; the workflow sets the time-out of each.',
  },
  'stream-provisioner': {
    does: 'brings the declared streams about, and this site’s replicas to their definitions',
    calledBy: 'schedule',
    memoryMiB: 512,
    timeoutSeconds: 300,
    single: true,
    may: ['site-table', 'control-table', 'put', 'provision', 'call-sites', 'run-workflows', 'move-consumers'],
    why: 'A new mirror is filled from the log before it is ready. Two at once would reshape the same stream twice.',
  },
  trainer: {
    does: 'one step of the training of this site’s predictor: gathers, judges, remembers',
    calledBy: 'request',
    memoryMiB: 2048,
    timeoutSeconds: 900,
    single: false,
    may: ['read-log', 'training-files'],
    why: 'It holds what was committed since the last run while it writes it to the bucket, and judges three models, one after the other. It changes nothing but files: training cannot harm a transaction.',
  },
};
