import type { Incident } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { type Route, activate, switchover } from '../core/route.js';
import { drainBacklog, recallBacklogs } from './applier.js';
import { openIncident, tellIncident } from './incidents.js';
import { type Site, streamTarget } from './site.js';

/**
 * Every one of these streams is to be read where its records stand: where the active replica did not take them, reads
 * move to one that did. One compare-and-set; the request that met the failure does it and goes on.
 *
 * @param behind which streams lag, per site that was asked to put these records
 * @throws LockstepError Undetermined where no replica has them: the decision stays pending, and is tried again
 */
export async function keepActive(
  site: Site,
  streams: ReadonlySet<string>,
  behind: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  for (const stream of streams) {
    const route = site.routes.known;
    const active = route.active[stream];
    if (active === undefined || behind.get(active)?.includes(stream) !== true) continue;
    const to = (await levelOrNew(site, route, stream, behind)) ?? (await levelAtLast(site, stream));
    // One that is still to be created is no failure: until it is there, its records wait in its site's log.
    if (to === undefined && site.registry.known(stream)?.replicas[active]?.state !== 'ready') continue;
    if (to === undefined) {
      throw new LockstepError(
        'Undetermined',
        `decided, but no replica of ${stream} takes records: ask again with the same id`,
      );
    }
    if (to === active) continue;
    await switchStream(site, stream, to, `the replica at ${active} does not take records`);
  }
}

/**
 * Where every replica has fallen behind, none of them need be failing any more: their appliers have not come by yet. The
 * request that is held up by that drains the one here, in its order; these records wait there as well.
 */
async function levelAtLast(site: Site, stream: string): Promise<string | undefined> {
  if (site.registry.localReplica(stream)?.state !== 'ready') return undefined;
  return (await drainBacklog(site, stream)) ? site.name : undefined;
}

/** Where none is known that took them, another process may have made one meanwhile. */
async function levelOrNew(
  site: Site,
  route: Route,
  stream: string,
  behind: ReadonlyMap<string, readonly string[]>,
): Promise<string | undefined> {
  const known = levelSite(site, route, stream, behind);
  if (known !== undefined) return known;
  await site.registry.refresh().catch(() => undefined);
  return levelSite(site, route, stream, behind);
}

/** A site in sync whose replica took the records: home before others, so that readers stay near the decisions. */
function levelSite(
  site: Site,
  route: Route,
  stream: string,
  behind: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  const replicas = site.registry.known(stream)?.replicas ?? {};
  const candidates = [route.home, ...route.inSync.filter((name) => name !== route.home)];
  return candidates.find(
    (name) =>
      route.inSync.includes(name) && replicas[name]?.state === 'ready' && behind.get(name)?.includes(stream) === false,
  );
}

/** Moves a stream; answers its incident, or nothing where somebody else moved it. */
export async function switchStream(site: Site, stream: string, to: string, why: string): Promise<Incident | undefined> {
  const from = site.routes.known.active[stream];
  const outcome = await site.routes.change((route) =>
    // Moved by somebody else since it was looked at: that decision stands.
    route.active[stream] === from ? switchover(route, stream, to) : { refused: 'it was moved already' },
  );
  if (outcome.kind === 'refused') return undefined;
  const what = `${stream} is read at ${to} now: ${why}`;
  const incident = await openIncident(site, 'switchover', from ?? to, what, { stream });
  completeLater(site, incident);
  return incident;
}

/** What the request that met a failure does at once is done once more, and to its end, by whoever comes along. */
export function completeLater(site: Site, { id }: Incident): void {
  const run = site.run({ workflow: 'switchover', context: { incident: id }, name: id });
  site.ports.later(run.catch(() => undefined));
}

/** Streams that are read where they lag behind, or at a site that does not answer. */
export async function laggingActive(site: Site): Promise<readonly string[]> {
  const { active } = await site.routes.refresh();
  const level = await Promise.all(Object.entries(active).map(([stream, at]) => isLevel(site, stream, at)));
  return Object.keys(active).filter((_, index) => !level[index]);
}

/** Asked for by an operator. @throws LockstepError UnknownStream, ReplicaBehind, InvalidRequest */
export async function requestSwitchover(
  site: Site,
  stream: string,
  request: { readonly to?: string; readonly force?: boolean },
): Promise<Incident> {
  const { replicas } = await site.registry.get(stream);
  const route = await site.routes.refresh();
  const active = route.active[stream];
  const wanted = request.to === undefined ? route.inSync.filter((name) => name !== active) : [request.to];
  if (request.to !== undefined && replicas[request.to] === undefined) {
    throw new LockstepError('InvalidRequest', `to: ${stream} has no replica at ${request.to}`);
  }
  if (request.to !== undefined && request.to === active) return alreadyThere(site, stream, active);
  for (const to of wanted) {
    const level = request.force === true || (await isLevel(site, stream, to));
    if (!level || replicas[to] === undefined || !route.inSync.includes(to)) continue;
    const incident = await switchStream(
      site,
      stream,
      to,
      request.force === true ? 'forced by an operator' : 'asked for',
    );
    if (incident) {
      await site.registry.change(stream, (before) => {
        if (!before) throw new Error(`stream ${stream} is gone`);
        return { ...before, preferred: to };
      });
      await tellIncident(site, incident.id, 'done', true);
      return { ...incident, endedAt: incident.startedAt };
    }
    return alreadyThere(site, stream, to);
  }
  throw new LockstepError('ReplicaBehind', `no replica of ${stream} at a site in sync is level; wait until one is`);
}

function alreadyThere(site: Site, stream: string, at: string): Incident {
  const now = new Date(site.clock.now()).toISOString();
  return {
    id: site.newId(),
    kind: 'switchover',
    site: at,
    stream,
    startedAt: now,
    endedAt: now,
    timeline: [{ at: now, what: `${stream} is active at ${at} already` }],
  };
}

async function isLevel(site: Site, stream: string, at: string): Promise<boolean> {
  if (at === site.name) {
    await recallBacklogs(site, (name) => name === stream);
    return !site.behind.has(stream) && !site.isFailed(streamTarget(stream));
  }
  try {
    return !(await site.peers.agent(at).probe()).behind.includes(stream);
  } catch {
    return false;
  }
}

/** A new stream becomes active at home. */
export async function activateStream(site: Site, stream: string): Promise<void> {
  await site.routes.change((route) => activate(route, stream, route.home));
}
