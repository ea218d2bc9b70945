/** The stacks as they are deployed: through API Gateway, real functions and state machines, while things fail. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { DynamoDBClient, ScanCommand, type ScanCommandOutput } from '@aws-sdk/client-dynamodb';
import { DeleteStreamCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { type FunctionRole, functionName, stateMachineName } from '../../src/adapters/aws/names.js';
import { type EventOut, LockstepClient, type RouteAnswer } from '../../src/client/index.js';
import { physicalNameOf } from '../../src/core/ids.js';
import type { Incident } from '../../src/core/api.js';
import type { WorkflowName } from '../../src/ports/workflows.js';
import { unique } from '../contract/support.js';
import { Load, pause } from './support/deployed/load.js';
import { LEDGER, SITES, STREAMS } from './support/deployed/names.js';
import { type Proxy, proxyTo } from './support/deployed/proxy.js';
import { type Stacks, deployStacks } from './support/deployed/stacks.js';

/** Of the longest, on a machine that has other work as well; alone on two cores all of them take half as long. */
jest.setTimeout(900_000);

const emulator = process.env['AWS_ENDPOINT_URL'] ?? '';
const deployment = unique('e2e').slice(0, 10).toLowerCase();
const regionOf = (site: string): string => SITES.find(({ name }) => name === site)?.region ?? '';
const clientOf = (site: string) => ({
  region: regionOf(site),
  endpoint: emulator,
  requestHandler: new NodeHttpHandler(),
});

const TOUR_MS = 840_000;

let proxy: Proxy;
let stacks: Stacks;
const endpoints = (): readonly string[] => SITES.map(({ name }) => stacks.endpoints[name] ?? '');
/** Enters at one site; `at` reads there. */
const enteringAt = (site: string): LockstepClient =>
  new LockstepClient({ endpoints: [stacks.endpoints[site] ?? ''], retryForMs: 120_000 });
/** All that clients were told is committed, so far. */
const acknowledged = new Set<string>();

beforeAll(async () => {
  proxy = await proxyTo(emulator);
  stacks = await deployStacks({ DEPLOYMENT: deployment, EAST_DYNAMODB: proxy.url });
  // Declared by the site that was deployed last, within a minute.
  await until('every stream has its mirror', async () => {
    const { streams } = await enteringAt('east').listStreams();
    return streams.length === STREAMS.length && streams.every(({ mirrors }) => mirrors[0]?.status === 'in-sync');
  });
});
afterAll(async () => {
  await stacks.destroy();
  await proxy.close();
});

async function until(what: string, holds: () => Promise<boolean>, forMs = 240_000): Promise<void> {
  const endMs = Date.now() + forMs;
  while (Date.now() < endMs) {
    if (await holds().catch(() => false)) return;
    await pause(1000);
  }
  throw new Error(`not within ${forMs / 1000} s: ${what}`);
}

/** Calls a function as its schedule does once a minute: nobody has to wait for that. */
async function tick(site: string, role: FunctionRole, input: object = {}): Promise<void> {
  const client = new LambdaClient(clientOf(site));
  const FunctionName = functionName(deployment, site, role);
  await client.send(new InvokeCommand({ FunctionName, Payload: Buffer.from(JSON.stringify(input)) }));
  client.destroy();
}

async function executions(site: string, workflow: WorkflowName): Promise<readonly (readonly [string, string])[]> {
  const client = new SFNClient(clientOf(site));
  const stateMachineArn = `arn:aws:states:${regionOf(site)}:000000000000:stateMachine:${stateMachineName(deployment, site, workflow)}`;
  const { executions: all = [] } = await client.send(new ListExecutionsCommand({ stateMachineArn }));
  client.destroy();
  return all.map(({ name, status }) => [name ?? '', status ?? ''] as const);
}

async function readAt(site: string, stream: string): Promise<readonly EventOut[]> {
  const all: EventOut[] = [];
  // By whoever answers: what matters is whose replica is read.
  const client = new LockstepClient({ endpoints: endpoints(), retryForMs: 120_000 });
  for await (const event of client.events({ stream, site, until: 'caught-up' })) all.push(event);
  return all;
}

/** Every acknowledged transaction stands there once, on every stream; nothing that was aborted does. */
async function expectAllAt(site: string, aborted: ReadonlySet<string> = new Set()): Promise<void> {
  for (const stream of STREAMS) {
    const ids = (await readAt(site, stream)).map(({ transactionid }) => transactionid);
    expect({ stream, site, missing: [...acknowledged].filter((id) => !ids.includes(id)) }).toMatchObject({
      missing: [],
    });
    expect(ids.length).toBe(new Set(ids).size);
    expect(ids.filter((id) => aborted.has(id))).toEqual([]);
  }
}

