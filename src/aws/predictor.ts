import type { AwsConfig } from '../adapters/aws/config.js';
import { sageMakerClient, sageMakerEndpoint } from '../adapters/aws/sagemaker-endpoint.js';
import { httpEndpoint } from '../adapters/http/predictor-endpoint.js';
import { ownPredictor } from '../app/own-predictor.js';
import { predictorsInTurn } from '../app/predictors-in-turn.js';
import { remotePredictor } from '../app/remote-predictor.js';
import type { Options } from '../core/options.js';
import type { Clock } from '../ports/environment.js';
import type { Invoke, Predictor } from '../ports/predictor.js';

/**
 * Who foresees at a site: the endpoint that the configuration names, and where that has nothing to say, or there is
 * none, a model in this process that learns from what is committed.
 */
export function predictorAt(config: AwsConfig, options: Options, clock: Clock): Predictor {
  const own = ownPredictor({ steps: options.predictionHorizon });
  const invoke = endpointOf(config, options);
  return invoke ? predictorsInTurn(remotePredictor(invoke, clock), own) : own;
}

function endpointOf({ predictor, site, sites }: AwsConfig, { predictionTimeoutMs }: Options): Invoke | undefined {
  if (predictor === undefined) return undefined;
  // What is left of the time is for the model in this process.
  const timeoutMs = Math.ceil(predictionTimeoutMs / 2);
  if ('url' in predictor) return httpEndpoint(predictor.url, timeoutMs);
  const region = sites.find(({ name }) => name === site)?.region ?? '';
  return sageMakerEndpoint(sageMakerClient({ region }, timeoutMs), { endpointName: predictor.endpointName, timeoutMs });
}
