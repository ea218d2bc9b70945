import type { Proof, ProofWindow, Reconciliation } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { evenRanges } from '../core/hash-range.js';
import type { DecidedEntry } from '../core/entry.js';
import { NEVER, TICKS_PER_MS, type Timestamp, clockOf, termOf, timestamp, toIso } from '../core/timestamp.js';
import type { Range } from '../ports/mirror-agent.js';
import { drainBacklog } from './applier.js';
import { enqueueApplied } from './backlog.js';
import { closedStands } from './close.js';
import { copyMissing } from './copy.js';
import { decidedEntries, digestsHere, partsOnStream } from './digests.js';
import { entryLines } from '../core/compare.js';
import type { Site } from './site.js';

const PREFIX = 'reconciliation/';
const HASH_RANGES = 4;
const TIME_WINDOWS = 4;
const DRAIN_PAUSE_MS = 50;
/** Of one step of draining, and of such steps. A replica that fails meanwhile is not waited for for ever. */
const DRAIN_ROUNDS = 20;
const DRAIN_STEPS = 10;
const COMPARE_ROUNDS = 6;
/** So many at a time go into a backlog. */
const ENQUEUED = 200;

// -------------------------------------------------------------------------------------------------------- its record

/** Opens the record by which anyone can follow a reconciliation. */
export async function openReconciliation(site: Site, id: string): Promise<void> {
  const state: Reconciliation = {
    id,
    site: site.name,
    status: 'running',
    progress: 0,
    startedAt: toIso(site.clock.now()),
  };
  await site.control.compareAndSet(PREFIX + id, 0, state);
}

/** What is told of it later; by steps that run one after the other, so that nobody else writes. */
export async function tellReconciliation(site: Site, id: string, change: Partial<Reconciliation>): Promise<void> {
  const record = await site.control.get(PREFIX + id);
  if (!record) return;
  const ended = change.status === undefined ? {} : { progress: 1, endedAt: toIso(site.clock.now()) };
  const state = { ...(record.value as Reconciliation), ...ended, ...change };
  await site.control.compareAndSet(PREFIX + id, record.version, state);
}

/** @throws LockstepError NotFound */
export async function getReconciliation(site: Site, id: string): Promise<Reconciliation> {
  const record = await site.control.get(PREFIX + id);
  if (!record) throw new LockstepError('NotFound', `there is no reconciliation ${id}`);
  return record.value as Reconciliation;
}

// ---------------------------------------------------------------------------------------------------------- its steps

/** What is compared: with whom, from where to where, in which pieces. */
export interface Plan {
  readonly other: string;
  readonly from: Timestamp;
  readonly streams: readonly string[];
  /** Those of one time together: each side then walks its log once. */
  readonly windows: readonly (readonly Range[])[];
}

/** The digests of one window at both sides. */
export interface Compared {
  readonly here: Digests;
  readonly there: Digests;
}

interface Digests {
  readonly log: string;
  readonly stream: string;
}

/**
 * Decides what to compare. From here until `copyFrom` has ended new records join the backlogs, behind what is missing.
 *
 * @param everything from the beginning of the log, rather than from what was closed here: up to there nothing can be
 *   missing
 */
export async function planWindows(
  site: Site,
  wanted: readonly string[] | undefined,
  everything: boolean,
): Promise<Plan> {
  const other = referenceSite(site);
  await site.registry.refresh();
  const streams = streamsHere(site, wanted);
  for (const stream of streams) site.refilling.add(stream);
  try {
    const from = everything ? NEVER : await closedStands(site, streams);
    const to = await site.peers.agent(site.routes.known.home).closeNow();
    return { other, from, streams, windows: rangesBetween(streams, from, to) };
  } catch (error) {
    letDrain(site, streams);
    throw error;
  }
}

export async function compareWindows(
  site: Site,
  other: string,
  windows: readonly Range[],
): Promise<readonly Compared[]> {
  const [here, there] = await Promise.all([
    digestsHere(site, { ranges: windows }),
    site.peers.agent(other).digests({ ranges: windows }),
  ]);
  const none = { log: '', stream: '' };
  return windows.map((_, index) => ({ here: here.ranges[index] ?? none, there: there.ranges[index] ?? none }));
}

/** Copies what the log here lacks, and puts what the replicas here lack into their backlogs. @returns entries copied */
export async function copyFrom(
  site: Site,
  { other, from, streams }: Plan,
  wanted?: readonly string[],
): Promise<number> {
  try {
    site.copied += await copyMissing(site, site.peers.agent(other), from);
    // A replica that was made meanwhile has been filled without what was copied since.
    await site.registry.refresh();
    for (const stream of streamsHere(site, wanted)) await enqueueMissing(site, stream, from);
    return site.copied;
  } finally {
    letDrain(site, streams);
  }
}

