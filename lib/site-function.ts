import { join } from 'node:path';
import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { CONFIG_VARIABLE } from '../src/adapters/aws/config.js';
import { type FunctionRole, type TRAINER, functionName } from '../src/adapters/aws/names.js';
import { HANDLER } from './bundles.js';
import { FUNCTION_DESIGNS } from './functions.js';
import { statementsFor, wildcardsIn } from './permissions.js';
import type { Settings, SiteProps } from './props.js';

export interface SiteFunctionProps {
  readonly settings: Settings;
  readonly site: SiteProps;
  readonly role: FunctionRole | typeof TRAINER;
  /** JSON, as `src/adapters/aws/config.ts` reads it. */
  readonly config: string;
  readonly keyArn: string;
  /** Folder with a folder per function. */
  readonly bundles: string;
  /** Where a schedule's ticks go that were not taken. */
  readonly missedTicks?: IQueue;
  /** Further variables. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** One function of a site, as `functions.ts` has it, with a role of its own and a log group that does not grow for ever. */
export class SiteFunction extends Construct {
  readonly lambda: Function;

  constructor(scope: Construct, id: string, props: SiteFunctionProps) {
    super(scope, id);
    const { settings, site, role } = props;
    const design = FUNCTION_DESIGNS[role];
    const name = functionName(settings.deployment, site.name, role);
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/lockstep/${name}`,
      retention: settings.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.lambda = new Function(this, 'Function', {
      functionName: name,
      description: `${design.does} (${settings.deployment}, site ${site.name})`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(join(props.bundles, role)),
      handler: HANDLER,
      memorySize: design.memoryMiB,
      timeout: Duration.seconds(design.timeoutSeconds),
      tracing: Tracing.ACTIVE,
      logGroup,
      role: this.#role(props, logGroup),
      environment: { [CONFIG_VARIABLE]: props.config, ...props.environment },
      ...(design.single && settings.reserveConcurrency ? { reservedConcurrentExecutions: 1 } : {}),
      ...(design.calledBy === 'schedule' && props.missedTicks
        ? {
            // The next tick does the same.
            retryAttempts: 0,
            maxEventAge: Duration.minutes(1),
            onFailure: new SqsDestination(props.missedTicks),
          }
        : {}),
    });
    this.#acknowledge(role);
  }

  /** Written out rather than by `grant…`: what a function may do in another region cannot be granted from there. */
  #role({ settings, site, role, keyArn }: SiteFunctionProps, logGroup: LogGroup): Role {
    const made = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Function ${role} of ${settings.deployment} at ${site.name}`,
    });
    const { may } = FUNCTION_DESIGNS[role];
    const around = { stack: Stack.of(this), settings, site, keyArn };
    for (const statement of statementsFor(may, around)) made.addToPolicy(statement);
    Validations.of(made).acknowledge(...wildcardsIn(may, around));
    made.addToPolicy(
      new PolicyStatement({
        sid: 'WriteLogs',
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    return made;
  }

  #acknowledge(role: SiteFunctionProps['role']): void {
    const scheduled = FUNCTION_DESIGNS[role].calledBy === 'schedule';
    Validations.of(this).acknowledge({
      id: 'Serverless-LambdaDLQ',
      reason: scheduled
        ? 'Its destination on failure keeps what a dead-letter queue would, and says why.'
        : 'Never invoked asynchronously: who calls it waits for the answer, or repeats the call with the same id.',
    });
    if (!scheduled) {
      Validations.of(this).acknowledge({
        id: 'Serverless-LambdaAsyncFailureDestination',
        reason: 'Never invoked asynchronously.',
      });
    }
  }
}
