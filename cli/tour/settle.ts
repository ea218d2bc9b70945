import { setTimeout } from 'node:timers/promises';
import type { LockstepClient } from '../../src/client/index.js';
import type { Incident, Proof, RouteAnswer, StreamAnswer } from '../../src/core/api.js';
import { isLockstepError } from '../../src/core/errors.js';
import { messageOf } from '../errors.js';
import { roleOf, untilDone } from '../service.js';
import type { Checker, Reading } from './checker.js';
import type { Deployment } from './deployment.js';
import type { SiteState } from './state.js';

const POLL_MS = 250;
const PAGE = 1_000;
const REST_MS = 100;
const COMPARISONS = 3;
const COMPARE_AGAIN_MS = 1_000;
/** Of one comparison: a deployment's functions may have to start for it. */
const COMPARISON_TIMEOUT_MS = 300_000;

/** The streams of the tour, with a replica at every site, created where they are missing. */
export async function ensureStreams({ client, streams, shards, sites }: TourStreams): Promise<void> {
  const policy = { shards, mirrors: { count: sites.length - 1 } };
  await Promise.all(streams.map((name) => client.putStream(name, policy)));
}

type TourStreams = Pick<Deployment, 'client' | 'streams' | 'shards' | 'sites'>;

/** Sites as they are shown: their part in the route and their replicas of the tour's streams. */
export async function siteStates(client: LockstepClient, tour: readonly string[]): Promise<SiteState[]> {
  const [route, { streams }] = await Promise.all([client.getRoute(), client.listStreams()]);
  const ours = streams.filter(({ name }) => tour.includes(name));
  return route.sites.map(({ name }) => siteState(name, route, ours));
}

function siteState(name: string, route: RouteAnswer, streams: readonly StreamAnswer[]): SiteState {
  const replicas = streams.flatMap(({ active, status, mirrors }) => [{ site: active, status }, ...mirrors]);
  return {
    name,
    role: roleOf(route, name),
    active: streams.filter(({ name: stream }) => route.active[stream] === name).map(({ name: stream }) => stream),
    behind: replicas.flatMap(({ site, status }) => (site === name && status !== 'in-sync' ? [status] : [])),
  };
}

/** Waits until every site is in sync, with every replica. @returns whether that was within the time */
export async function allInSync(
  { client, streams }: Pick<Deployment, 'client' | 'streams'>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    const states = await siteStates(client, streams);
    if (states.every(({ role, behind }) => (role === 'home' || role === 'in sync') && behind.length === 0)) return true;
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
  { client, streams }: Pick<Deployment, 'client' | 'streams'>,
  site: string,
  checker: Checker,
  timeoutMs: number,
): Promise<string | undefined> {
  const reading = checker.reading(`streams of ${site}`);
  const problems = await Promise.all(
    streams.map((stream) => readStream(client, { stream, site, reading, giveUpAt: Date.now() + timeoutMs })),
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
      page = await client.readEvents({ stream, site, limit: PAGE, ...from });
    } catch (error) {
      return `${stream} at ${site}: ${messageOf(error)}`;
    }
    for (const event of page.events) reading.take(stream, event);
    if (page.caughtUp) return undefined;
    if (page.events.length === 0 && Date.now() > giveUpAt) return `${site} does not say that ${stream} is complete`;
    if (page.events.length === 0) await setTimeout(REST_MS);
    from = { checkpoint: page.checkpoint };
  }
}

export interface CollectedProofs {
  /** Of the last comparison that was begun, if one was. */
  readonly id?: string;
  /** In the order in which they were made. */
  readonly proofs: readonly Proof[];
  /** Why the comparison that was asked for gave none. */
  readonly problem?: string;
}

/**
 * Compares a site with home once more, and collects the proofs of what was reconciled before.
 *
 * @param before ids, the oldest first
 */
export async function collectProofs(
  { client, streams, disruptions }: Pick<Deployment, 'client' | 'streams' | 'disruptions'>,
  before: readonly string[],
  signal: AbortSignal,
  againMs = COMPARE_AGAIN_MS,
): Promise<CollectedProofs> {
  const following = { signal, timeoutMs: COMPARISON_TIMEOUT_MS };
  const proofs: Proof[] = [];
  for (const earlier of before) {
    const { proof } = await untilDone(client, earlier, following);
    if (proof !== undefined) proofs.push(proof);
  }
  let id: string | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await compareOnce({ client, streams, disruptions }, following);
    id = outcome.id ?? id;
    const begun = id === undefined ? {} : { id };
    if ('proof' in outcome) return { ...begun, proofs: [...proofs, outcome.proof] };
    // On a machine with too much to do a call may take too long: running it again continues it.
    if (attempt === COMPARISONS) return { ...begun, proofs, problem: outcome.problem };
    await setTimeout(againMs);
  }
}

type Comparison = { readonly id: string; readonly proof: Proof } | { readonly id?: string; readonly problem: string };

/** What was written and read is told all the same where a site cannot be compared: a refusal is an outcome. */
async function compareOnce(
  { client, streams, disruptions: { site } }: Pick<Deployment, 'client' | 'streams' | 'disruptions'>,
  following: Parameters<typeof untilDone>[2],
): Promise<Comparison> {
  try {
    const { id } = await client.reconcile({ site, streams });
    const { proof, problem = '', status } = await untilDone(client, id, following);
    return proof === undefined ? { id, problem: `the comparison ${id} ${status}: ${problem}` } : { id, proof };
  } catch (error) {
    if (!isLockstepError(error)) throw error;
    return { problem: `${site} cannot be compared: ${error.message}` };
  }
}

/** Reconciliations that a return brought about: they are named in its timeline. The oldest first. */
export function reconciliationsIn(incidents: readonly Incident[]): string[] {
  const named = incidents.flatMap(({ timeline }) =>
    timeline.flatMap(({ what }) => /\breconciliation ([A-Za-z0-9_-]{8,64})\b/i.exec(what)?.[1] ?? []),
  );
  return [...new Set(named)].reverse();
}
