import { type SiteClients, lambdaClient, siteClients, stepFunctionsClient } from '../adapters/aws/clients.js';
import type { AwsConfig } from '../adapters/aws/config.js';
import { DynamoControlStore } from '../adapters/aws/dynamo-control.js';
import { DynamoTables } from '../adapters/aws/dynamo-tables.js';
import { systemClock, systemRandom } from '../adapters/aws/environment.js';
import { KinesisStreams } from '../adapters/aws/kinesis-streams.js';
import { lambdaExchange, peersOf } from '../adapters/aws/lambda-agent.js';
import { controlTableName, functionName, keyAlias, siteTableName } from '../adapters/aws/names.js';
import { createObserver } from '../adapters/aws/observer.js';
import { type AgentTimeouts, type Exchange, agentHandler } from '../adapters/aws/remote-agent.js';
import type { RetryLimits } from '../adapters/aws/retry.js';
import { stepFunctionsWorkflows } from '../adapters/aws/step-functions.js';
import { SiteNode } from '../app/node.js';
import type { SitePorts } from '../app/site.js';
import { eventSourceMappings } from '../adapters/aws/event-source-mappings.js';
import { type Consumers, NO_CONSUMERS } from '../ports/consumers.js';
import { NO_CONFLICT_FUNCTIONS } from '../ports/conflict-functions.js';
import { localWorkflows } from '../workflows/local.js';
import type { Workflows } from '../ports/workflows.js';
import { type Options, type OptionsInput, optionsSchema } from '../core/options.js';
import type { Clock, Observer, Random } from '../ports/environment.js';
import { LONGEST_POLL_MS } from '../ports/mirror-agent.js';

/** What a deployment on AWS has other defaults for than the schema's, which are those of one machine. */
const AWS_OPTIONS: OptionsInput = {
  // The price of a bar is a write to every guard.
  closePeriodMs: 5000,
  heartbeatIdleMs: 60_000,
  sweepPeriodMs: 60_000,
  probePeriodMs: 5000,
  // Between regions, and now and then with the cold start of a function.
  callTimeoutMs: 3000,
  bulkTimeoutMs: 30_000,
  healthWindowMs: 60_000,
  halfOpenAfterMs: 5000,
  // Off everybody's path: an endpoint has half of it, and the model in the function the rest.
  predictionTimeoutMs: 1000,
  // Kinesis orders what arrives within about a second only coarsely.
  arrivalMarginMs: 1000,
};

/** What one call of a site's own services may take, where another site waits so long for an answer that needs several. */
const limitsOf = ({ callTimeoutMs }: Options) => ({ tablesMs: callTimeoutMs / 2, streamsMs: callTimeoutMs });
const PUT_SHARE = 1 / 3;
const CONTROL_PLANE_MS = 3000;
/** What a process remembers of the route, the streams and their backlogs is looked up again when it is older. */
const FRESH_MS = 5000;

export interface AwsOverrides {
  /** Of an emulator. @default AWS_ENDPOINT_URL, or AWS itself */
  readonly endpoint?: string;
  /** For this site's region, and for the control store's where that is another. @default made for each region */
  readonly clientsFor?: (region: string) => SiteClients;
  /** How requests reach the mirror agents of other sites. @default an invocation of their function */
  readonly exchangeWith?: (site: string) => Exchange;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly observer?: Observer;
  /** Who foresees events. @default nobody: only the function that follows the log does */
  readonly backfill?: SitePorts['backfill'];
  readonly retry?: RetryLimits;
  /** How old what a process remembers may get, milliseconds. @default 5000 */
  readonly freshMs?: number;
}

/** One site, as a function of it has it: opened once, kept warm between invocations. */
export interface AwsSite {
  readonly node: SiteNode;
  /** Answers another site's request: what the function `mirror-agent` is invoked with. */
  readonly answer: ReturnType<typeof agentHandler>;
  /** Resolves when all is done that a request left for later: to be awaited before a function returns. */
  settle(): Promise<void>;
  /** Ends long polls and closes connections. */
  close(): void;
}

/** @throws PortUnavailable where the site's tables or the control store do not answer: to be tried again */
export async function openAwsSite(config: AwsConfig, overrides: AwsOverrides = {}): Promise<AwsSite> {
  const site = new OpenSite(config, overrides);
  await site.node.start();
  return site;
}

interface Around {
  readonly region: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly retry?: RetryLimits;
}

class OpenSite implements AwsSite {
  readonly node: SiteNode;
  readonly answer: AwsSite['answer'];
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #clients: { destroy(): void }[] = [];
  readonly #freshMs: number;
  #freshAtMs: number;

