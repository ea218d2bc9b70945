import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { httpTransport, LockstepClient } from '../../src/client/index.js';
import { LockstepError } from '../../src/core/errors.js';
import { type Disruptions, LocalFaults, RequestedChanges } from './disruptions.js';
import { TOUR_STREAMS } from './mapping.js';

/** Longer than any outage of the tour: a client that gave up would have to take another id, milliseconds. */
const RETRY_FOR_MS = 120_000;
const ATTEMPT_TIMEOUT_MS = 30_000;

/** What the tour runs against. */
export interface Deployment {
  /** Where to send curl to. */
  readonly url: string;
  readonly sites: readonly string[];
  readonly client: LockstepClient;
  readonly disruptions: Disruptions;
  /** In words, for the one who watches. */
  readonly words: string;
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

/** Two sites on this machine behind a real HTTP server, in this process. */
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
    try {
      const deployment = await connect([server.url], (url, _client, home) => new LocalFaults(url, home));
      const close = async (): Promise<void> => {
        await server.close();
        await remove();
      };
      return { ...deployment, words: `sites east and west on this machine, ${roundTripMs} ms apart`, close };
    } catch (error) {
      await server.close();
      throw error;
    }
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A deployment that runs already, and that is not to be broken. */
export async function openExistingDeployment(endpoints: readonly string[]): Promise<Deployment> {
  const deployment = await connect(endpoints, (_url, client, site, others) => {
    const [other] = others;
    if (other === undefined) {
      throw new LockstepError('NotEnoughReplicas', 'the tour needs a second site that is in sync; see lockstep route');
    }
    return new RequestedChanges(client, { site, other, streams: TOUR_STREAMS });
  });
  return { ...deployment, words: `the deployment at ${endpoints.join(', ')}`, close: () => Promise.resolve() };
}

async function connect(
  endpoints: readonly string[],
  disrupt: (url: string, client: LockstepClient, home: string, others: readonly string[]) => Disruptions,
): Promise<Omit<Deployment, 'words' | 'close'>> {
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
  const transport = httpTransport({ endpoints, fetch: countingFetch, timeoutMs: ATTEMPT_TIMEOUT_MS });
  const client = new LockstepClient({ transport, retryForMs: RETRY_FOR_MS });
  const { home, inSync, sites } = await client.getRoute();
  const url = endpoints[0] ?? '';
  const others = inSync.filter((site) => site !== home);
  return {
    url,
    sites: sites.map(({ name }) => name),
    client,
    disruptions: disrupt(url, client, home, others),
    failedRequests: () => failed,
  };
}
