import { DynamoDBClient, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { type SentCall, countCalls } from '../../../src/adapters/aws/count-calls.js';
import { type FaultRates, injectFaults } from '../../../src/adapters/aws/injected-faults.js';
import { createObserver } from '../../../src/adapters/aws/observer.js';
import { STANDING } from '../../../src/ports/environment.js';
import { Backoff, eachLimited } from '../../../src/adapters/aws/retry.js';
import { seededRandom } from '../../../src/adapters/embedded/virtual-clock.js';
import { caught } from '../../contract/support.js';
import { NOWHERE, scripted, sleepless } from './scripted.js';

const faults = (rates: FaultRates, seed = 1) => ({
  random: seededRandom(seed),
  clock: sleepless(),
  ratesOf: () => rates,
});
const transaction = new TransactWriteItemsCommand({
  TransactItems: ['a', 'b'].map((sk) => ({ Delete: { TableName: 't', Key: { pk: { S: 'p' }, sk: { S: sk } } } })),
});

describe('injected faults', () => {
  it.each([
    [{ conflict: 1 }, 'TransactionCanceledException', 0],
    [{ throttle: 1 }, 'ProvisionedThroughputExceededException', 0],
    [{ lostRequest: 1 }, 'TimeoutError', 0],
    [{ lostAnswer: 1 }, 'TimeoutError', 1],
  ] as const)('%j', async (rates, name, done) => {
    const client = new DynamoDBClient(NOWHERE);
    injectFaults(client, faults(rates));
    const sent = scripted(client, () => ({}));
    expect(await caught(client.send(transaction))).toMatchObject({ name });
    expect(sent).toHaveLength(done);
  });

  it('take single records out, each in its place', async () => {
    const Records = Array.from({ length: 20 }, (_, i) => ({ PartitionKey: String(i), Data: Uint8Array.of(i) }));
    const client = new KinesisClient(NOWHERE);
    injectFaults(client, faults({ partial: 0.5 }, 3));
    scripted(client, ({ input }) => ({
      Records: (input['Records'] as typeof Records).map(({ PartitionKey }) => ({ SequenceNumber: PartitionKey })),
    }));
    const answer = await client.send(new PutRecordsCommand({ StreamName: 's', Records }));
    const outcomes = answer.Records ?? [];
    expect(outcomes).toHaveLength(20);
    outcomes.forEach(({ SequenceNumber, ErrorCode }, i) => {
      expect(SequenceNumber ?? ErrorCode).toBe(ErrorCode ?? String(i));
    });
    expect(outcomes.filter(({ ErrorCode }) => ErrorCode !== undefined)).toHaveLength(answer.FailedRecordCount ?? 0);
    expect(answer.FailedRecordCount).toBeGreaterThan(0);
  });
});

it('counted calls name the command and its input', async () => {
  const client = new DynamoDBClient(NOWHERE);
  const calls: SentCall[] = [];
  countCalls(client, (call) => calls.push(call));
  scripted(client, () => ({}));
  await client.send(transaction);
  expect(calls).toMatchObject([{ command: 'TransactWriteItems', input: { TransactItems: [{}, {}] } }]);
});

describe('pauses', () => {
  it('are anything up to a limit that doubles, and no more', async () => {
    const clock = sleepless();
    const backoff = new Backoff(clock, seededRandom(1), { attempts: 40, baseMs: 10, capMs: 100 });
    const failing = backoff.run(
      () => Promise.reject(new Error('again')),
      () => true,
    );
    expect(await caught(failing)).toBeInstanceOf(Error);
    expect(clock.pauses).toHaveLength(39);
    clock.pauses.forEach((ms, i) => expect(ms).toBeLessThanOrEqual(Math.min(100, 10 * 2 ** i)));
    expect(new Set(clock.pauses).size).toBeGreaterThan(30);
  });

  it('so many at a time, answers in order', async () => {
    let busy = 0;
    let most = 0;
    const answers = await eachLimited(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], 3, async (letter) => {
      most = Math.max(most, (busy += 1));
      await new Promise((resolve) => setImmediate(resolve));
      busy -= 1;
      return letter.toUpperCase();
    });
    expect([answers.join(''), most]).toEqual(['ABCDEFGH', 3]);
  });
});

it('notes become log lines, some of them metrics; a note that cannot be told stops nothing', () => {
  const lines: string[] = [];
  const log = jest.spyOn(console, 'info').mockImplementation(() => undefined);
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  const observer = createObserver('orders', 'east', (line) => lines.push(line));
  observer.note('breaker opens', { target: 'site west' });
  observer.note('in sync', { epoch: 7 });
  for (const kind of ['takeover', 'planned-move', 'return']) observer.note('west serves', { incident: 'i', kind });
  observer.note(STANDING, { site: 'east', out: 1, behind: 0 });
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  observer.note('in sync', circular);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { Deployment: 'orders', Site: 'east', BreakersOpened: 1, _aws: { CloudWatchMetrics: [{ Namespace: 'Lockstep' }] } },
    { Incidents: 1 },
    {
      SitesOut: 1,
      StreamsBehind: 0,
      _aws: { CloudWatchMetrics: [{ Metrics: [{ Name: 'SitesOut' }, { Name: 'StreamsBehind' }] }] },
    },
  ]);
  log.mockRestore();
  warn.mockRestore();
});
