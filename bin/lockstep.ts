/**
 * The CDK app of this repository: deploys what lockstep.config.ts says.
 *
 *   npx cdk deploy --all                    into the account of the credentials
 *   npx cdklocal deploy --all -c local=true onto an emulator
 *   npx cdk deploy --all -c endpoint=true   with a predictor on SageMaker
 */
import { App } from 'aws-cdk-lib';
import { Lockstep } from '../lib/index.js';
import { id, props } from '../lockstep.config.js';

const app = new App();
// From the command line, a value of the context is text.
const local = String(app.node.tryGetContext('local') ?? props.local ?? false) === 'true';
const prediction = String(app.node.tryGetContext('endpoint')) === 'true' ? { prediction: { endpoint: {} } } : {};
const { AWS_ENDPOINT_URL: emulator } = process.env;
new Lockstep(app, id, { ...props, ...prediction, local, ...(local && emulator !== undefined ? { emulator } : {}) });
app.synth();
