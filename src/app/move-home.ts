import type { Incident } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { toIso } from '../core/timestamp.js';
import type { Site } from './site.js';
import { takeover } from './takeover.js';

/** An operator moves home to this site. `force` where no in-sync site is left: unclean. @throws LockstepError ReplicaBehind */
export async function moveHome(site: Site, { force = false }: { readonly force?: boolean }): Promise<Incident> {
  const route = await site.routes.refresh();
  if (route.home === site.name) return alreadyHome(site);
  const clean = route.inSync.includes(site.name);
  if (!clean && !force) {
    throw new LockstepError(
      'ReplicaBehind',
      `${site.name} is not in sync; wait until it is, or force it and accept losses`,
    );
  }
  const answers = await site.peers
    .agent(route.home)
    .probe()
    .then(() => true)
    .catch(() => false);
  if (!answers && !force)
    throw new LockstepError('Unavailable', `${route.home} does not answer: force it, or let it be taken over`);
  const incident = await takeover(site, {
    ...(clean && answers ? { keepOldHome: true } : {}),
    ...(clean ? {} : { unclean: true }),
    why: force ? 'forced by an operator' : 'asked for by an operator',
  });
  if (!incident) throw new LockstepError('Unavailable', 'home moved elsewhere meanwhile; look at the route');
  return { ...incident, endedAt: toIso(site.clock.now()) };
}

function alreadyHome(site: Site): Incident {
  const at = toIso(site.clock.now());
  return {
    id: site.newId(),
    kind: 'planned-move',
    site: site.name,
    startedAt: at,
    endedAt: at,
    timeline: [{ at, what: `${site.name} is home already` }],
  };
}
