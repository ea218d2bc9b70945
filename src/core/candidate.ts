import { type EventContent, type PreparedEvent, bodyOf, contentBytes, isEnveloped, prepareEvent } from './event.js';
import type { ForeseenEvent } from './prediction/context.js';
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
const isWorthwhile = (probability: number, savedMs: number, costMs: number): boolean =>
  probability * savedMs > (1 - probability) * costMs;

/** What is foreseen, as whoever foresees says it: not to be trusted in any way. */
export type Wish = Omit<ForeseenEvent, 'expectedInMs'>;

/** By what candidates are chosen. */
export interface Choice {
  /** Those that begin named. */
  readonly streams: readonly string[];
  /** Digests that are candidates already. */
  readonly known: ReadonlySet<string>;
  /** Whether its writes say more than their content, as far as one knows. */
  readonly isEnveloped: boolean;
  /** What a foreseen write saves, and what a wrong candidate of 1 KiB costs, milliseconds. */
  readonly savedMs: number;
  readonly costMs: number;
  readonly perStep: number;
  readonly horizon: number;
  /** The most candidates, and their most bytes. */
  readonly count: number;
  readonly bytes: number;
}

/** Content that is foreseen, before it stands anywhere. */
export interface Chosen extends Omit<Candidate, 'below'> {
  readonly bytes: number;
}

const MAX_NAME = 256;
const KIB = 1024;

/** The candidates that are worth it, the likeliest first; what is no event at all is left out. */
export function choose(wishes: readonly Wish[], choice: Choice): readonly Chosen[] {
  const chosen: Chosen[] = [];
  const taken = new Set(choice.known);
  const perStep = new Map<number, number>();
  let bytes = 0;
  const likeliest = wishes.filter((wish) => isLikely(wish, choice)).sort((a, b) => b.probability - a.probability);
  for (const wish of likeliest) {
    const candidate = candidateOf(wish, choice.isEnveloped);
    const ofStep = perStep.get(wish.step) ?? 0;
    if (!candidate || ofStep >= choice.perStep || chosen.length >= choice.count) continue;
    if (taken.has(candidate.digest)) {
      // It stands already, and takes the place of another one all the same.
      perStep.set(wish.step, ofStep + 1);
      continue;
    }
    const costMs = choice.costMs * Math.max(1, candidate.bytes / KIB);
    if (bytes + candidate.bytes > choice.bytes || !isWorthwhile(wish.probability, choice.savedMs, costMs)) continue;
    perStep.set(wish.step, ofStep + 1);
    taken.add(candidate.digest);
    chosen.push(candidate);
    bytes += candidate.bytes;
  }
  return chosen;
}

function isLikely(wish: Wish, { streams, horizon }: Choice): boolean {
  const { probability, step, key, type } = wish;
  const isName = (text: unknown) => typeof text === 'string' && text.length > 0 && text.length <= MAX_NAME;
  const isProbable = typeof probability === 'number' && probability > 0 && probability <= 1;
  return isProbable && step >= 1 && step <= horizon && streams.includes(wish.stream) && isName(key) && isName(type);
}

function candidateOf(wish: Wish, isExpectedEnveloped: boolean): Chosen | undefined {
  const { stream, key, type, data, dataBase64 } = wish;
  try {
    const { digest, ...event } = prepareEvent({
      ...{ stream, key, type },
      ...(data === undefined ? {} : { data }),
      ...(dataBase64 === undefined ? {} : { dataBase64 }),
    });
    const content = { stream, key, type, ...bodyOf(event) };
    return { ...content, digest, isEnveloped: isExpectedEnveloped, bytes: contentBytes(content) };
  } catch {
    return undefined;
  }
}
