import { endIncidents } from './incidents.js';
import { type Site, siteTarget } from './site.js';
import { switchStream } from './switchover.js';

/**
 * Streams whose policy says so go back to where they began once that replica has been level and well for a while: the
 * calm period keeps a flapping replica from dragging its readers to and fro.
 */
export async function failBack(site: Site): Promise<void> {
  const route = site.routes.known;
  for (const { name, policy, preferred } of site.registry.all) {
    const active = route.active[name];
    if (policy.failback !== 'automatic' || active === undefined || active === preferred) continue;
    if (!isCalm(site, name, preferred)) continue;
    const moved = await switchStream(site, name, preferred, 'it has been well for a while');
    if (moved) await endIncidents(site, `${name} is read at ${preferred} again`, (it) => it.stream === name);
  }
}

function isCalm(site: Site, stream: string, at: string): boolean {
  const here = at === site.name;
  const behind = here ? site.behind : site.behindAt.get(at);
  const level = site.routes.known.inSync.includes(at) && behind?.has(stream) !== true && (here || behind !== undefined);
  const failed = !here && site.isFailed(siteTarget(at));
  const key = `${stream}@${at}`;
  const nowMs = site.clock.now();
  if (!level || failed) {
    site.calmSinceMs.delete(key);
    return false;
  }
  const since = site.calmSinceMs.get(key) ?? nowMs;
  site.calmSinceMs.set(key, since);
  return nowMs - since >= site.options.failbackAfterMs;
}
