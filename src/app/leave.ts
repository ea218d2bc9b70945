import { dropJoining, shrink } from '../core/route.js';
import { PortThrottled, PortUnavailable } from '../ports/failures.js';
import { openIncident } from './incidents.js';
import { type Site, siteTarget } from './site.js';

/**
 * A follower did not take a decision. One that is joining begins again; one in sync is left by a shrink once its failures,
 * seen by this caller or confirmed by a probe of its own, say that it has failed.
 */
export async function leaveSite(site: Site, follower: string): Promise<void> {
  try {
    await leave(site, follower);
  } catch (error) {
    // Without the control store nobody is left: what waits for the follower goes on waiting.
    if (!(error instanceof PortUnavailable)) throw error;
    site.note('cannot leave a site', { follower, why: error.message });
  }
}

async function leave(site: Site, follower: string): Promise<void> {
  const route = site.routes.known;
  if (route.joining[follower] !== undefined) {
    await site.routes.change((now) => dropJoining(now, follower));
    return;
  }
  if (!site.isFailed(siteTarget(follower)) || (await answersProbe(site, follower))) return;
  const outcome = await site.routes.change((now) => shrink(now, follower, site.options.minInSync));
  if (outcome.kind === 'refused') return;
  await openIncident(
    site,
    'shrink',
    follower,
    `${follower} does not answer and is left: decisions no longer wait for it`,
  );
}

async function answersProbe(site: Site, other: string): Promise<boolean> {
  try {
    await site.peers.agent(other).probe();
    site.observe(siteTarget(other), 'well');
    return true;
  } catch (error) {
    return error instanceof PortThrottled;
  }
}
