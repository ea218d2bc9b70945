import type { HealthAnswer, HealthState } from '../core/api.js';
import { errorRate } from '../core/health.js';
import { type Site, shardTarget, siteTarget, streamTarget } from './site.js';

const SUSPECT_RATE = 0.05;

type SiteHealth = HealthAnswer['sites'][number];

/** How this site finds its own streams. */
export async function healthOf(site: Site): Promise<HealthAnswer> {
  await site.tables.get([{ pk: 'closed', sk: '-' }]);
  const streams = site.registry.local.map(({ definition: { name }, replica }) => ({
    stream: name,
    shards: replica.shards.map(({ shardId }) => ({
      shardId,
      state: worse(stateOf(site, streamTarget(name)), stateOf(site, shardTarget(name, shardId))),
    })),
  }));
  const failing = streams.some(({ shards }) => shards.some(({ state }) => state === 'failed'));
  return answer([{ site: site.name, state: failing ? 'suspect' : 'well', streams }]);
}

/** Every site as it finds itself; one that does not answer has failed. */
export async function healthOfAll(site: Site): Promise<HealthAnswer> {
  const names = site.ports.deployment.sites.map(({ name }) => name);
  return answer(
    await Promise.all(names.map((name) => (name === site.name ? ownOrFailed(site) : askOther(site, name)))),
  );
}

async function ownOrFailed(site: Site): Promise<SiteHealth> {
  const own = await healthOf(site).catch(() => undefined);
  return own?.sites[0] ?? failed(site.name);
}

async function askOther(site: Site, other: string): Promise<SiteHealth> {
  try {
    const { sites } = (await site.peers.agent(other).perform({ operation: 'getHealth', args: [true] })) as HealthAnswer;
    return sites[0] ?? failed(other);
  } catch {
    site.observe(siteTarget(other), 'failed');
    return failed(other);
  }
}

const failed = (site: string): SiteHealth => ({ site, state: 'failed', streams: [] });

function stateOf(site: Site, target: string): HealthState {
  const health = site.health(target);
  if (health.state === 'open') return 'failed';
  return health.failuresInARow > 0 || errorRate(health) > SUSPECT_RATE ? 'suspect' : 'well';
}

function worse(a: HealthState, b: HealthState): HealthState {
  const order: readonly HealthState[] = ['well', 'suspect', 'failed'];
  return order.indexOf(a) > order.indexOf(b) ? a : b;
}

function answer(sites: readonly SiteHealth[]): HealthAnswer {
  const well = sites.filter(({ state }) => state === 'well').length;
  const answering = sites.filter(({ state }) => state !== 'failed').length;
  return { status: well === sites.length ? 'ok' : answering > 0 ? 'degraded' : 'down', sites };
}
