import { Duration } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { FUNCTIONS, type FunctionRole } from '../src/adapters/aws/names.js';
import type { StreamPolicy } from '../src/core/api.js';
import { FUNCTION_DESIGNS } from './functions.js';
import { scheduleName } from './names.js';
import type { Settings, SiteProps } from './props.js';

export interface SchedulesProps {
  readonly settings: Settings;
  readonly site: SiteProps;
  readonly functions: Readonly<Record<FunctionRole, Function>>;
  readonly missedTicks: IQueue;
}

const PERIOD = Duration.minutes(1);
/** EventBridge takes 8,192 characters. */
const MAX_INPUT = 7000;

/**
 * The work of a site that nobody asks for, once a minute each.
 *
 * Rules, not EventBridge Scheduler: a rule needs no role, and emulators fire it.
 */
export class Schedules extends Construct {
  constructor(scope: Construct, id: string, { settings, site, functions, missedTicks }: SchedulesProps) {
    super(scope, id);
    const every = (role: FunctionRole, input: unknown, what: string = role): void => {
      const target = new LambdaFunction(functions[role], {
        event: RuleTargetInput.fromObject(input),
        deadLetterQueue: missedTicks,
        retryAttempts: 0,
        maxEventAge: PERIOD,
      });
      new Rule(this, what, {
        ruleName: scheduleName(settings.deployment, site.name, what),
        description: FUNCTION_DESIGNS[role].does,
        schedule: Schedule.rate(PERIOD),
        targets: [target],
      });
    };
    for (const role of FUNCTIONS) {
      if (FUNCTION_DESIGNS[role].calledBy === 'schedule' && role !== 'stream-provisioner') every(role, {});
    }
    declarationsAt(settings, site).forEach((declared, index) => {
      every('stream-provisioner', declared, index === 0 ? 'stream-provisioner' : `stream-provisioner-${index + 1}`);
    });
  }
}

/** What a tick of the provisioner carries: streams to be brought about, and whether these are all. */
interface Declaration {
  readonly streams: Readonly<Record<string, StreamPolicy>>;
  /** All names that are declared, where this is the first part; others are said to be left over. */
  readonly names?: readonly string[];
}

/**
 * Only the site that is deployed last declares the streams: whoever learns of a stream makes its replica, and must not be
 * faster than CloudFormation.
 */
function declarationsAt({ sites, streams }: Settings, site: SiteProps): readonly Declaration[] {
  if (sites.at(-1)?.name !== site.name) return [{ streams: {} }];
  const parts: Record<string, StreamPolicy>[] = [{}];
  for (const [name, policy] of Object.entries(streams)) {
    const last = parts.at(-1) ?? {};
    if (JSON.stringify(last).length + JSON.stringify(policy).length > MAX_INPUT / 2) parts.push({ [name]: policy });
    else last[name] = policy;
  }
  return parts.map((part, index) => ({ streams: part, ...(index === 0 ? { names: Object.keys(streams) } : {}) }));
}
