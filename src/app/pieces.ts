import { PortThrottled, PortUnavailable } from '../ports/failures.js';
import { Pace } from './log-walk.js';
import type { Site } from './site.js';

/**
 * Long work that one site does for another: in pieces, each a call that ends soon however long the whole is. The site
 * that asks adds the pieces up, and pauses between them.
 */

/** Pages of a table in one piece: a page is at most 1 MB. */
const MAX_PAGES = 128;
const ATTEMPTS = 5;
const RETRY_MS = 50;

/** What was read, and from where to go on. */
export interface Step {
  readonly read: number;
  readonly next?: string | undefined;
}

/**
 * Does steps until it is enough for one call.
 *
 * @param weight how much more a row and a page cost than the line of an entry
 * @param isFull whether the answer holds no more
 * @returns from where the next piece goes on; nothing at the end
 */
export async function onePiece(
  site: Site,
  start: string | undefined,
  step: (after: string | undefined) => Promise<Step>,
  { weight = 1, isFull = () => false }: { readonly weight?: number; readonly isFull?: () => boolean } = {},
): Promise<string | undefined> {
  let after = start;
  let read = 0;
  for (let pages = 0; pages * weight < MAX_PAGES && read * weight < site.options.compareRows && !isFull(); pages += 1) {
    // Whoever else has something to do here gets a turn.
    if (pages > 0) await site.clock.nextTurn();
    const done = await step(after);
    if (done.next === undefined) return undefined;
    after = done.next;
    read += done.read;
  }
  return after;
}

/** So many rows at a time, that a piece does not become longer than it may. */
export const rowsAtATime = (site: Site, weight = 1): number =>
  Math.min(1000, Math.max(1, Math.floor(site.options.compareRows / weight)));

/** All pieces, one after the other. @param call asks for the one that begins there */
export async function* pieces<T extends { readonly next?: string }>(
  site: Site,
  call: (resumed: { readonly after?: string }) => Promise<T>,
): AsyncGenerator<T> {
  const pace = new Pace(site);
  let after: string | undefined;
  do {
    const piece = await repeated(site, () => call(after === undefined ? {} : { after }));
    yield piece;
    after = piece.next;
    if (after !== undefined) await pace.turn();
  } while (after !== undefined);
}

/** Of very many calls some fail: it need not all begin anew for that. */
async function repeated<T>(site: Site, call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const isPassing = error instanceof PortUnavailable || error instanceof PortThrottled;
      if (!isPassing || attempt === ATTEMPTS) throw error;
      await site.clock.sleep(RETRY_MS * 2 ** attempt);
    }
  }
}
