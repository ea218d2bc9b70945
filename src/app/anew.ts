import { generationOf, physicalNameOf } from '../core/ids.js';
import type { Site } from './site.js';

/**
 * A replica here begins again, filled from the log: with the next stream, since what stands on one cannot be taken off it,
 * and what was told on one that is gone (how far it is closed) cannot be taken back.
 *
 * @returns the name of the stream that is retired, where there is a replica here
 */
export async function beginAnew(site: Site, stream: string): Promise<string | undefined> {
  const { deployment } = site.ports;
  const old = site.registry.localReplica(stream);
  if (!old) return undefined;
  const next = generationOf(deployment.name, site.name, old.physicalName) + 1;
  await site.registry.change(stream, (before) => {
    const replica = before?.replicas[site.name];
    if (!before || replica?.physicalName !== old.physicalName)
      throw new Error(`stream ${stream} was changed meanwhile`);
    const anew = {
      ...replica,
      physicalName: physicalNameOf(deployment.name, site.name, stream, next),
      state: 'creating' as const,
      shards: [],
    };
    return { ...before, replicas: { ...before.replicas, [site.name]: anew } };
  });
  site.note('a replica begins anew', { stream, retired: old.physicalName });
  return old.physicalName;
}
