import { LockstepError } from '../core/errors.js';
import { letDrain } from './reconcile.js';
import { interruptedReconciliation, openReconciliation, takeLease, tellReconciliation } from './reconciliations.js';
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

/**
 * Starts the reconciliation of this site with another one, in the background.
 *
 * @throws LockstepError UnknownStream, SiteNotInSync, ReconciliationRunning
 */
export async function startReconciliation(site: Site, streams?: readonly string[]): Promise<{ readonly id: string }> {
  await site.registry.require(streams ?? []);
  const route = await site.routes.refresh();
  if (!route.inSync.includes(site.name)) {
    const detail = `${site.name} is not in sync: it reconciles by itself as soon as it is back; see GET /incidents`;
    throw new LockstepError('SiteNotInSync', detail);
  }
  const id = site.newId();
  await takeLease(site, id);
  await openReconciliation(site, id, streams);
  inBackground(site, { id, incident: id, returning: false, ...(streams ? { streams } : {}) });
  return { id };
}

/** Goes on with what was under way when this site's only process ended. */
export async function resumeReconciliation(site: Site): Promise<void> {
  const state = await interruptedReconciliation(site);
  if (!state) return;
  const { id, streams } = state;
  inBackground(site, { id, incident: id, returning: false, ...(streams ? { streams } : {}) });
}

function inBackground(site: Site, given: Reconciling): void {
  // Its last step has told so already, but where it could not be started.
  const failed = (error: unknown) =>
    tellReconciliation(site, given.id, {
      status: 'failed',
      problem: error instanceof Error ? error.message : String(error),
    });
  site.ports.later(reconcile(site, given).catch(failed));
}

async function reconcile(site: Site, { streams, ...from }: Reconciling): Promise<void> {
  const context = { ...from, ...(streams ? { streams: [...streams] } : {}) };
  const { id, incident, returning } = from;
  try {
    // A second return would begin the joining anew, and end the first.
    await site.run({
      workflow: 'reconciliation',
      context,
      ...(returning ? { name: `${RETURN}${incident}`, unless: RETURN } : { name: incident }),
    });
  } finally {
    // However it ended: its last step may be the one that could not be done.
    letDrain(site, id);
  }
}
