import { ArnFormat, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { stateMachineName } from '../src/adapters/aws/names.js';
import type { WorkflowName } from '../src/ports/workflows.js';
import { WORKFLOWS } from '../src/workflows/index.js';
import { toStepFunctions } from '../src/workflows/step-functions.js';
import type { Settings, SiteProps } from './props.js';

export interface SiteWorkflowsProps {
  readonly settings: Settings;
  readonly site: SiteProps;
  /** The function that performs steps. */
  readonly step: IFunction;
}

/** A site's workflows as state machines: what they do stands in src/workflows/, once for all engines. */
export class SiteWorkflows extends Construct {
  readonly machines: Readonly<Record<WorkflowName, StateMachine>>;

  constructor(scope: Construct, id: string, { settings, site, step }: SiteWorkflowsProps) {
    super(scope, id);
    const role = this.#role(settings, site, step);
    // One for all: the rule that lets Step Functions write to it is one of ten that a region takes.
    const destination = new LogGroup(this, 'Logs', {
      // Step Functions wants this prefix: the policy of the logs would grow too long without.
      logGroupName: `/aws/vendedlogs/states/lockstep/${settings.deployment}-${site.name}`,
      retention: settings.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const make = (workflow: WorkflowName): StateMachine =>
      new StateMachine(this, workflow, {
        stateMachineName: stateMachineName(settings.deployment, site.name, workflow),
        comment: WORKFLOWS[workflow].comment,
        definitionBody: DefinitionBody.fromString(
          Stack.of(this).toJsonString(toStepFunctions(WORKFLOWS[workflow], step.functionArn)),
        ),
        role,
        tracingEnabled: true,
        logs: { destination, level: LogLevel.ALL, includeExecutionData: false },
        removalPolicy: RemovalPolicy.DESTROY,
      });
    this.machines = {
      reconciliation: make('reconciliation'),
      switchover: make('switchover'),
      provisioning: make('provisioning'),
    };
  }

  #role(settings: Settings, site: SiteProps, step: IFunction): Role {
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com'),
      description: `Workflows of ${settings.deployment} at ${site.name}`,
    });
    role.addToPolicy(
      new PolicyStatement({ sid: 'Steps', actions: ['lambda:InvokeFunction'], resources: [step.functionArn] }),
    );
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'Delivery of logs, and traces of X-Ray: neither knows resources.',
    });
    return role;
  }
}

/** What the ARNs of a site's state machines begin with: by it functions find them that are made before. */
export function stateMachinesArn(stack: Stack, { deployment }: Settings, site: SiteProps): string {
  const some: WorkflowName = 'switchover';
  return stack.formatArn({
    service: 'states',
    resource: 'stateMachine',
    resourceName: stateMachineName(deployment, site.name, some).slice(0, -some.length),
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}
