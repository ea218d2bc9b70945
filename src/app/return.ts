import { type DecidedEntry, isDecided } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { sumOf } from '../core/plan.js';
import { type Route, dropJoining, finishJoin, startJoin } from '../core/route.js';
import type { LogLine, MirrorAgent } from '../ports/mirror-agent.js';
import { type Round, forgetOpen, overrule } from './overrule.js';
import { resolveDiverged } from './diverged.js';
import { fenceGuards } from './guards.js';
import { endIncidents, openIncident, tellIncident } from './incidents.js';
import { allMarks, readEntries } from './log.js';
import { Progress, reconcile } from './reconcile.js';
import type { Site } from './site.js';

const LOOKUP = 200;

/**
 * A site that finds itself out of sync comes back: it fences itself to the serving term, cleans itself of what it alone
 * decided, joins, copies what it lacks, and is in sync when it lacks nothing.
 *
 * @returns whether it is in sync now
 */
export async function returnSite(site: Site): Promise<boolean> {
  const route = await site.routes.refresh();
  if (route.phase !== 'serving') return false;
  if (route.inSync.includes(site.name)) return true;
  const home = site.peers.agent(route.home);
  await home.probe();
  await fenceSelf(site, route);
  const incident = await openIncident(
    site,
    'return',
    site.name,
    `${site.name} is back: it compares itself with ${route.home}`,
  );
  const progress = new Progress(site, site.newId());
  try {
    // First: of what the other history lacks, some may have been acknowledged. What is then left never was.
    const diverged = await resolveDiverged(site, route, home);
    if (diverged.conflicts.length > 0)
      await tellIncident(site, incident.id, `${diverged.conflicts.length} conflicts were resolved`);
    const overruled = await clean(site, route, home);
    if (overruled.length > 0) await tellIncident(site, incident.id, `${overruled.length} decisions were overruled`);
    const since = await beginJoin(site, route.term);
    // Shut guards, of a takeover that is not quite finished, would be opened for an older epoch yet.
    if ((await home.raise({ term: route.term, epoch: since })) === 'stale') {
      throw new LockstepError('Unavailable', `the guards of ${route.home} do not demand epoch ${since} yet`);
    }
    await progress.tell({});
    await tellIncident(site, incident.id, `joining since epoch ${since}; reconciliation ${progress.id}`);
    const proof = await reconcile(site, progress, {
      overruled,
      conflicts: diverged.conflicts,
      whenCopied: () => endJoin(site, since),
    });
    await progress.end({ status: 'done', proof });
    await tellIncident(site, incident.id, `in sync; ${proof.copied} entries were copied`, true);
    await endIncidents(site, `${site.name} is in sync again`, (it) => it.site === site.name);
    return true;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    await progress.end({ status: 'failed', problem: why }).catch(() => undefined);
    await tellIncident(site, incident.id, `not yet: ${why}`, true);
    throw error;
  }
}

/** Step 0: after this nothing of an older term is written here, and nothing cleaned by an earlier attempt. */
async function fenceSelf(site: Site, round: Round): Promise<void> {
  if ((await fenceGuards(site, round.term, round.epoch)) === 'refused') {
    throw new LockstepError(
      'Unavailable',
      'this site is fenced to a newer term or attempt than the route that was read',
    );
  }
}

/** Step 1. A joining that this site does not remember, of before a crash, begins anew. */
async function beginJoin(site: Site, term: number): Promise<number> {
  const dropped = await site.routes.change((route) => dropJoining(route, site.name));
  if (dropped.kind === 'changed') site.note('an unfinished joining begins anew');
  const outcome = await site.routes.change((route) =>
    route.term === term ? startJoin(route, site.name) : { refused: 'another term began' },
  );
  const since = outcome.route.joining[site.name];
  if (outcome.kind === 'refused' || since === undefined) {
    throw new LockstepError(
      'Unavailable',
      `${site.name} cannot join: ${outcome.kind === 'refused' ? outcome.why : ''}`,
    );
  }
  // From here on decisions come in: an attempt that slept through this must not clean them away.
  await fenceSelf(site, { term, epoch: since });
  return since;
}

/** Step 3: only for the very joining that the copy began with. */
async function endJoin(site: Site, since: number): Promise<void> {
  const outcome = await site.routes.change((route) => finishJoin(route, site.name, since));
  if (outcome.kind === 'refused') throw new LockstepError('Unavailable', `${site.name} is not in sync: ${outcome.why}`);
  site.note('in sync', { epoch: outcome.route.epoch });
}

/**
 * Of what is unfinished here, that which the serving home does not have was never acknowledged and is on no stream: it is
 * overruled, newest first, with its versions set back. Stagings are forgotten: those still open come with the copy.
 *
 * @returns the ids that were overruled
 */
async function clean(site: Site, route: Route, home: MirrorAgent): Promise<readonly string[]> {
  const open: string[] = [];
  const pending: string[] = [];
  for await (const marks of allMarks(site))
    for (const mark of marks) (mark.state === 'open' ? open : pending).push(mark.id);
  const strangers: DecidedEntry[] = [];
  for (let at = 0; at < pending.length; at += LOOKUP) {
    const ids = pending.slice(at, at + LOOKUP);
    const [here, there] = [await readEntries(site, ids), await home.lookup({ ids })];
    here.forEach((entry, index) => {
      if (entry && isDecided(entry) && isStranger(entry, there[index])) strangers.push(entry);
    });
  }
  strangers.sort((a, b) => (a.at < b.at ? 1 : -1));
  for (const entry of strangers) await overrule(site, route, entry);
  for (const id of open) await forgetOpen(site, route, id);
  return strangers.map((entry) => entry.id);
}

function isStranger(entry: DecidedEntry, there: LogLine | undefined): boolean {
  return there?.status === undefined || there.status === 'open' || there.sum !== sumOf(entry);
}
