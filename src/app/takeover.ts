import type { Incident, IncidentKind } from '../core/api.js';
import { type DecidedEntry, isDecided, sumOf } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { partName } from '../core/event.js';
import { entryKey } from '../core/items.js';
import { checkRound, guardCopyOf, logWrites, raiseVersions } from '../core/plan.js';
import { type Route, type TakeoverRequest, leaveBehind, serve, takeOver } from '../core/route.js';
import { type Timestamp, msOf, termOf, toIso } from '../core/timestamp.js';
import type { Clause, Write } from '../core/table.js';
import type { MirrorAgent } from '../ports/mirror-agent.js';
import { ConditionFailed } from '../ports/tables.js';
import { applyPending, closedStands } from './close.js';
import { endIncidents, openIncident, tellIncident } from './incidents.js';
import { prepareEntry, readEntries, readVersions } from './log.js';
import { fenceGuards, raiseGuards } from './guards.js';
import { type Site, siteTarget } from './site.js';
import { completeLater } from './switchover.js';

const ROUNDS = 16;
const FENCE_ATTEMPTS = 3;

/**
 * This site becomes home: a new term begins in the route; every site in sync is fenced to it; what any of them has
 * pending is adopted by all; only then does the new home decide.
 *
 * @returns the incident, or nothing where somebody else was faster or it may not
 */
export async function takeover(
  site: Site,
  how: { readonly keepOldHome?: boolean; readonly unclean?: boolean; readonly why: string },
): Promise<Incident | undefined> {
  const before = await site.routes.refresh();
  const request: TakeoverRequest = {
    to: site.name,
    startedAtMs: site.clock.now(),
    ...(how.keepOldHome ? { keepOldHome: true } : {}),
    ...(how.unclean ? { unclean: { knownUpTo: await knownUpTo(site) } } : {}),
  };
  const outcome = await site.routes.change((route) =>
    // The failure that was met is that of this home in this term; another one is another matter.
    route.term === before.term ? takeOver(route, request) : { refused: 'another term began meanwhile' },
  );
  if (outcome.kind === 'refused') {
    site.note('no takeover', { why: outcome.why });
    return undefined;
  }
  const kind: IncidentKind = how.keepOldHome ? 'planned-move' : how.unclean ? 'unclean-takeover' : 'takeover';
  const incident = await openIncident(
    site,
    kind,
    before.home,
    `term ${outcome.route.term} begins, home is ${site.name}: ${how.why}`,
  );
  if (request.unclean) {
    const lastMs = msOf(request.unclean.knownUpTo);
    await tellIncident(
      site,
      incident.id,
      `what only lost sites hold, decided after ${toIso(lastMs)}, is missing until one returns`,
    );
  }
  await finishTakeover(site);
  await tellIncident(site, incident.id, `${site.name} serves`, kind === 'planned-move');
  completeLater(site, incident);
  // Whatever was wrong with the new home before is over.
  site.ports.later(endIncidents(site, `${site.name} is home`, (it) => it.site === site.name && it.id !== incident.id));
  return incident;
}

/** The log here has everything at or below it. */
function knownUpTo(site: Site): Promise<Timestamp> {
  return closedStands(
    site,
    site.registry.local.map(({ definition }) => definition.name),
  );
}

/** Steps 2 to 4, by whichever site in sync comes along: each step may be repeated. */
export async function finishTakeover(site: Site): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const route = await site.routes.refresh();
    if (route.phase === 'serving') break;
    if (!(await fenceAll(site, route))) continue;
    await adoptAll(site, route);
    const outcome = await site.routes.change((now) =>
      // Nobody may have been left, or have come, since: what was adopted is what serves.
      now.epoch === route.epoch ? serve(now, route.term) : { refused: 'the route changed meanwhile' },
    );
    if (outcome.kind === 'changed') break;
  }
  const route = await site.routes.refresh();
  if (route.phase !== 'serving') throw new LockstepError('Unavailable', 'the takeover is not finished; try again');
  await agentOf(site, route.home).raise({ term: route.term, epoch: route.epoch, open: true });
  if (route.home === site.name) site.ports.later(applyPending(site).catch(() => undefined));
}

const agentOf = (site: Site, at: string): MirrorAgent => site.peers.agent(at);

/** Step 2. @returns false where the route changed, and the round begins anew */
async function fenceAll(site: Site, route: Route): Promise<boolean> {
  const fenced = await Promise.all(route.inSync.map((at) => fence(site, route, at)));
  const silent = route.inSync.filter((_, index) => !fenced[index]);
  if (silent.length === 0) return true;
  if (silent.includes(route.home)) {
    throw new LockstepError('Unavailable', `${route.home} is to be home, but cannot be fenced; try again`);
  }
  for (const at of silent) {
    site.note('left behind by a takeover', { left: at });
    await site.routes.change((now) => (now.term === route.term ? leaveBehind(now, at) : { refused: 'another term' }));
  }
  return false;
}

