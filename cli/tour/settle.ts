import { setTimeout } from 'node:timers/promises';
import type { LockstepClient } from '../../src/client/index.js';
import type { Proof, RouteAnswer, StreamAnswer } from '../../src/core/api.js';
import { messageOf } from '../errors.js';
import { roleOf, untilDone } from '../service.js';
import type { Checker, Reading } from './checker.js';
import { TOUR_STREAMS } from './mapping.js';
import type { SiteState } from './state.js';

const POLL_MS = 100;
const PAGE = 1_000;
const WAIT_MS = 1_000;
const COMPARISONS = 3;
const COMPARE_AGAIN_MS = 1_000;

/** The streams of the tour, created where they are missing; what is there already is left as it is. */
export async function ensureStreams(client: LockstepClient): Promise<void> {
  const { streams } = await client.listStreams();
  const known = new Set(streams.map(({ name }) => name));
  await Promise.all(
    TOUR_STREAMS.filter((name) => !known.has(name)).map((name) => client.putStream(name, { shards: 2 })),
  );
}

/** Sites as they are shown: their part in the route and their replicas of the tour's streams. */
export async function siteStates(client: LockstepClient): Promise<SiteState[]> {
  const [route, { streams }] = await Promise.all([client.getRoute(), client.listStreams()]);
  return route.sites.map(({ name }) => siteState(name, route, streams));
}

function siteState(name: string, route: RouteAnswer, streams: readonly StreamAnswer[]): SiteState {
  const mirrors = streams.flatMap((stream) => (isOfTour(stream) ? stream.mirrors : []));
  return {
    name,
    role: roleOf(route, name),
    active: TOUR_STREAMS.filter((stream) => route.active[stream] === name),
    mirrors: mirrors.flatMap(({ site, status }) => (site === name && status !== 'in-sync' ? [status] : [])),
  };
}

function isOfTour({ name }: StreamAnswer): boolean {
  return (TOUR_STREAMS as readonly string[]).includes(name);
}

/** Waits until every site is in sync, with every mirror. @returns whether that was within the time */
export async function allInSync(client: LockstepClient, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    const states = await siteStates(client);
    if (states.every(({ role, mirrors }) => (role === 'home' || role === 'in sync') && mirrors.length === 0))
      return true;
    if (Date.now() > giveUpAt) return false;
    signal.throwIfAborted();
    await setTimeout(POLL_MS);
  }
}

/**
 * Reads what stands on the streams of a site, from the beginning, and hands it to the checker.
 *
 * @returns what kept it from reading everything in time, if something did: what it lacks then counts as lost
 */
export async function readSite(
  client: LockstepClient,
  site: string,
  checker: Checker,
  timeoutMs: number,
): Promise<string | undefined> {
  const reading = checker.reading(`streams of ${site}`);
  const problems = await Promise.all(
    TOUR_STREAMS.map((stream) => readStream(client, { stream, site, reading, giveUpAt: Date.now() + timeoutMs })),
  );
  return problems.find((problem) => problem !== undefined);
}

async function readStream(
  client: LockstepClient,
  what: { readonly stream: string; readonly site: string; readonly reading: Reading; readonly giveUpAt: number },
): Promise<string | undefined> {
  const { stream, site, reading, giveUpAt } = what;
  let from: { checkpoint?: string } = {};
  for (;;) {
    let page;
    try {
      page = await client.readEvents({ stream, site, limit: PAGE, waitMs: WAIT_MS, ...from });
    } catch (error) {
      return `${stream} at ${site}: ${messageOf(error)}`;
    }
    for (const event of page.events) reading.take(stream, event);
    if (page.caughtUp) return undefined;
    if (page.events.length === 0 && Date.now() > giveUpAt) return `${site} does not say that ${stream} is complete`;
    from = { checkpoint: page.checkpoint };
  }
}

export interface CollectedProofs {
  /** Of the comparison that was asked for. */
  readonly id: string;
  /** In the order in which they were made. */
  readonly proofs: readonly Proof[];
  /** Why the comparison that was asked for gave none. */
  readonly problem?: string;
}

/** Compares a site with home once more, and collects the proofs of what was reconciled before. */
export async function collectProofs(
  client: LockstepClient,
  site: string,
  signal: AbortSignal,
): Promise<CollectedProofs> {
  const proofs: Proof[] = [];
  for (const earlier of await earlierReconciliations(client)) {
    const { proof } = await untilDone(client, earlier, signal);
    if (proof !== undefined) proofs.push(proof);
  }
  for (let attempt = 1; ; attempt += 1) {
    const { id } = await client.reconcile({ site, streams: [...TOUR_STREAMS] });
    const { proof, problem, status } = await untilDone(client, id, signal);
    if (proof !== undefined) return { id, proofs: [...proofs, proof] };
    // On a machine with too much to do a call may take too long: running it again continues it.
    if (attempt === COMPARISONS) return { id, proofs, problem: `the comparison ${id} ${status}: ${problem ?? ''}` };
    await setTimeout(COMPARE_AGAIN_MS);
  }
}

/** Those that a return brought about are named in its timeline. */
async function earlierReconciliations(client: LockstepClient): Promise<string[]> {
  const { incidents } = await client.listIncidents({ limit: 1_000 });
  const named = incidents.flatMap(({ timeline }) =>
    timeline.flatMap(({ what }) => /\breconciliation ([A-Za-z0-9_-]{8,64})\b/i.exec(what)?.[1] ?? []),
  );
  return [...new Set(named)].reverse();
}
