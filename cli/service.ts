/** What several commands ask of a deployment, and read in its answers. */
import { setTimeout } from 'node:timers/promises';
import type { Proof, Reconciliation, RouteAnswer, Service } from '../src/core/api.js';
import { areEqual } from '../src/core/proof.js';

const POLL_MS = 200;

export type SiteRole = 'home' | 'in sync' | 'joining' | 'out';

/** What a site is on this route. */
export function roleOf({ home, inSync, joining }: RouteAnswer, site: string): SiteRole {
  if (site === home) return 'home';
  if (inSync.includes(site)) return 'in sync';
  return site in joining ? 'joining' : 'out';
}

export interface Following {
  readonly signal: AbortSignal;
  readonly onProgress?: (fraction: number) => void;
  /** After it, what still runs is answered as it stands, milliseconds. @default Infinity */
  readonly timeoutMs?: number;
}

/** Follows a reconciliation to its end. */
export async function untilDone(
  service: Pick<Service, 'getReconciliation'>,
  id: string,
  { signal, onProgress = () => undefined, timeoutMs = Infinity }: Following,
): Promise<Reconciliation> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    const reconciliation = await service.getReconciliation(id);
    onProgress(reconciliation.progress);
    if (reconciliation.status !== 'running' || Date.now() > giveUpAt) return reconciliation;
    signal.throwIfAborted();
    await setTimeout(POLL_MS);
  }
}

/** Whether, after a reconciliation, all sites hold the same in each window. */
export function hasEqualDigests({ windows, sites }: Proof): boolean {
  return windows.every(({ after }) => areEqual(sites.map((site) => after[site])));
}
