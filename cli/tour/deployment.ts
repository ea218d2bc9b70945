import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { httpTransport, type HttpTransportOptions, LockstepClient } from '../../src/client/index.js';
import type { RouteAnswer } from '../../src/core/api.js';
import { LockstepError } from '../../src/core/errors.js';
import { type Disruptions, LocalFaults, RequestedChanges } from './disruptions.js';
import { tourStreams } from './mapping.js';

/** Longer than any outage of the tour: a client that gave up would have to take another id, milliseconds. */
const RETRY_FOR_MS = 120_000;
/** Longer than API Gateway waits for an answer. */
const ATTEMPT_TIMEOUT_MS = 30_000;

/** What the tour runs against: anything that serves the REST contract, with a way to disrupt it. */
export interface Deployment {
  /** Where to send curl to. */
  readonly url: string;
  readonly sites: readonly string[];
  readonly client: LockstepClient;
  readonly disruptions: Disruptions;
  /** What the names of the tour's streams begin with, these names, and the shards of each where it is made. */
  readonly prefix: string;
  readonly streams: readonly string[];
  readonly shards: number;
  /** In words, for the one who watches. */
  readonly words: string;
  /** What there is to do afterwards, in lines. @param reconciliationId the last one, if one was begun */
  afterwards(reconciliationId?: string): readonly string[];
  /** Whether it ends with this process, and may be looked at until then. */
  readonly isOurs: boolean;
  /** Requests that failed and that the client sent again. */
  failedRequests(): number;
  close(): Promise<void>;
}

export interface LocalOptions {
  /** Kept; without it a new directory that is removed at the end. */
  readonly dataDirectory?: string;
  readonly port: number;
  readonly roundTripMs: number;
}

/** Two sites on this machine behind a real HTTP server, in this process. What is disrupted there truly fails. */
export async function openLocalDeployment(options: LocalOptions): Promise<Deployment> {
  // Loads the storage engine, which most commands do without.
  const { serveEmbedded } = await import('../../src/embedded/index.js');
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'lockstep-tour-')));
  const remove = async (): Promise<void> => {
    if (options.dataDirectory === undefined) await rm(dataDirectory, { recursive: true, force: true });
  };
  const sites = ['east', 'west'];
  const { port, roundTripMs } = options;
  try {
    const server = await serveEmbedded({ dataDirectory, sites, roundTripMs, port });
    const close = async (): Promise<void> => {
      await server.close();
      await remove();
    };
    try {
      const { route, ...connection } = await connect({ endpoints: [server.url] });
      return {
        ...connection,
        disruptions: new LocalFaults(server.url, route.home),
        prefix: '',
        streams: tourStreams(''),
        shards: 2,
        words: `sites east and west on this machine, ${roundTripMs} ms apart`,
        afterwards: (reconciliationId) => toTryAt(server.url, reconciliationId),
        isOurs: true,
        close,
      };
    } catch (error) {
      await server.close();
      throw error;
    }
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * A deployment that runs already, and that is not to be broken: it is asked for the changes.
 *
 * @param prefix keeps the tour's streams apart from what others have there
 */
export async function openExistingDeployment(reach: HttpTransportOptions, prefix: string): Promise<Deployment> {
  const { route, ...connection } = await connect(reach);
  const { home: site, inSync } = route;
  const other = inSync.find((name) => name !== site);
  if (other === undefined) {
    throw new LockstepError('NotEnoughReplicas', 'the tour needs a second site that is in sync; see lockstep route');
  }
  const streams = tourStreams(prefix);
  return {
    ...connection,
    disruptions: new RequestedChanges(connection.client, { site, other, streams }),
    prefix,
    streams,
    // They stay, and cost by the hour.
    shards: 1,
    words: `the deployment at ${reach.endpoints.join(', ')}`,
    afterwards: () => [
      `Home is at ${other} now: \`lockstep move-home ${site}\` moves it back.`,
      `The streams stay, for the next tour, and cost what ${streams.length * connection.sites.length} shards cost: ${streams.join(', ')}.`,
    ],
    isOurs: false,
    close: () => Promise.resolve(),
  };
}

type Connection = Pick<Deployment, 'url' | 'sites' | 'client' | 'failedRequests'> & { readonly route: RouteAnswer };

async function connect(reach: HttpTransportOptions): Promise<Connection> {
  let failed = 0;
  const countingFetch: typeof fetch = async (...request) => {
    try {
      const response = await fetch(...request);
      if (response.status >= 500 || response.status === 421 || response.status === 429) failed += 1;
      return response;
    } catch (error) {
      failed += 1;
      throw error;
    }
  };
  const transport = httpTransport({ ...reach, fetch: countingFetch, timeoutMs: ATTEMPT_TIMEOUT_MS });
  const client = new LockstepClient({ transport, retryForMs: RETRY_FOR_MS });
  const route = await client.getRoute();
  const sites = route.sites.map(({ name }) => name);
  return { url: reach.endpoints[0] ?? '', sites, client, route, failedRequests: () => failed };
}

function toTryAt(url: string, reconciliationId: string | undefined): readonly string[] {
  return [
    `  curl ${url}/route`,
    `  curl '${url}/streams/openings/events?limit=2'`,
    `  curl ${url}/incidents`,
    `  curl -X PUT ${url}/local/faults -H 'content-type: application/json' \\`,
    `       -d '{"faults":[{"site":"west","kind":"down"}]}'`,
    ...(reconciliationId === undefined ? [] : [`  npx lockstep verify ${reconciliationId} --endpoint ${url}`]),
    `  npx lockstep tail openings --endpoint ${url}`,
  ];
}
