import { Logger } from '@aws-lambda-powertools/logger';
import type { Observer } from '../../ports/environment.js';

/** Notes that are counted, each under a metric of this name. */
const COUNTED: Readonly<Record<string, string>> = {
  'breaker opens': 'BreakersOpened',
  'breaker closes': 'BreakersClosed',
  'stream falls behind': 'StreamsFellBehind',
  'stream is level': 'StreamsLevel',
  'put failed': 'PutsFailed',
  'replicate failed': 'ReplicationsFailed',
  'stage failed': 'StagingsFailed',
  'a follower does not take a decision': 'DecisionsNotTaken',
  'another decision of the same id stands here': 'DecisionsForked',
  expires: 'TransactionsExpired',
  overruled: 'TransactionsOverruled',
};
/** Of these somebody should look at each. */
const WARNED: ReadonlySet<string> = new Set([
  'breaker opens',
  'a follower does not take a decision',
  'another decision of the same id stands here',
  'overruled',
  'cannot leave a site',
]);

const METRICS_NAMESPACE = 'Lockstep';

/**
 * Notes as structured log lines, and counts as metrics in CloudWatch's embedded format. A note names ids, sites and streams,
 * never what an event says.
 *
 * @param write takes one line @default the process's standard output
 */
export function createObserver(
  deployment: string,
  site: string,
  write: (line: string) => void = (line) => void process.stdout.write(line),
): Observer {
  const logger = new Logger({ serviceName: deployment, persistentKeys: { site } });
  return {
    note: (what, facts = {}) => {
      try {
        const level = WARNED.has(what) || what.endsWith(' failed') ? 'warn' : 'info';
        logger[level](what, { facts });
        const metric = COUNTED[what];
        if (metric !== undefined) write(`${JSON.stringify(embedded(deployment, site, metric))}\n`);
      } catch {
        // Telling must never stop what is told of.
      }
    },
  };
}

function embedded(deployment: string, site: string, metric: string): unknown {
  return {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [
        {
          Namespace: METRICS_NAMESPACE,
          Dimensions: [['Deployment', 'Site']],
          Metrics: [{ Name: metric, Unit: 'Count' }],
        },
      ],
    },
    Deployment: deployment,
    Site: site,
    [metric]: 1,
  };
}
