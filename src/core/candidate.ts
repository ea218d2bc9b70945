import { type EventContent, type PreparedEvent, isEnveloped } from './event.js';
import type { Route } from './route.js';

/**
 * Candidates: events that a follower foresees of an open transaction, and holds under their digests before the client
 * writes them. A candidate is content and nothing else: it belongs to no client, has no number, and is on no stream. It
 * becomes an event by a write, or by a commit, that names its digest.
 */
export interface Candidate extends EventContent {
  readonly digest: string;
  /**
   * Whether the write is expected to say more than the digest covers: an `id`, a `time`, an expected version. What it
   * says is then unknown here until home tells it; the content alone is not the client's event.
   */
  readonly isEnveloped: boolean;
  /** Numbers below it may be home's: this site, should it become home, gives none of them. */
  readonly below: number;
}

/** What a follower tells home that it holds of one transaction. It only grows, until the transaction ends. */
export interface Announcement {
  readonly site: string;
  /** Of the route that the follower knew before it staged any of this. */
  readonly epoch: number;
  readonly below: number;
  /** Digests of candidates that are whole as they are, and of those whose envelope is expected to follow. */
  readonly bare: readonly string[];
  readonly enveloped: readonly string[];
}

/** The numbers that home may give to foreseen writes before it hears of another announcement. */
export const NUMBERS_AHEAD = 32;

/**
 * The followers that hold an event already, so that its write need not wait for them.
 *
 * A site that has joined since it announced has cleaned itself in between: that announcement does not count. Nor does one
 * for a number that the site could give itself, as home, without knowing of this write. Nor where the write says more,
 * or less, beside its content than the site expects: it could not tell later whether it holds the whole event.
 */
export function foreseenAt(
  route: Route,
  announced: readonly Announcement[],
  event: PreparedEvent,
  number: number,
): readonly string[] {
  return announced
    .filter(({ site, epoch, below, bare, enveloped }) => {
      const digests = isEnveloped(event) ? enveloped : bare;
      const isFollower = site !== route.home && route.inSync.includes(site);
      return isFollower && epoch >= (route.joined?.[site] ?? 0) && number < below && digests.includes(event.digest);
    })
    .map(({ site }) => site)
    .sort();
}

/** Whether a candidate is likely enough to be staged: what it saves outweighs what it costs where it is wrong. */
export const isWorthwhile = (probability: number, savedMs: number, costMs: number): boolean =>
  probability * savedMs > (1 - probability) * costMs;
