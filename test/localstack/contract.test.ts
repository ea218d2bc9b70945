import { DynamoControlStore } from '../../src/adapters/aws/dynamo-control.js';
import { DynamoTables } from '../../src/adapters/aws/dynamo-tables.js';
import { systemClock as clock, systemRandom as random } from '../../src/adapters/aws/environment.js';
import { KinesisStreams } from '../../src/adapters/aws/kinesis-streams.js';
import { describeControlStore } from '../contract/control-store.contract.js';
import { describeStreams } from '../contract/streams.contract.js';
import { unique } from '../contract/support.js';
import { describeTables } from '../contract/tables.contract.js';
import { clientsFor, createControlTable, createSiteTable, deleteTable } from './support/localstack.js';

const REGION = 'us-east-1';

describeTables(
  'DynamoDB',
  async () => {
    const { dynamodb: client, destroy } = clientsFor(REGION);
    const tableName = unique('tables');
    await createSiteTable(client, tableName);
    return {
      tables: new DynamoTables({ client, tableName, clock, random }),
      close: async () => {
        await deleteTable(client, tableName);
        destroy();
      },
    };
  },
  { runs: 15 },
);

describeControlStore(
  'DynamoDB',
  async () => {
    const { dynamodb: client, destroy } = clientsFor(REGION);
    const tableName = unique('control');
    await createControlTable(client, tableName);
    return {
      control: new DynamoControlStore({ client, tableName, clock, random }),
      close: async () => {
        await deleteTable(client, tableName);
        destroy();
      },
    };
  },
  { runs: 15 },
);

describeStreams(
  'Kinesis',
  async () => {
    const { kinesis: client, destroy } = clientsFor(REGION);
    return {
      streams: new KinesisStreams({ client, clock, random }),
      close: async () => destroy(),
    };
  },
  { runs: 5, pollMs: 100 },
);
