/** What several commands ask of a deployment, and read in its answers. */
import { setTimeout } from 'node:timers/promises';
import type { Proof, Reconciliation, RouteAnswer, Service } from '../src/core/api.js';

const POLL_MS = 200;

export type SiteRole = 'home' | 'in sync' | 'joining' | 'out';

/** What a site is on this route. */
export function roleOf({ home, inSync, joining }: RouteAnswer, site: string): SiteRole {
  if (site === home) return 'home';
  if (inSync.includes(site)) return 'in sync';
  return site in joining ? 'joining' : 'out';
}

/** Follows a reconciliation to its end. */
export async function untilDone(
  service: Pick<Service, 'getReconciliation'>,
  id: string,
  signal: AbortSignal,
  onProgress: (fraction: number) => void = () => undefined,
): Promise<Reconciliation> {
  for (;;) {
    const reconciliation = await service.getReconciliation(id);
    onProgress(reconciliation.progress);
    if (reconciliation.status !== 'running') return reconciliation;
    signal.throwIfAborted();
    await setTimeout(POLL_MS);
  }
}

/** Whether, after a reconciliation, all sites hold the same in each window. */
export function hasEqualDigests({ windows, sites }: Proof): boolean {
  return windows.every(({ after }) => {
    const [first, ...others] = sites.map((site) => after[site]);
    return first !== undefined && others.every((each) => each?.log === first.log && each.stream === first.stream);
  });
}
