import { Logger } from '@aws-lambda-powertools/logger';
import type { IncidentKind } from '../../core/api.js';
import { type Observer, STANDING } from '../../ports/environment.js';
import { METRICS, METRICS_NAMESPACE } from './names.js';

/** Incidents that somebody should know of; a planned move and a return are none. */
const LEFT: ReadonlySet<unknown> = new Set<IncidentKind>(['switchover', 'shrink', 'takeover', 'unclean-takeover']);

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

/**
 * Notes as structured log lines, and counts and standings as metrics in CloudWatch's embedded format. A note names ids, sites and streams,
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
        const metrics = metricsOf(what, facts);
        if (Object.keys(metrics).length > 0) write(`${JSON.stringify(embedded(deployment, site, metrics))}\n`);
      } catch {
        // Telling must never stop what is told of.
      }
    },
  };
}

function metricsOf(what: string, facts: Readonly<Record<string, unknown>>): Readonly<Record<string, number>> {
  if (what === STANDING)
    return { [METRICS.sitesOut]: Number(facts['out']), [METRICS.streamsBehind]: Number(facts['behind']) };
  const counted = LEFT.has(facts['kind']) ? METRICS.incidents : COUNTED[what];
  return counted === undefined ? {} : { [counted]: 1 };
}

function embedded(deployment: string, site: string, metrics: Readonly<Record<string, number>>): unknown {
  return {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [
        {
          Namespace: METRICS_NAMESPACE,
          Dimensions: [['Deployment', 'Site']],
          Metrics: Object.keys(metrics).map((Name) => ({ Name, Unit: 'Count' })),
        },
      ],
    },
    Deployment: deployment,
    Site: site,
    ...metrics,
  };
}