export function letDrain(site: Site, streams: Iterable<string>): void {
  for (const stream of streams) site.refilling.delete(stream);
}

/** @returns whether there is nothing to wait for any more @param step how often this was tried */
export async function drain(site: Site, streams: readonly string[], step: number): Promise<boolean> {
  for (let round = 0; round < DRAIN_ROUNDS; round += 1) {
    const level = await Promise.all(streams.map((stream) => drainBacklog(site, stream)));
    if (!level.includes(false)) return true;
    if (site.ports.stopping?.aborted) throw new LockstepError('Unavailable', 'this process is ending');
    await site.clock.sleep(DRAIN_PAUSE_MS);
  }
  return step >= DRAIN_STEPS;
}

/** Compares again until nothing is on its way any more; what still differs then is told as it is. */
export async function prove(
  site: Site,
  { other, windows }: Plan,
  before: readonly Compared[],
  found: Pick<Proof, 'copied' | 'overruled' | 'conflicts'>,
): Promise<Proof> {
  const ranges = windows.flat();
  const after = await equalDigests(site, other, ranges);
  site.copied = 0;
  return {
    sites: [site.name, other],
    windows: ranges.map((range, index) => windowOf(site, other, range, before[index], after[index])),
    ...found,
    gaps: [],
  };
}

function streamsHere(site: Site, wanted: readonly string[] | undefined): readonly string[] {
  return site.registry.local
    .map(({ definition }) => definition.name)
    .filter((name) => wanted === undefined || wanted.includes(name));
}

function referenceSite(site: Site): string {
  const { home, inSync } = site.routes.known;
  const other = home === site.name ? inSync.find((name) => name !== site.name) : home;
  if (other === undefined) throw new LockstepError('NotEnoughReplicas', 'no other site is in sync to compare with');
  return other;
}

function rangesBetween(streams: readonly string[], from: Timestamp, to: Timestamp): readonly (readonly Range[])[] {
  const borders = timeBorders(from, to);
  return borders.slice(1).map((end, index) =>
    streams.flatMap((stream) =>
      evenRanges(HASH_RANGES).map((hashed) => ({
        stream,
        from: borders[index] ?? from,
        to: end,
        hashFrom: hashed.from,
        hashTo: hashed.to,
      })),
    ),
  );
}

/** Cuts the time between into windows, inside one term; before a newer term there is one window of its own. */
function timeBorders(from: Timestamp, to: Timestamp): readonly Timestamp[] {
  const term = termOf(to);
  const start = termOf(from) === term ? from : timestamp(term, 0);
  const first = termOf(from) === term ? clockOf(from) : clockOf(to) - 60_000 * TICKS_PER_MS;
  const step = Math.max(1, Math.floor((clockOf(to) - first) / TIME_WINDOWS));
  const inner: Timestamp[] = [];
  for (let clock = first + step; clock < clockOf(to) && inner.length < TIME_WINDOWS - 1; clock += step) {
    inner.push(timestamp(term, clock));
  }
  return [...new Set([from, start, ...inner, to])].sort();
}

async function equalDigests(site: Site, other: string, windows: readonly Range[]): Promise<readonly Compared[]> {
  for (let round = 1; ; round += 1) {
    const both = await compareWindows(site, other, windows);
    const equal = both.every(
      ({ here, there }) => here.log === there.log && here.stream === there.stream && here.log === here.stream,
    );
    if (equal || round === COMPARE_ROUNDS) return both;
    await site.clock.sleep(DRAIN_PAUSE_MS * round);
  }
}

function windowOf(site: Site, other: string, range: Range, before?: Compared, after?: Compared): ProofWindow {
  const none = { log: '', stream: '' };
  const sides = (both?: Compared) => ({ [site.name]: both?.here ?? none, [other]: both?.there ?? none });
  return {
    stream: range.stream,
    from: range.from,
    to: range.to,
    hashRange: { from: range.hashFrom, to: range.hashTo },
    before: sides(before),
    after: sides(after),
  };
}

/**
 * What the log here has and the replica here has not waits in its backlog, older before newer. What is still pending is
 * left out, as some log may lack it yet: it is put when it is settled, or at the next close.
 */
async function enqueueMissing(site: Site, stream: string, from: Timestamp): Promise<void> {
  const standing = new Set<string>();
  for await (const part of partsOnStream(site, stream, from)) standing.add(part.line.line);
  let missing: DecidedEntry[] = [];
  for await (const entry of decidedEntries(site, from)) {
    if (entry.status !== 'committed') continue;
    if (entryLines(entry).some((part) => part.stream === stream && !standing.has(part.line))) missing.push(entry);
    if (missing.length === ENQUEUED) {
      await enqueueApplied(site, stream, missing);
      missing = [];
    }
  }
  await enqueueApplied(site, stream, missing);
}
