import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteTableCommand,
  type DynamoDBClient,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { DeleteStreamCommand, type KinesisClient, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { type SiteClients, siteClients } from '../../../src/adapters/aws/clients.js';
import { STATUS_INDEX } from '../../../src/adapters/aws/names.js';

/** Any will do for an emulator; the SDK signs with them. */
process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test';

/** Where LocalStack answers. @throws Error where the tests were started without one */
function endpoint(): string {
  const url = process.env['AWS_ENDPOINT_URL'];
  if (url === undefined) throw new Error('AWS_ENDPOINT_URL is not set: run these tests with `npm run test:localstack`');
  return url;
}

const LIMITS = { tablesMs: 20_000, streamsMs: 20_000 };

export const clientsFor = (region: string): SiteClients => siteClients({ region, endpoint: endpoint() }, LIMITS);

const KEYS: Pick<CreateTableCommandInput, 'KeySchema' | 'BillingMode'> = {
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
  BillingMode: 'PAY_PER_REQUEST',
};
const text = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const });

/** A site's table as the stacks make it. */
export async function createSiteTable(client: DynamoDBClient, TableName: string): Promise<void> {
  await client.send(
    new CreateTableCommand({
      ...KEYS,
      TableName,
      AttributeDefinitions: ['pk', 'sk', 'indexPk', 'indexSk'].map(text),
      GlobalSecondaryIndexes: [
        {
          IndexName: STATUS_INDEX,
          KeySchema: [
            { AttributeName: 'indexPk', KeyType: 'HASH' },
            { AttributeName: 'indexSk', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'KEYS_ONLY' },
        },
      ],
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName });
}

export async function createControlTable(client: DynamoDBClient, TableName: string): Promise<void> {
  await client.send(new CreateTableCommand({ ...KEYS, TableName, AttributeDefinitions: ['pk', 'sk'].map(text) }));
  await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName });
}

export async function deleteTable(client: DynamoDBClient, TableName: string): Promise<void> {
  await client.send(new DeleteTableCommand({ TableName }));
}

/** Removes every stream of a region whose name is meant. */
export async function deleteStreams(client: KinesisClient, isMeant: (name: string) => boolean): Promise<void> {
  let next: string | undefined;
  do {
    const page = await client.send(new ListStreamsCommand({ NextToken: next }));
    next = page.NextToken;
    for (const StreamName of (page.StreamNames ?? []).filter(isMeant)) {
      await client.send(new DeleteStreamCommand({ StreamName }));
    }
  } while (next !== undefined);
}
