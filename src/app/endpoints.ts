import type { RouteAnswer } from '../core/api.js';
import type { Site } from './site.js';

const PREFIX = 'site/';

interface Told {
  readonly endpoint: string;
}

/**
 * Tells the other sites where clients reach this one. Where a deployment knows all of its endpoints beforehand there is
 * nothing to tell.
 */
export async function tellEndpoint(site: Site): Promise<void> {
  const { sites } = site.ports.deployment;
  const endpoint = sites.find(({ name }) => name === site.name)?.endpoint;
  if (endpoint === undefined || sites.every((one) => one.endpoint !== undefined)) return;
  const record = await site.control.get(PREFIX + site.name);
  if ((record?.value as Told | undefined)?.endpoint === endpoint) return;
  // Who was faster is a process of this very site, and tells the same.
  await site.control.compareAndSet(PREFIX + site.name, record?.version ?? 0, { endpoint } satisfies Told);
}

/** The sites, each with the endpoint that it was given or has told; empty where it has told none yet. */
export async function describeSites(site: Site): Promise<RouteAnswer['sites']> {
  const { sites } = site.ports.deployment;
  const isTold = sites.some(({ endpoint }) => endpoint === undefined);
  // The control store may be away just when a client wants to know where else to go: what was told last will do.
  if (isTold) await learnEndpoints(site).catch(() => undefined);
  return sites.map(({ name, region, endpoint }) => ({
    name,
    region,
    endpoint: endpoint ?? site.endpoints.get(name) ?? '',
  }));
}

async function learnEndpoints(site: Site): Promise<void> {
  for (const { name, record } of await site.control.list(PREFIX)) {
    site.endpoints.set(name.slice(PREFIX.length), (record.value as Told).endpoint);
  }
}