/** Clients at work while something happens; afterwards every acknowledged transaction is known. */
async function underLoad(work: (load: Load) => Promise<void>): Promise<Load> {
  const load = new Load(endpoints(), 4);
  load.start();
  try {
    await load.more(10);
    await work(load);
  } finally {
    await load.stop();
    for (const id of load.acknowledged) acknowledged.add(id);
  }
  expect(load.trouble).toEqual([]);
  return load;
}

const route = (site: string): Promise<RouteAnswer> => enteringAt(site).getRoute();

describe('two sites, deployed', () => {
  test('commits, entering at either site, and the same again', async () => {
    for (const { name } of SITES) {
      const client = enteringAt(name);
      const id = `one-shot-${name}`;
      const events = STREAMS.map((stream) => ({ stream, key: id, type: 'happened', data: { id } }));
      const answer = await client.commit(events, { id });
      expect(answer).toMatchObject({ id, status: 'committed', events: 2, replicas: 2, atRisk: false });
      expect(await client.commit(events, { id })).toEqual(answer);
      await expect(client.commit([{ ...events[0]!, data: 'other' }], { id })).rejects.toMatchObject({
        code: 'IdempotencyMismatch',
      });
      acknowledged.add(id);
    }
  });

  test('interactive transactions and aborts, entering at either site', async () => {
    for (const { name } of SITES) {
      const client = enteringAt(name);
      const event = (id: string) => ({ stream: 'orders', key: id, type: 'happened', data: { id } });
      const { commit } = await client.run(
        async (tx) => {
          await tx.write(event(`run-${name}`));
          await tx.write({ ...event(`run-${name}`), stream: 'payments' });
        },
        { id: `run-${name}`, streams: [...STREAMS] },
      );
      expect(commit).toMatchObject({ status: 'committed', replicas: 2 });
      acknowledged.add(commit.id);
      await client.begin({ id: `abort-${name}`, streams: ['orders'] });
      await client.write(`abort-${name}`, { events: [event('aborted')] });
      expect(await client.abort(`abort-${name}`)).toMatchObject({ status: 'aborted' });
      await expect(client.commitTransaction(`abort-${name}`, { digests: [] })).rejects.toMatchObject({
        code: 'TransactionAborted',
      });
    }
    for (const { name } of SITES) await expectAllAt(name, new Set(['abort-east', 'abort-west']));
  });

  test('what is wrong is refused as a problem', async () => {
    const ask = async (path: string, init: RequestInit) => {
      const answer = await fetch(`${endpoints()[0]}${path}`, init);
      return [answer.status, answer.headers.get('content-type'), ((await answer.json()) as { code: string }).code];
    };
    const headers = { 'content-type': 'application/json' };
    const problem = expect.stringContaining('application/problem+json') as unknown;
    expect(await ask('/commits', { method: 'POST', headers, body: '{"events":' })).toEqual([
      400,
      problem,
      'InvalidRequest',
    ]);
    expect(await ask('/commits', { method: 'POST', headers, body: '{}' })).toEqual([400, problem, 'InvalidRequest']);
    expect(await ask('/nowhere', {})).toEqual([404, problem, 'NotFound']);
  });

  test('every site tells where all of them are', async () => {
    for (const { name } of SITES) {
      expect((await route(name)).sites.map(({ endpoint }) => endpoint)).toEqual(endpoints());
    }
  });

  test('a primary stream is deleted under load: it is read at the mirror, commits go on, nothing is missing', async () => {
    const load = await underLoad(async (running) => {
      const kinesis = new KinesisClient(clientOf('east'));
      const StreamName = physicalNameOf(deployment, 'east', 'orders', 1);
      await kinesis.send(new DeleteStreamCommand({ StreamName, EnforceConsumerDeletion: true }));
      kinesis.destroy();
      await running.more(20);
    });
    expect((await route('east')).active).toMatchObject({ orders: 'west', payments: 'east' });
    await expectAllAt('west', load.aborted);
    const [incident] = await incidentsOf('switchover', ({ stream }) => stream === 'orders');
    await until('its workflow has moved the consumer', async () =>
      (await executions('east', 'switchover')).some(([name, status]) => name === incident?.id && status !== 'FAILED'),
    );
  });

  test('the stream that was deleted is made anew, and filled from the log', async () => {
    await until('it is in sync', async () => {
      await tick('east', 'stream-provisioner', { streams: {} });
      return (await enteringAt('west').getStream('orders')).mirrors[0]?.status === 'in-sync';
    });
    const [mirror] = (await enteringAt('west').getStream('orders')).mirrors;
    expect(mirror?.physicalName).toBe(physicalNameOf(deployment, 'east', 'orders', 2));
    await expectAllAt('east');
  });

  test('the tables of home cannot be reached: the other site takes over, nothing is missing', async () => {
    const load = await underLoad(async (running) => {
      proxy.cut();
      await until('west is home', async () => (await route('west')).home === 'west');
      await running.more(20);
    });
    expect(await route('west')).toMatchObject({ home: 'west', inSync: ['west'], phase: 'serving' });
    await expectAllAt('west', load.aborted);
  });

  test('they can be reached again: a state machine brings the site back, and proves it', async () => {
    proxy.mend();
    const load = await underLoad(async () => {
      await until('east is in sync', async () => {
        await tick('east', 'health');
        return (await route('west')).inSync.includes('east');
      });
    });
    await until('the return is done', async () =>
      (await executions('east', 'reconciliation')).some(([, status]) => status === 'SUCCEEDED'),
    );
    const returns = await incidentsOf('return', ({ endedAt }) => endedAt !== undefined);
    const names = (await executions('east', 'reconciliation')).map(([name]) => name);
    for (const { id } of returns) expect(names).toContain(`return-${id}`);
    const [id] = returns.flatMap(({ timeline }) =>
      timeline.flatMap(({ what }) => /reconciliation (\w+)/.exec(what)?.[1] ?? []),
    );
    const { status, proof } = await enteringAt('west').getReconciliation(id ?? '');
    expect(status).toBe('done');
    expect(proof?.copied).toBeGreaterThan(0);
    const differing = (proof?.windows ?? []).filter(({ after }) => {
      const [east, west] = [after['east'], after['west']];
      return east?.log !== west?.log || east?.stream !== west?.stream;
    });
    // Whether something is missing, or the proof came too early: the first of these to fail says which.
    await expectAllAt('east', load.aborted);
    await expectAllAt('west', load.aborted);
    expect(differing).toEqual([]);
  });

  test('the tour: nothing lost, doubled or torn', async () => {
    const args = endpoints().flatMap((endpoint) => ['--endpoint', endpoint]);
    const report = await tour([...args, '--cases', '200', '--once', '--json']);
    expect(report).toMatchObject({
      transactions: { committed: 200, aborted: 0 },
      events: { lost: 0, duplicated: 0, torn: 0 },
      reconciliation: { digestsEqual: true },
    });
  });

  test('a function that reads the streams has had every event, each once, across all of it', async () => {
    const expected = [...acknowledged].flatMap((id) => STREAMS.map((stream) => `${stream} ${id}`));
    const handled = async () => {
      const found = await ledger();
      const byTransaction = new Map<string, number>();
      for (const [id, times] of found) byTransaction.set(id.replace(/:\d+$/, ''), times);
      return byTransaction;
    };
    await until('it has had all of them', async () => {
      for (const { name } of SITES) await tick(name, 'stream-provisioner', { streams: {} });
      const found = await handled();
      return expected.every((id) => found.has(id));
    });
    const twice = [...(await ledger())].filter(([, times]) => times !== 1);
    expect(twice).toEqual([]);
  });
});

