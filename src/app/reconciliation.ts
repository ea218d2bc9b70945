import { openReconciliation, tellReconciliation } from './reconcile.js';
import type { Site } from './site.js';
import type { Reconciling } from './steps.js';

const RETURN = 'return-';

/**
 * A site that finds itself out of sync comes back: it fences itself to the serving term, cleans itself of what it alone
 * decided, joins, copies what it lacks, and is in sync when it lacks nothing.
 *
 * @returns whether it is in sync now: where workflows are run elsewhere, it is later
 */
export async function returnSite(site: Site): Promise<boolean> {
  const route = await site.routes.refresh();
  if (route.phase !== 'serving') return false;
  if (route.inSync.includes(site.name)) return true;
  await reconcile(site, { id: site.newId(), incident: site.newId(), returning: true });
  return (await site.routes.refresh()).inSync.includes(site.name);
}

/** Starts the reconciliation of this site with another one, in the background. @throws LockstepError UnknownStream */
export async function startReconciliation(site: Site, streams?: readonly string[]): Promise<{ readonly id: string }> {
  await site.registry.require(streams ?? []);
  const id = site.newId();
  await openReconciliation(site, id);
  const route = await site.routes.refresh();
  if (!route.inSync.includes(site.name)) {
    const problem = `${site.name} is not in sync: it reconciles by itself when it returns`;
    await tellReconciliation(site, id, { status: 'failed', problem });
    return { id };
  }
  const work = reconcile(site, { id, incident: id, returning: false, ...(streams ? { streams } : {}) });
  // Its last step has told so already, but where it could not be started.
  const failed = (error: unknown) =>
    tellReconciliation(site, id, { status: 'failed', problem: error instanceof Error ? error.message : String(error) });
  site.ports.later(work.catch(failed));
  return { id };
}

function reconcile(site: Site, { streams, ...from }: Reconciling): Promise<void> {
  const context = { ...from, ...(streams ? { streams: [...streams] } : {}) };
  const { incident, returning } = from;
  // A second return would begin the joining anew, and end the first.
  return site.run({
    workflow: 'reconciliation',
    context,
    ...(returning ? { name: `${RETURN}${incident}`, unless: RETURN } : { name: incident }),
  });
}