async function fence(site: Site, route: Route, at: string): Promise<boolean> {
  for (let attempt = 0; attempt < FENCE_ATTEMPTS; attempt += 1) {
    try {
      if ((await agentOf(site, at).fence({ term: route.term, epoch: route.epoch })) === 'fenced') return true;
      // A newer term, or somebody who is further: this round is no longer anybody's business.
      throw new LockstepError('Unavailable', 'the takeover went on without this site; try again');
    } catch (error) {
      if (error instanceof LockstepError) throw error;
      site.observeError(siteTarget(at), error);
    }
  }
  return false;
}

/** Step 3: every pending decision that any of them holds is taken into all of them, while the guards are shut. */
async function adoptAll(site: Site, route: Route): Promise<void> {
  const best = new Map<string, DecidedEntry>();
  for (const at of route.inSync) {
    for await (const entry of pendingAt(agentOf(site, at))) {
      const known = best.get(entry.id);
      if (!known || termOf(entry.at) > termOf(known.at)) best.set(entry.id, entry);
    }
  }
  const entries = [...best.values()].sort((a, b) => (a.at < b.at ? -1 : 1));
  if (entries.length === 0) return;
  site.note('adopts', { count: entries.length });
  const answers = await Promise.all(
    route.inSync.map((at) => agentOf(site, at).adopt({ term: route.term, epoch: route.epoch, entries })),
  );
  if (answers.includes('stale'))
    throw new LockstepError('Unavailable', 'the takeover went on without this site; try again');
}

async function* pendingAt(agent: MirrorAgent): AsyncGenerator<DecidedEntry> {
  let after: string | undefined;
  do {
    const page = await agent.pending(after === undefined ? {} : { after });
    for (const { entry } of page.entries) yield entry;
    after = page.next;
  } while (after !== undefined);
}

// ------------------------------------------------------------------------------------------ at each site that is asked

export async function fenceHere(
  site: Site,
  { term, epoch }: { readonly term: number; readonly epoch: number },
): Promise<'fenced' | 'stale'> {
  return (await fenceGuards(site, term, epoch)) === 'done' ? 'fenced' : 'stale';
}

export async function raiseHere(
  site: Site,
  request: { readonly term: number; readonly epoch: number; readonly open?: boolean },
): Promise<'raised' | 'stale'> {
  const done = await raiseGuards(site, request.term, request.epoch, request.open === true);
  return done === 'done' ? 'raised' : 'stale';
}

/** Takes pending decisions of any site in sync into this log, predecessors first. */
export async function adoptHere(
  site: Site,
  request: { readonly term: number; readonly epoch: number; readonly entries: readonly DecidedEntry[] },
): Promise<'adopted' | 'stale'> {
  for (const entry of request.entries) {
    if ((await adoptOne(site, request.term, request.epoch, entry)) === 'stale') return 'stale';
  }
  return 'adopted';
}

async function adoptOne(site: Site, term: number, epoch: number, entry: DecidedEntry): Promise<'adopted' | 'stale'> {
  for (let race = 0; race < ROUNDS; race += 1) {
    const [standing] = await readEntries(site, [entry.id]);
    if (
      standing &&
      isDecided(standing) &&
      (sumOf(standing) === sumOf(entry) || termOf(standing.at) >= termOf(entry.at))
    ) {
      return 'adopted';
    }
    const when: Clause[] = standing ? [[{ attribute: 'status', is: '=', value: standing.status }]] : ['absent'];
    try {
      await site.tables.transact([
        checkRound(guardCopyOf(entry.id, site.copies), term, epoch),
        ...(await adoptionWrites(site, term, epoch, entry, when)),
      ]);
      return 'adopted';
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      if (error.failed.has(0)) return 'stale';
    }
  }
  throw new LockstepError('Unavailable', `${entryKey(entry.id).pk} changes while it is adopted; try again`);
}

async function adoptionWrites(
  site: Site,
  term: number,
  epoch: number,
  entry: DecidedEntry,
  when: readonly Clause[],
): Promise<Write[]> {
  const versions = await readVersions(
    site,
    entry.events.filter((event) => event.version !== undefined),
  );
  const stands = (stream: string, key: string) => versions.get(partName(stream, key))?.version ?? 0;
  return logWrites({
    entry,
    encoded: await prepareEntry(site, entry, term),
    markEpoch: epoch,
    when,
    buckets: site.copies,
    versions: raiseVersions(entry, stands),
  });
}