/** Runs the command as anyone would. @returns what it prints as its last line */
async function tour(args: readonly string[]): Promise<unknown> {
  const command = join(__dirname, '..', '..', 'cli', 'lockstep.mjs');
  const child = spawn(process.execPath, [command, 'tour', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: Buffer[] = [];
  const told: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => told.push(chunk));
  const tooLong = setTimeout(() => child.kill(), TOUR_MS);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(tooLong);
  const last = Buffer.concat(said).toString().trimEnd().split('\n').at(-1) ?? '';
  if (!last.startsWith('{'))
    throw new Error(`the tour did not end well:\n${Buffer.concat([...said, ...told]).toString()}`);
  return JSON.parse(last) as unknown;
}

async function incidentsOf(
  kind: Incident['kind'],
  isMeant: (incident: Incident) => boolean,
): Promise<readonly Incident[]> {
  const { incidents } = await enteringAt('west').listIncidents();
  return incidents.filter((incident) => incident.kind === kind && isMeant(incident));
}

/** What the consumer has counted, by stream and event id. */
async function ledger(): Promise<ReadonlyMap<string, number>> {
  const client = new DynamoDBClient(clientOf('west'));
  const counted = new Map<string, number>();
  let ExclusiveStartKey: ScanCommandOutput['LastEvaluatedKey'];
  do {
    const page: ScanCommandOutput = await client.send(
      new ScanCommand({ TableName: LEDGER(deployment), ConsistentRead: true, ExclusiveStartKey }),
    );
    for (const { id, handled } of page.Items ?? []) counted.set(id?.S ?? '', Number(handled?.N));
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
  client.destroy();
  return counted;
}
