import { NotHomeAnyMore } from '../ports/signals.js';
import type { Site } from './site.js';

/**
 * A refusal that rests on what the log here does not hold is only true at the serving home, and a deposed one does not
 * know that it is deposed: nothing of its own makes it look. So whoever refuses on sight reads the state first, and then
 * the route.
 *
 * @param term as known before the state was read
 * @throws NotHomeAnyMore another term began @throws PortUnavailable the control store does not answer
 */
export async function confirmHome(site: Site, term: number): Promise<void> {
  const route = await site.routes.refresh();
  if (route.home !== site.name || route.term !== term) throw new NotHomeAnyMore(`${route.home} is home now`);
}
