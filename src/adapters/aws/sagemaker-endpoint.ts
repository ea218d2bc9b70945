import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { Invoke } from '../../ports/predictor.js';
import { type Reach, clientConfiguration } from './clients.js';

export interface SageMakerEndpointOptions {
  readonly endpointName: string;
  /** An answer that takes longer is none, milliseconds. */
  readonly timeoutMs: number;
}

/** An endpoint of SageMaker, asked with a client that must not retry by itself (`maxAttempts: 1`). */
export function sageMakerEndpoint(
  client: Pick<SageMakerRuntimeClient, 'send'>,
  { endpointName, timeoutMs }: SageMakerEndpointOptions,
): Invoke {
  return async (body) => {
    const command = new InvokeEndpointCommand({
      EndpointName: endpointName,
      ContentType: 'application/json',
      Accept: 'application/json',
      Body: Buffer.from(body),
    });
    const { Body } = await client.send(command, { abortSignal: AbortSignal.timeout(timeoutMs) });
    return Body.transformToString();
  };
}

export const sageMakerClient = (reach: Reach, timeoutMs: number): SageMakerRuntimeClient =>
  new SageMakerRuntimeClient(clientConfiguration(reach, timeoutMs));
