import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Stream } from 'aws-cdk-lib/aws-kinesis';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { FUNCTIONS, type FunctionRole, METRICS, METRICS_NAMESPACE, siteTableName } from '../src/adapters/aws/names.js';
import type { WorkflowName } from '../src/ports/workflows.js';
import { WORKFLOWS } from '../src/workflows/index.js';
import { FUNCTION_DESIGNS } from './functions.js';
import { alarmTopicName, dashboardName } from './names.js';
import type { Settings, SiteProps } from './props.js';

export interface MonitoringProps {
  readonly settings: Settings;
  readonly site: SiteProps;
  readonly key: IKey;
  readonly api: RestApi;
  readonly functions: Readonly<Record<FunctionRole, Function>>;
  readonly streams: ReadonlyMap<string, Stream>;
  readonly machines: Readonly<Record<WorkflowName, StateMachine>>;
  readonly deadLetters: Queue;
  readonly missedTicks: Queue;
}

interface AlarmDesign {
  readonly name: string;
  readonly metric: IMetric;
  /** Alarms above it, or below it where `below`. */
  readonly threshold: number;
  readonly below?: boolean;
  /** Of five minutes each. */
  readonly periods?: number;
  /** What has happened, and what to do. */
  readonly says: string;
}

const PERIOD = Duration.minutes(5);

/** A site's alarms with the topic that they go to, and its dashboard. */
export class Monitoring extends Construct {
  readonly topic: Topic;

  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const { settings, site, key } = props;
    // CloudWatch tells the topic, which is encrypted with the site's key.
    key.grant(new ServicePrincipal('cloudwatch.amazonaws.com'), 'kms:Decrypt', 'kms:GenerateDataKey*');
    this.topic = new Topic(this, 'Alarms', {
      topicName: alarmTopicName(settings.deployment, site.name),
      masterKey: key,
      enforceSSL: true,
    });
    for (const email of settings.alarmEmails) this.topic.addSubscription(new EmailSubscription(email));
    for (const design of alarmsOf(props)) this.#alarm(`${settings.deployment}-${site.name}`, design);
    this.#dashboard(props);
  }

  #alarm(prefix: string, { name, metric, threshold, below = false, periods = 1, says }: AlarmDesign): void {
    const alarm = new Alarm(this, name, {
      alarmName: `${prefix}-${name}`,
      alarmDescription: says,
      metric,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator: below ? ComparisonOperator.LESS_THAN_THRESHOLD : ComparisonOperator.GREATER_THAN_THRESHOLD,
      // What is not called fails nothing; a schedule that is not called is what is to be noticed.
      treatMissingData: below ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
  }

  #dashboard({ settings, site, api, functions, streams, machines, deadLetters, missedTicks }: MonitoringProps): void {
    const graph = (title: string, left: IMetric[]) => new GraphWidget({ title, left, width: 12, height: 6 });
    const all = (metric: (made: Function) => Metric) =>
      FUNCTIONS.map((role) => metric(functions[role]).with({ label: role }));
    const sum = { period: PERIOD, statistic: Stats.SUM };
    new Dashboard(this, 'Dashboard', {
      dashboardName: dashboardName(settings.deployment, site.name),
      widgets: [
        [
          graph('Requests', [api.metricCount(sum), api.metricClientError(sum), api.metricServerError(sum)]),
          graph(
            'Latency, ms',
            ['p50', 'p99'].map((statistic) => api.metricLatency({ period: PERIOD, statistic, label: statistic })),
          ),
        ],
        [
          graph(
            'Functions: errors',
            all((made) => made.metricErrors(sum)),
          ),
          graph(
            'Functions: throttles',
            all((made) => made.metricThrottles(sum)),
          ),
        ],
        [
          graph(
            'Functions: duration p99, ms',
            all((made) => made.metricDuration({ period: PERIOD, statistic: 'p99' })),
          ),
          graph('Table: throttled requests', [throttledTable(settings, site)]),
        ],
        [
          graph(
            'Streams: records',
            [...streams].map(([label, it]) => it.metricPutRecordsTotalRecords({ ...sum, label })),
          ),
          graph(
            'Streams: throttled records',
            [...streams].map(([label, it]) => throttledStream(it).with({ label })),
          ),
        ],
        [
          graph(
            'Workflows: failed',
            Object.entries(machines).map(([label, it]) => it.metricFailed({ ...sum, label })),
          ),
          graph('Dead letters and missed ticks', [
            deadLetters.metricApproximateNumberOfMessagesVisible({ label: 'dead letters' }),
            missedTicks.metricApproximateNumberOfMessagesVisible({ label: 'missed ticks' }),
          ]),
        ],
      ],
    });
  }
}

function alarmsOf(props: MonitoringProps): readonly AlarmDesign[] {
  return [
    ...protocolAlarms(props),
    ...apiAlarms(props),
    ...functionAlarms(props),
    ...workflowAlarms(props),
    ...storageAlarms(props),
  ];
}

