import type { Route } from '../core/route.js';
import { PortUnavailable } from '../ports/failures.js';
import { NotHomeAnyMore } from '../ports/signals.js';
import type { Site } from './site.js';
import { probe } from './watch.js';

/**
 * Waits for an answer from a site only while it is the one to ask, and is there: the wait ends as soon as this process
 * learns that the route has moved on, or finds that site silent.
 *
 * @throws NotHomeAnyMore where the route has moved on: the request is for another site now
 * @throws PortUnavailable where that site answers no probe either
 */
export async function unlessMoved<T>(
  site: Site,
  at: string,
  isStillThere: (route: Route) => boolean,
  ask: () => Promise<T>,
): Promise<T> {
  let isOver = false;
  let forget = (): void => undefined;
  const moved = new Promise<never>((_, reject) => {
    forget = site.routes.onChange((route) => {
      if (!isStillThere(route)) reject(new NotHomeAnyMore(`moved: ${route.home} is home now`));
    });
  });
  try {
    return await Promise.race([ask(), moved, silence(site, at, () => isOver)]);
  } finally {
    isOver = true;
    forget();
  }
}

/** What was asked may take long, as a long poll does; a probe may not. Only ever rejects. */
async function silence(site: Site, at: string, isOver: () => boolean): Promise<never> {
  for (;;) {
    await site.clock.sleep(site.options.callTimeoutMs);
    if (isOver()) return new Promise(() => undefined);
    if (!(await probe(site, at))) throw new PortUnavailable(`${at} does not answer ${site.name}`);
  }
}
