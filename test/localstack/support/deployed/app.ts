/**
 * What the test of a deployment deploys: two sites, a consumer that counts, and east's DynamoDB behind a proxy of the test.
 *
 *   DEPLOYMENT=name EAST_DYNAMODB=http://127.0.0.1:1234 cdklocal deploy --all --app '…'
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Code, Function, Runtime } from 'aws-cdk-lib/aws-lambda';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { buildSync } from 'esbuild';
import { type ConsumerScope, Lockstep } from '../../../../lib/index.js';
import { LEDGER, SITES, STREAMS } from './names.js';

const { DEPLOYMENT: deployment = 'e2e', EAST_DYNAMODB: eastDynamoDb, AWS_ENDPOINT_URL: emulator } = process.env;

const app = new App();
const lockstep = new Lockstep(app, 'E2e', {
  deployment,
  sites: SITES,
  streams: Object.fromEntries(STREAMS.map((stream) => [stream, {}])),
  barPeriod: Duration.seconds(2),
  local: true,
  ...(emulator === undefined ? {} : { emulator }),
});

const [east, west] = SITES.map(({ name }) => lockstep.sites[name]);
if (!east || !west) throw new Error('both sites are there');
if (eastDynamoDb !== undefined) {
  for (const made of Object.values(east.functions)) made.addEnvironment('AWS_ENDPOINT_URL_DYNAMODB', eastDynamoDb);
}

// What the consumer has done, as anyone may see it: where neither site is needed to look.
new TableV2(west, 'Ledger', {
  tableName: LEDGER(deployment),
  partitionKey: { name: 'id', type: AttributeType.STRING },
  removalPolicy: RemovalPolicy.DESTROY,
});

const code = mkdtempSync(join(tmpdir(), 'lockstep-consumer-'));
buildSync({
  entryPoints: [join(process.cwd(), 'test/localstack/support/deployed/counting.ts')],
  outfile: join(code, 'index.mjs'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  alias: { 'lockstep-streams/lambda': join(process.cwd(), 'src/lambda/index.ts') },
  banner: {
    js: "import{createRequire as lockstepRequire}from'node:module';const require=lockstepRequire(import.meta.url);",
  },
});

function counting({ scope, functionName }: ConsumerScope): Function {
  const made = new Function(scope, 'Counting', {
    functionName,
    runtime: Runtime.NODEJS_24_X,
    code: Code.fromAsset(code),
    handler: 'index.handler',
    timeout: Duration.seconds(30),
    environment: { LEDGER: LEDGER(deployment), LEDGER_REGION: SITES[1].region },
  });
  made.addToRolePolicy(
    new PolicyStatement({
      actions: ['dynamodb:UpdateItem'],
      resources: [`arn:aws:dynamodb:*:*:table/${LEDGER(deployment)}`],
    }),
  );
  return made;
}
lockstep.addConsumer('counting', { streams: STREAMS, handler: counting });

app.synth();
