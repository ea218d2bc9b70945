import type { Route } from '../core/route.js';
import { NotHomeAnyMore } from './signals.js';
import type { Site } from './site.js';

/**
 * Waits for an answer from a site only while it is the one to ask: however silent it is, the wait ends as soon as this
 * process learns that the route has moved on.
 *
 * @throws NotHomeAnyMore where it has: the request is for another site now
 */
export async function unlessMoved<T>(
  site: Site,
  isStillThere: (route: Route) => boolean,
  ask: () => Promise<T>,
): Promise<T> {
  let forget = (): void => undefined;
  const moved = new Promise<never>((_, reject) => {
    forget = site.routes.onChange((route) => {
      if (!isStillThere(route)) reject(new NotHomeAnyMore(`moved: ${route.home} is home now`));
    });
  });
  try {
    return await Promise.race([ask(), moved]);
  } finally {
    forget();
  }
}