function protocolAlarms({ settings, site }: MonitoringProps): readonly AlarmDesign[] {
  const counted = (metricName: string, statistic: string): Metric =>
    new Metric({
      namespace: METRICS_NAMESPACE,
      metricName,
      dimensionsMap: { Deployment: settings.deployment, Site: site.name },
      period: PERIOD,
      statistic,
    });
  return [
    {
      name: 'incident',
      metric: counted(METRICS.incidents, Stats.SUM),
      threshold: 0,
      says: 'A stream or a site failed and was left, or an operator had one moved: see GET /incidents. Transactions go on.',
    },
    {
      name: 'site-out',
      metric: counted(METRICS.sitesOut, Stats.MAXIMUM),
      threshold: 0,
      periods: 3,
      says: 'A site has been out of sync for 15 minutes: what is committed is held by fewer sites. It comes back by itself once it is well; see GET /route and GET /incidents.',
    },
    {
      name: 'replica-behind',
      metric: counted(METRICS.streamsBehind, Stats.MAXIMUM),
      threshold: 0,
      periods: 3,
      says: 'A stream has lagged behind the log here for 15 minutes: see GET /streams for which. Is it throttled, or gone?',
    },
  ];
}

function apiAlarms({ api }: MonitoringProps): readonly AlarmDesign[] {
  const sum = { period: PERIOD, statistic: Stats.SUM };
  const failing = new MathExpression({
    expression: '100 * errors / MAX([requests, 20])',
    usingMetrics: { errors: api.metricServerError(sum), requests: api.metricCount(sum) },
    period: PERIOD,
    label: 'failed requests, percent',
  });
  return [
    {
      name: 'requests-fail',
      metric: failing,
      threshold: 5,
      says: 'More than 5 % of the requests end with 5xx. See GET /incidents: a takeover explains a minute of them; if it lasts, look at the log of the function api.',
    },
    {
      name: 'requests-slow',
      metric: api.metricLatency({ period: PERIOD, statistic: 'p99' }),
      threshold: 25_000,
      periods: 3,
      says: 'The slowest 1 % take more than 25 s, longer than a long poll. See the dashboard for what they wait for.',
    },
  ];
}

function functionAlarms({ functions }: MonitoringProps): readonly AlarmDesign[] {
  return FUNCTIONS.flatMap((role): readonly AlarmDesign[] => {
    const made = functions[role];
    const { calledBy, does } = FUNCTION_DESIGNS[role];
    const sum = { period: PERIOD, statistic: Stats.SUM };
    const fails: AlarmDesign = {
      name: `${role}-fails`,
      metric: made.metricErrors(sum),
      threshold: 2,
      says: `The function that ${does} ended with an error three times in 5 minutes: see its log, /lockstep/${made.functionName}.`,
    };
    if (calledBy === 'schedule') {
      const asleep: AlarmDesign = {
        name: `${role}-asleep`,
        metric: made.metricInvocations(sum),
        threshold: 1,
        below: true,
        // One that is at work for long is not called meanwhile.
        periods: 4,
        says: `The function that ${does} was not called for 20 minutes: is its rule there and enabled?`,
      };
      return [fails, asleep];
    }
    const throttled: AlarmDesign = {
      name: `${role}-throttled`,
      metric: made.metricThrottles(sum),
      threshold: 0,
      says: `The account's concurrency does not suffice for the function that ${does}: ask for more.`,
    };
    return [fails, throttled];
  });
}

function workflowAlarms({ machines }: MonitoringProps): readonly AlarmDesign[] {
  return Object.values(WORKFLOWS).map(({ name, comment }) => ({
    name: `${name}-fails`,
    metric: machines[name].metricFailed({ period: PERIOD, statistic: Stats.SUM }),
    threshold: 0,
    says: `A workflow failed (${comment}). It is tried again where it is still needed; its execution is named after the incident that GET /incidents tells of.`,
  }));
}

function storageAlarms({ settings, site, functions, streams, deadLetters }: MonitoringProps): readonly AlarmDesign[] {
  return [
    {
      name: 'table-throttled',
      metric: throttledTable(settings, site),
      threshold: 100,
      says: 'The table takes less than is asked of it. If it is writes of guards, raise guardCopies.',
    },
    ...[...streams].map(([name, stream]) => ({
      name: `stream-${name}-throttled`,
      metric: throttledStream(stream),
      threshold: 100,
      periods: 3,
      says: `${name} has too few shards here: records wait in its backlog. Raise its shards.`,
    })),
    {
      name: 'dead-letters',
      metric: deadLetters.metricApproximateNumberOfMessagesVisible({ period: PERIOD, statistic: Stats.MAXIMUM }),
      threshold: 0,
      says: 'Changes of the log could not be followed: look into the queue of dead letters. No transaction is harmed.',
    },
    {
      name: 'log-followed-late',
      metric: functions.backfill.metric('IteratorAge', { period: PERIOD, statistic: Stats.MAXIMUM }),
      threshold: Duration.minutes(10).toMilliseconds(),
      says: 'The backfill agent is ten minutes behind the log. No transaction is harmed.',
    },
  ];
}

/** All operations of the table together. */
function throttledTable(settings: Settings, site: SiteProps): Metric {
  return new Metric({
    namespace: 'AWS/DynamoDB',
    metricName: 'WriteThrottleEvents',
    dimensionsMap: { TableName: siteTableName(settings.deployment, site.name) },
    period: PERIOD,
    statistic: Stats.SUM,
  });
}

function throttledStream(stream: Stream): Metric {
  return stream.metricPutRecordsThrottledRecords({ period: PERIOD, statistic: Stats.SUM });
}
