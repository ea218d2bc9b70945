import type { Route } from '../core/route.js';
import { PortThrottled } from '../ports/failures.js';
import { leaveSite } from './leave.js';
import { returnSite } from './reconciliation.js';
import { type Site, siteTarget } from './site.js';
import { finishTakeover, takeover } from './takeover.js';

/**
 * Watching the other sites when no request does: a follower probes home and takes over when it has failed; home probes
 * its followers and leaves them; whoever is out of sync comes back.
 */
export async function watch(site: Site): Promise<void> {
  const route = await site.routes.refresh();
  if (isUnfinishedFor(site, route)) {
    await goOnWithTakeover(site);
    return;
  }
  if (!route.inSync.includes(site.name)) {
    await returnSite(site);
    return;
  }
  if (route.home === site.name) {
    const others = [...route.inSync, ...Object.keys(route.joining)].filter((name) => name !== site.name);
    await Promise.all(
      others.map(async (other) => {
        if (!(await probe(site, other))) await leaveSite(site, other);
      }),
    );
    return;
  }
  if (!(await probe(site, route.home))) await homeHasFailed(site);
}

/** Probes until it answers or its breaker is open: a silent loss must not take several periods to notice. */
export async function probe(site: Site, other: string): Promise<boolean> {
  for (let attempt = 0; attempt < site.options.failuresToOpen; attempt += 1) {
    try {
      const answer = await site.peers.agent(other).probe();
      site.observe(siteTarget(other), 'well');
      site.compareClocks(other, answer.nowMs);
      site.behindAt.set(other, new Set(answer.behind));
      return true;
    } catch (error) {
      if (error instanceof PortThrottled) return true;
      if (site.observe(siteTarget(other), 'failed').state === 'open') return false;
    }
  }
  return !site.isFailed(siteTarget(other));
}

/**
 * Home does not answer this site. It takes over only when home does not answer the others either: one caller's trouble
 * evicts nobody.
 *
 * @returns whether this site, or another one, is home now
 */
export async function homeHasFailed(site: Site): Promise<boolean> {
  const route = await site.routes.refresh();
  if (isUnfinishedFor(site, route)) return goOnWithTakeover(site);
  if (!route.inSync.includes(site.name)) return false;
  if (route.home === site.name) return true;
  if (await probe(site, route.home)) return false;
  if (await othersSeeHome(site, route)) return false;
  await takeover(site, { why: `${route.home} does not answer` });
  return true;
}

/** Whether home answers anybody else who is in sync. */
export async function othersSeeHome(site: Site, { home, inSync }: Route): Promise<boolean> {
  const witnesses = inSync.filter((name) => name !== site.name && name !== home);
  const seen = await Promise.all(
    witnesses.map((witness) =>
      site.peers
        .agent(witness)
        .sees({ site: home })
        .catch(() => false),
    ),
  );
  return seen.includes(true);
}

/** A takeover that this site may finish, or end by taking over itself: it is in sync, or was home until just now. */
function isUnfinishedFor(site: Site, { phase, inSync, deposed }: Route): boolean {
  return phase === 'taking-over' && (inSync.includes(site.name) || deposed.includes(site.name));
}

/** A takeover that stopped half-way: whoever is in sync finishes it, or takes over in turn where its home is lost too. */
async function goOnWithTakeover(site: Site): Promise<boolean> {
  const { home } = site.routes.known;
  if (home === site.name || (await probe(site, home))) await finishTakeover(site);
  else await takeover(site, { why: `${home} was lost while it took over` });
  return true;
}