  constructor(config: AwsConfig, overrides: AwsOverrides) {
    const { deployment, site: name, sites } = config;
    const { clock = systemClock, random = systemRandom, retry } = overrides;
    const region = regionOf(config, name);
    const options = optionsSchema.parse({ ...AWS_OPTIONS, ...config.options });
    const common = { clock, random, ...(retry === undefined ? {} : { retry }) };
    const clients = this.#clientsFor(region, options, overrides);
    const { controlRegion = region } = config;
    const control = controlRegion === region ? clients : this.#clientsFor(controlRegion, options, overrides);
    this.#clock = clock;
    this.#freshMs = overrides.freshMs ?? FRESH_MS;
    this.#freshAtMs = clock.now();
    this.node = new SiteNode({
      name,
      deployment: { name: deployment, sites },
      options,
      tables: new DynamoTables({ ...common, client: clients.dynamodb, tableName: siteTableName(deployment, name) }),
      streams: new KinesisStreams({
        ...common,
        client: clients.kinesis,
        putMs: options.callTimeoutMs * PUT_SHARE,
        stopping: this.#stopping.signal,
        // The stacks make it; where there are none, streams are as whoever runs this wants them.
        ...(config.stateMachines === undefined ? {} : { keyId: keyAlias(deployment, name) }),
      }),
      control: new DynamoControlStore({ ...common, client: control.dynamodb, tableName: controlTableName(deployment) }),
      peers: peersOf(
        name,
        () => this.node.agent,
        overrides.exchangeWith ?? this.#invoking(config, options, overrides),
        timeoutsOf(options),
      ),
      workflows: this.#workflows(config, { region, ...common }, overrides),
      consumers: this.#consumers(config, { region, ...common }, overrides),
      conflictFunctions: NO_CONFLICT_FUNCTIONS,
      clock,
      random,
      observer: overrides.observer ?? createObserver(deployment, name),
      later: (work) => this.#track(work),
      // An answer is sent when a function ends: what it left for later would be waited for. The follower of the log does it.
      confirm: () => undefined,
      ...(overrides.backfill ? { backfill: overrides.backfill } : {}),
      stopping: this.#stopping.signal,
    });
    this.answer = agentHandler(this.node.agent);
  }

  #clientsFor(region: string, options: Options, { endpoint, clientsFor }: AwsOverrides): SiteClients {
    const reach = { region, ...(endpoint === undefined ? {} : { endpoint }) };
    const clients = clientsFor?.(region) ?? siteClients(reach, limitsOf(options));
    this.#clients.push(clients);
    return clients;
  }

  #workflows({ stateMachines }: AwsConfig, around: Around, { endpoint }: AwsOverrides): Workflows {
    const { region, ...common } = around;
    if (stateMachines === undefined) return localWorkflows({ ...common, stopping: this.#stopping.signal });
    const reach = { region, ...(endpoint === undefined ? {} : { endpoint }) };
    const client = stepFunctionsClient(reach, CONTROL_PLANE_MS);
    this.#clients.push(client);
    return stepFunctionsWorkflows({ ...common, client, arnOf: (workflow) => stateMachines + workflow });
  }

  /** There are some only where there are functions, and so state machines. */
  #consumers({ deployment, site, stateMachines }: AwsConfig, around: Around, { endpoint }: AwsOverrides): Consumers {
    const { region, ...common } = around;
    if (stateMachines === undefined) return NO_CONSUMERS;
    const reach = { region, ...(endpoint === undefined ? {} : { endpoint }) };
    const client = lambdaClient(reach, CONTROL_PLANE_MS);
    this.#clients.push(client);
    return eventSourceMappings({ ...common, deployment, site, client });
  }

  #invoking(config: AwsConfig, options: Options, { endpoint }: AwsOverrides): (site: string) => Exchange {
    return (site) => {
      const reach = { region: regionOf(config, site), ...(endpoint === undefined ? {} : { endpoint }) };
      const client = lambdaClient(reach, timeoutsOf(options).forwarded);
      return lambdaExchange(client, functionName(config.deployment, site, 'mirror-agent'));
    };
  }

  /** Its failure is its own matter. */
  #track(work: Promise<unknown>): void {
    const tracked = work.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(tracked);
    void tracked.then(() => this.#running.delete(tracked));
  }

  async settle(): Promise<void> {
    if (this.#clock.now() - this.#freshAtMs > this.#freshMs) {
      this.#freshAtMs = this.#clock.now();
      // A replica that is ready by now would be left to the backlog for ever.
      this.#track(this.node.refresh());
    }
    while (this.#running.size > 0) await Promise.all([...this.#running]);
  }

  close(): void {
    this.#stopping.abort();
    for (const clients of this.#clients) clients.destroy();
  }
}

function regionOf({ sites }: AwsConfig, site: string): string {
  const region = sites.find(({ name }) => name === site)?.region;
  if (region === undefined) throw new Error(`there is no site ${site} in the configuration`);
  return region;
}

function timeoutsOf({ callTimeoutMs, bulkTimeoutMs }: Options): AgentTimeouts {
  return { quick: callTimeoutMs, bulk: bulkTimeoutMs, forwarded: bulkTimeoutMs + LONGEST_POLL_MS };
}
