import type { Conflict, Incident } from '../../../src/core/api.js';
import type { Route } from '../../../src/core/route.js';
import type { Cluster } from '../cluster.js';

export interface Lost {
  /** Ids that some conflict names as its loser. */
  readonly conflicts: ReadonlySet<string>;
  readonly wasUnclean: boolean;
}

/** After an unclean takeover something may be lost: then it is listed. */
export async function lostIn(cluster: Cluster, route: Route): Promise<Lost> {
  const rows = await cluster.control.list('conflict/');
  const conflicts = new Set(rows.map(({ record }) => (record.value as Conflict).loser.transactionId));
  return { conflicts, wasUnclean: route.terms.some(({ unclean }) => unclean === true) };
}

/** Never silent: each unclean takeover stands as an incident. */
export async function silentlyLost(cluster: Cluster, { wasUnclean }: Lost): Promise<readonly string[]> {
  if (!wasUnclean) return [];
  const incidents = await cluster.control.list('incident/');
  const told = incidents.some(({ record }) => (record.value as Incident).kind === 'unclean-takeover');
  return told ? [] : ['an unclean takeover is not listed'];
}
