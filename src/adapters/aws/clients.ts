import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SFNClient } from '@aws-sdk/client-sfn';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/** Where a site's services are reached. */
export interface Reach {
  readonly region: string;
  /** Of an emulator. @default AWS_ENDPOINT_URL, or AWS itself */
  readonly endpoint?: string;
}

/** What each call of a site's services may take, milliseconds. */
export interface CallLimits {
  readonly tablesMs: number;
  readonly streamsMs: number;
}

export interface SiteClients {
  readonly dynamodb: DynamoDBClient;
  readonly kinesis: KinesisClient;
  destroy(): void;
}

const CONNECT_MS = 1000;
const MAX_SOCKETS = 256;

/** HTTP/1.1 with connections that stay open. `KinesisClient` by itself would speak HTTP/2, which emulators do not. */
const handler = (requestTimeout: number): NodeHttpHandler =>
  new NodeHttpHandler({
    connectionTimeout: CONNECT_MS,
    requestTimeout,
    throwOnRequestTimeout: true,
    httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
  });

/** The adapters try again by themselves: they know which attempt may have had its effect. */
export const clientConfiguration = ({ region, endpoint }: Reach, timeoutMs: number) => ({
  region,
  ...(endpoint === undefined ? {} : { endpoint }),
  maxAttempts: 1,
  requestHandler: handler(timeoutMs),
});

export function siteClients(reach: Reach, { tablesMs, streamsMs }: CallLimits): SiteClients {
  const dynamodb = new DynamoDBClient(clientConfiguration(reach, tablesMs));
  const kinesis = new KinesisClient(clientConfiguration(reach, streamsMs));
  return {
    dynamodb,
    kinesis,
    destroy: () => {
      dynamodb.destroy();
      kinesis.destroy();
    },
  };
}

export const stepFunctionsClient = (reach: Reach, timeoutMs: number): SFNClient =>
  new SFNClient(clientConfiguration(reach, timeoutMs));

/** Calls functions of another site; how long each call may take is said with it. */
export const lambdaClient = (reach: Reach, longestMs: number): LambdaClient =>
  new LambdaClient(clientConfiguration(reach, longestMs));
