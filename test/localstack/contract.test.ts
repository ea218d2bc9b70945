import { seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { DynamoControlStore } from '../../src/adapters/aws/dynamo-control.js';
import { DynamoTables } from '../../src/adapters/aws/dynamo-tables.js';
import { systemClock as clock, systemRandom } from '../../src/adapters/aws/environment.js';
import type { HasMiddleware } from '../../src/adapters/aws/count-calls.js';
import { type FaultRates, injectFaults } from '../../src/adapters/aws/injected-faults.js';
import type { RetryLimits } from '../../src/adapters/aws/retry.js';
import { KinesisStreams } from '../../src/adapters/aws/kinesis-streams.js';
import { describeControlStore } from '../contract/control-store.contract.js';
import { describeStreams } from '../contract/streams.contract.js';
import { unique } from '../contract/support.js';
import { describeTables } from '../contract/tables.contract.js';
import { clientsFor, createControlTable, createSiteTable, deleteStreams, deleteTable } from './support/localstack.js';

const REGION = 'us-east-1';

/** Pauses are short here: it is the emulator that is waited for. */
const PATIENT: RetryLimits = { attempts: 16, baseMs: 1, capMs: 20 };
const SEED = Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 1e9));

/** Of each call what may strike it so that its outcome can still be told. */
function ratesOf(command: string, input: object): FaultRates {
  const rates = { throttle: 0.1, delay: 0.05, delayMs: 20 };
  // An attempt of unknown outcome leaves a single conditional write of unknown outcome, which the port tells as such.
  const isCondition = 'ConditionExpression' in input && !('ReturnValuesOnConditionCheckFailure' in input);
  if (isCondition) return rates;
  if (command === 'TransactWriteItems') return { ...rates, conflict: 0.1, lostRequest: 0.05, lostAnswer: 0.1 };
  return { ...rates, lostRequest: 0.05, lostAnswer: 0.05 };
}

/** Of streams: each record that is refused is an outcome, and so is a put whose answer is lost. */
function streamRatesOf(command: string): FaultRates {
  const isChange = ['PutRecords', 'SplitShard', 'MergeShards', 'UpdateShardCount'].includes(command);
  return isChange ? { delay: 0.1, delayMs: 20 } : { throttle: 0.1, lostRequest: 0.05, lostAnswer: 0.05 };
}

describe.each([
  ['as it is', false],
  [`with injected faults, FAULT_SEED=${SEED}`, true],
])('AWS, %s', (name, faulty) => {
  const runs = faulty ? 8 : 15;
  const random = faulty ? seededRandom(SEED) : systemRandom;
  const common = { clock, random, ...(faulty ? { retry: PATIENT } : {}) };
  const faultyWhere = (client: HasMiddleware, rates: (command: string, input: object) => FaultRates): void => {
    if (faulty) injectFaults(client, { clock, random, ratesOf: rates });
  };

  describeTables(
    name,
    async () => {
      const { dynamodb: client, destroy } = clientsFor(REGION);
      const tableName = unique('tables');
      await createSiteTable(client, tableName);
      faultyWhere(client, ratesOf);
      return {
        tables: new DynamoTables({ ...common, client, tableName }),
        close: async () => dropAndDestroy(tableName, destroy),
      };
    },
    { runs },
  );

  describeControlStore(
    name,
    async () => {
      const { dynamodb: client, destroy } = clientsFor(REGION);
      const tableName = unique('control');
      await createControlTable(client, tableName);
      faultyWhere(client, ratesOf);
      return {
        control: new DynamoControlStore({ ...common, client, tableName }),
        close: async () => dropAndDestroy(tableName, destroy),
      };
    },
    { runs },
  );

  describeStreams(
    name,
    async () => {
      const { kinesis: client, destroy } = clientsFor(REGION);
      faultyWhere(client, streamRatesOf);
      return {
        streams: new KinesisStreams({ ...common, client }),
        close: async () => {
          destroy();
          const whole = clientsFor(REGION);
          await deleteStreams(whole.kinesis, (stream) => stream.startsWith('s-'));
          whole.destroy();
        },
      };
    },
    { runs: 5, pollMs: 100, apartMs: 1100, halvesAtMost: false },
  );
});

async function dropAndDestroy(tableName: string, destroy: () => void): Promise<void> {
  destroy();
  const whole = clientsFor(REGION);
  await deleteTable(whole.dynamodb, tableName);
  whole.destroy();
}
