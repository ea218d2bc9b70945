import { Validations } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  AuthorizationType,
  CfnAccount,
  EndpointType,
  type IResource,
  JsonSchemaType,
  JsonSchemaVersion,
  LambdaIntegration,
  LogGroupLogDestination,
  MethodLoggingLevel,
  type Model,
  type RequestValidator,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import * as z from 'zod';
import { ROUTES } from '../src/http/routes.js';
import { GATEWAY_REFUSALS, gatewayProblem } from './gateway-problems.js';
import { STAGE, apiName } from './names.js';
import type { Settings, SiteProps } from './props.js';

/**
 * A site's REST API: IAM in front of the app that also the local server runs.
 *
 * Every path takes any method and leaves the answer to the app. Where a request cannot do without a body or a parameter,
 * API Gateway refuses it without one; what is in it is checked by the app, which says what is wrong with it.
 */
export class SiteApi extends Construct {
  readonly api: RestApi;
  /** Where clients reach this site. Made of the API's id alone, so that the functions can be told. */
  readonly endpoint: string;
  readonly #validator: RequestValidator;
  /** An emulator says in words of its own what it refuses: there everything is left to the app. */
  readonly #refusesByItself: boolean;

  constructor(scope: Construct, id: string, settings: Settings, site: SiteProps) {
    super(scope, id);
    this.#refusesByItself = !settings.local;
    const name = apiName(settings.deployment, site.name);
    const accessLog = new LogGroup(this, 'AccessLog', {
      logGroupName: `/lockstep/${name}-access`,
      retention: settings.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.api = new RestApi(this, 'Api', {
      restApiName: name,
      description: `Lockstep ${settings.deployment}, site ${site.name}`,
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: false,
      defaultMethodOptions: { authorizationType: AuthorizationType.IAM },
      deployOptions: {
        stageName: STAGE,
        throttlingRateLimit: settings.throttling.ratePerSecond,
        throttlingBurstLimit: settings.throttling.burst,
        tracingEnabled: true,
        metricsEnabled: true,
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
        accessLogDestination: new LogGroupLogDestination(accessLog),
        accessLogFormat: ACCESS_LOG,
      },
    });
    // The stack has an output of its own for it.
    this.api.node.tryRemoveChild('Endpoint');
    const { region, urlSuffix } = Stack.of(this);
    const { restApiId } = this.api;
    this.endpoint = settings.local
      ? `${settings.emulator.replace(/\/+$/, '')}/_aws/execute-api/${restApiId}/${STAGE}`
      : `https://${restApiId}.execute-api.${region}.${urlSuffix}/${STAGE}`;
    this.#validator = this.api.addRequestValidator('Validator', {
      validateRequestBody: true,
      validateRequestParameters: true,
    });
    if (settings.apiGatewayAccount) this.#letGatewayLog();
    for (const refusal of GATEWAY_REFUSALS) {
      this.api.addGatewayResponse(refusal.type.responseType, gatewayProblem(refusal));
    }
    Validations.of(this).acknowledge(
      { id: 'AwsSolutions-COG4', reason: 'Callers are AWS principals: requests are signed (IAM), there are no users.' },
      {
        id: 'AwsSolutions-APIG3',
        reason: 'Unsigned requests are refused before anything runs; a web ACL can be attached.',
      },
    );
  }

  /** Called once the function is there: it is told the endpoint, so the API comes first. */
  serve(handler: IFunction): void {
    const integration = new LambdaIntegration(handler, { scopePermissionToMethod: false });
    const anyOf = (resource: IResource): void => void resource.addMethod('ANY', integration);
    anyOf(this.api.root);
    anyOf(this.api.root.addResource('{proxy+}'));
    for (const path of new Set(ROUTES.map((route) => route.path))) anyOf(this.api.root.resourceForPath(path));
    for (const route of this.#refusesByItself ? ROUTES : []) {
      const model = route.body && this.#model(route.operation, route.body);
      const parameters = requiredIn(route.query).map((name) => [`method.request.querystring.${name}`, true] as const);
      if (!model && parameters.length === 0) continue;
      this.api.root.resourceForPath(route.path).addMethod(route.method, integration, {
        requestValidator: this.#validator,
        requestParameters: Object.fromEntries(parameters),
        ...(model ? { requestModels: { 'application/json': model } } : {}),
      });
    }
  }

  /** An object with the members that it cannot do without; none where an empty body is one. */
  #model(operation: string, body: z.ZodType): Model | undefined {
    const required = requiredIn(body);
    if (required.length === 0) return undefined;
    return this.api.addModel(`${operation}Body`, {
      contentType: 'application/json',
      schema: { schema: JsonSchemaVersion.DRAFT4, type: JsonSchemaType.OBJECT, required: [...required] },
    });
  }

  /** API Gateway writes access logs by one role for the whole account and region. */
  #letGatewayLog(): void {
    const role = new Role(this, 'GatewayLogs', {
      assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
      managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonAPIGatewayPushToCloudWatchLogs')],
    });
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]',
      reason: 'The policy that API Gateway documents for this setting; it is of the account, not of this deployment.',
    });
    const account = new CfnAccount(this, 'Account', { cloudWatchRoleArn: role.roleArn });
    account.applyRemovalPolicy(RemovalPolicy.RETAIN);
    role.applyRemovalPolicy(RemovalPolicy.RETAIN);
    this.api.deploymentStage.node.addDependency(account);
  }
}

function requiredIn(schema: z.ZodType | undefined): readonly string[] {
  if (schema === undefined) return [];
  const { required } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return required ?? [];
}

/** Who asked what, and how it went; nothing of what was in it. */
const ACCESS_LOG = AccessLogFormat.custom(
  JSON.stringify({
    requestId: '$context.requestId',
    requestTime: '$context.requestTime',
    caller: '$context.identity.userArn',
    ip: '$context.identity.sourceIp',
    method: '$context.httpMethod',
    resource: '$context.resourcePath',
    path: '$context.path',
    status: '$context.status',
    latencyMs: '$context.responseLatency',
    integrationMs: '$context.integrationLatency',
    bytes: '$context.responseLength',
    error: '$context.error.responseType',
    trace: '$context.xrayTraceId',
  }),
);
