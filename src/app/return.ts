import { type DecidedEntry, isDecided, sumOf } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { type Route, beginReturn, finishJoin, startJoin } from '../core/route.js';
import type { LogLine } from '../ports/mirror-agent.js';
import { type Round, forgetOpen, overrule } from './overrule.js';
import { fenceGuards } from './guards.js';
import { allMarks, readEntries } from './log.js';
import type { Site } from './site.js';

const LOOKUP = 200;

/*
 * A site that finds itself out of sync comes back: it fences itself to the serving term, cleans itself of what it alone
 * decided, joins, copies what it lacks, and is in sync when it lacks nothing. These are its steps; src/workflows/ says
 * how they follow on each other.
 */

/** The route, as long as home is the one to which a round fenced this site. */
export async function routeIn(site: Site, { term }: Round): Promise<Route> {
  const route = await site.routes.refresh();
  if (route.term !== term || route.phase !== 'serving') {
    throw new LockstepError('Unavailable', 'another term began while this site was coming back');
  }
  return route;
}

/**
 * Step 0: after this nothing of an older term is written here, and nothing cleaned by an earlier attempt.
 *
 * An attempt that met its end while the site was joining, or between the fence for that and the joining itself, has left
 * the guards as far as the route, or ahead of it: then a new epoch begins, so that its cleaning is told from this one's.
 */
export async function fenceSelf(site: Site): Promise<Round & Pick<Route, 'home'>> {
  let route = await site.routes.refresh();
  // Another attempt has ended since this one was begun: what is open here now is mirrored here.
  if (route.inSync.includes(site.name)) throw new LockstepError('Unavailable', `${site.name} is in sync already`);
  const isJoining = route.joining[site.name] !== undefined;
  if (isJoining || (await fenceGuards(site, route.term, route.epoch)) === 'refused') {
    const { term } = route;
    const outcome = await site.routes.change((now) =>
      now.term === term ? beginReturn(now, site.name) : { refused: 'another term began' },
    );
    route = outcome.route;
    if (outcome.kind === 'refused' || (await fenceGuards(site, route.term, route.epoch)) === 'refused') {
      throw new LockstepError('Unavailable', 'this site is fenced to a newer term than the route that was read');
    }
  }
  return { term: route.term, epoch: route.epoch, home: route.home };
}

/**
 * Step 1. The fence for the joining comes before it: once decisions come in, an attempt that slept through this must not
 * clean them away.
 *
 * @returns the epoch since which it joins
 */
export async function beginJoin(site: Site, term: number): Promise<number> {
  const { epoch, home } = await site.routes.refresh();
  const since = epoch + 1;
  if ((await fenceGuards(site, term, since)) === 'refused') {
    throw new LockstepError('Unavailable', 'another attempt of this site to come back is further than this one');
  }
  const outcome = await site.routes.change((route) =>
    route.term === term && route.epoch === epoch
      ? startJoin(route, site.name)
      : { refused: 'the route changed meanwhile' },
  );
  if (outcome.kind === 'refused')
    throw new LockstepError('Unavailable', `${site.name} cannot join: ${outcome.why}; try again`);
  // Shut guards, of a takeover that is not quite finished, would be opened for an older epoch yet.
  if ((await site.peers.agent(home).raise({ term, epoch: since })) === 'stale') {
    throw new LockstepError('Unavailable', `the guards of ${home} do not demand epoch ${since} yet`);
  }
  return since;
}

/** Step 3: only for the very joining that the copy began with. */
export async function endJoin(site: Site, since: number): Promise<void> {
  const outcome = await site.routes.change((route) => finishJoin(route, site.name, since));
  // In sync all the same: an attempt before this one did it, and its answer was lost.
  if (outcome.kind === 'refused' && !outcome.route.inSync.includes(site.name))
    throw new LockstepError('Unavailable', `${site.name} is not in sync: ${outcome.why}`);
  site.note('in sync', { epoch: outcome.route.epoch });
}

/**
 * Of what is unfinished here, that which the serving home does not have was never acknowledged and is on no stream: it is
 * overruled, newest first, with its versions set back. Stagings are forgotten: those still open come with the copy.
 *
 * @returns the ids that were overruled
 */
export async function clean(site: Site, round: Round, at: string): Promise<readonly string[]> {
  const home = site.peers.agent(at);
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
  for (const entry of strangers) await overrule(site, round, entry, true);
  for (const id of open) await forgetOpen(site, round, id);
  return strangers.map((entry) => entry.id);
}

function isStranger(entry: DecidedEntry, there: LogLine | undefined): boolean {
  return there?.status === undefined || there.status === 'open' || there.sum !== sumOf(entry);
}
