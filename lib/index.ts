/** `lockstep-streams/cdk`: a deployment as a CDK construct, for an app of one's own. */
export type { StreamPolicy } from '../src/core/api.js';
export type { ConsumerProps, ConsumerScope } from './consumer.js';
export { ControlStack } from './control-stack.js';
export { Lockstep } from './lockstep.js';
export type { EndpointProps, PredictionProps, TrainingProps } from './prediction-props.js';
export { PredictorStack } from './predictor-stack.js';
export type { LockstepProps, SiteProps } from './props.js';
export { REGION_SETS } from './regions.js';
export { SiteStack } from './site-stack.js';
