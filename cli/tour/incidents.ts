import type { Incident, Service } from '../../src/core/api.js';

const NEWEST = 1_000;

type Listing = Pick<Service, 'listIncidents'>;

/** Looks for the incidents that have begun since: told apart by their ids, as a deployment's clock need not be ours. */
export async function incidentsSince(client: Listing): Promise<() => Promise<readonly Incident[]>> {
  const known = new Set((await newest(client)).map(({ id }) => id));
  return async () => (await newest(client)).filter(({ id }) => !known.has(id));
}

async function newest(client: Listing): Promise<readonly Incident[]> {
  return (await client.listIncidents({ limit: NEWEST })).incidents;
}
