import type { Proof, ProofWindow, RangeDigests } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { WHOLE_RANGE, evenRanges } from '../core/hash-range.js';
import type { DecidedEntry, DecisionRef } from '../core/entry.js';
import { areEqual, sealOf } from '../core/proof.js';
import { NEVER, TICKS_PER_MS, type Timestamp, clockAt, clockOf, msOf, termOf, timestamp } from '../core/timestamp.js';
import type { Range } from '../ports/mirror-agent.js';
import { drainBacklog } from './applier.js';
import { enqueueApplied } from './backlog.js';
import { closedStands } from './close.js';
import { copyMissing } from './copy.js';
import { digestsAt } from './digests.js';
import { END } from './log-compare.js';
import type { Site } from './site.js';
import { surveyHere } from './survey.js';
import { type Untold, keepCopied } from './untold.js';

/** So many windows make a proof, whatever the number of streams: it has to fit one record. */
const MAX_WINDOWS = 240;
const HASH_RANGES = 4;
const TIME_WINDOWS = 4;
const DRAIN_PAUSE_MS = 50;
/** Of one step of draining, and of such steps. A replica that fails meanwhile is not waited for for ever. */
const DRAIN_ROUNDS = 20;
const DRAIN_STEPS = 10;
const COMPARE_ROUNDS = 6;
/** After so many pages of copied entries it is told how far that is. */
const TELL_PAGES = 20;
/** So many at a time go into a backlog. */
const ENQUEUED = 200;
/** What is about to expire is not compared: one side may have let it go already. */
const MAX_EDGE_MS = 300_000;
const HOUR_MS = 3_600_000;

/** What is compared: with whom, from where to where, in which pieces. */
export interface Plan {
  readonly other: string;
  readonly from: Timestamp;
  readonly streams: readonly string[];
  readonly windows: readonly Range[];
  /** From where each replica here is held against the log here. */
  readonly begins: Readonly<Record<string, Timestamp>>;
  readonly gaps: Proof['gaps'];
}

/** The digests of one window at both sides. */
export interface Compared {
  readonly here: RangeDigests;
  readonly there: RangeDigests;
}

/** What was copied, and the streams here that something was put into the backlog of. */
export interface Copied {
  readonly entries: number;
  readonly touched: readonly string[];
}

/**
 * Decides what to compare. From here until `copyFrom` has ended new records join the backlogs, behind what is missing.
 *
 * @param everything from the beginning of the log, rather than from what was closed here: up to there nothing can be
 *   missing
 */
export async function planWindows(
  site: Site,
  id: string,
  wanted: readonly string[] | undefined,
  everything: boolean,
): Promise<Plan> {
  const other = referenceSite(site);
  await site.registry.refresh();
  const streams = streamsHere(site, wanted);
  for (const stream of streams) site.refilling.set(stream, id);
  const from = everything ? NEVER : await closedStands(site, streams);
  const to = await site.peers.agent(site.routes.known.home).closeNow();
  const begins = streams.map((stream) => beginningOf(site, stream, other, from));
  return {
    other,
    from,
    streams,
    // What was away has never had what retention would have cut: all of it is put.
    begins: Object.fromEntries(begins.map((begin) => [begin.stream, everything ? begin.from : from])),
    windows: begins.flatMap((begin) => rangesBetween(begin, to, streams.length)),
    gaps: begins.flatMap(({ stream, gapFrom, from: end }) =>
      gapFrom === undefined ? [] : [{ stream, from: gapFrom, to: end }],
    ),
  };
}

/** The digests of these windows at both sides, each computed by its own site. */
export async function compareWindows(
  site: Site,
  other: string,
  windows: readonly Range[],
  onProgress?: (parts: number) => void | Promise<void>,
): Promise<readonly Compared[]> {
  if (windows.length === 0) return [];
  const [here, there] = await Promise.all([
    digestsAt(site, site.peers.agent(site.name), windows, onProgress),
    digestsAt(site, site.peers.agent(other), windows),
  ]);
  const none = { log: '', stream: '' };
  return windows.map((_, index) => ({ here: here[index] ?? none, there: there[index] ?? none }));
}

/** Copies what the log here lacks, and puts what the replicas here lack into their backlogs. */
export async function copyFrom(
  site: Site,
  { other, from, streams, windows, begins, gaps }: Plan,
  before: readonly Compared[],
  wanted: readonly string[] | undefined,
  onProgress: (copied: number) => Promise<void>,
): Promise<Copied> {
  // A stream that holds just what the log here held lacks what is copied now, and nothing else.
  const isCut = (stream: string) => gaps.some((gap) => gap.stream === stream && (begins[stream] ?? from) < gap.to);
  const level = new Set(streams.filter((stream) => !isCut(stream)));
  windows.forEach(({ stream }, index) => {
    const here = before[index]?.here;
    if (here?.log !== here?.stream) level.delete(stream);
  });
  const copied = new Backlogs(site);
  let pages = 0;
  await copyMissing(site, site.peers.agent(other), from, async (entries) => {
    for (const entry of entries) copied.add(entry);
    pages += 1;
    const all = await keepCopied(site, entries.length);
    if (pages % TELL_PAGES === 0) await onProgress(all);
  });
  // A replica that was made meanwhile has been filled without what was copied since.
  await site.registry.refresh();
  const local = streamsHere(site, wanted);
  await copied.enqueue(local.filter((stream) => level.has(stream)));
  const uneven = local.filter((stream) => !level.has(stream));
  await enqueueMissing(site, new Map(uneven.map((stream) => [stream, begins[stream] ?? from])));
  return { entries: await keepCopied(site, 0), touched: [...new Set([...uneven, ...copied.streams])] };
}

/** Ends what `planWindows` began: the backlogs that this reconciliation has filled, or was to fill, drain again. */
export function letDrain(site: Site, id: string): void {
  for (const [stream, by] of site.refilling) if (by === id) site.refilling.delete(stream);
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

/** Compares what was not equal again, until nothing is on its way any more; what still differs is told as it is. */
export async function prove(
  site: Site,
  { other, windows, gaps }: Plan,
  before: readonly Compared[],
  touched: readonly string[],
  { overruled, conflicts, copied }: Untold,
): Promise<Proof> {
  const changed = new Set(touched);
  const isSettled = windows.map(({ stream }, index) => !changed.has(stream) && isEqual(before[index]));
  const open = windows.flatMap((range, index) => (isSettled[index] ? [] : [{ range, before: before[index] }]));
  const again = await equalDigests(site, other, open);
  let next = 0;
  const after = windows.map((_, index) => (isSettled[index] ? before[index] : again[next++]));
  const proof = {
    sites: [site.name, other],
    windows: windows.map((range, index) => windowOf(site, other, range, before[index], after[index])),
    copied,
    overruled,
    conflicts,
    gaps,
  };
  return { ...proof, seal: sealOf(proof) };
}

const isEqual = (both: Compared | undefined): boolean => both !== undefined && areEqual([both.here, both.there]);

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

// ------------------------------------------------------------------------------------------------------------ windows

interface Beginning {
  readonly stream: string;
  readonly from: Timestamp;
  /** From here to the beginning nothing can be compared: it is not kept any more. */
  readonly gapFrom?: Timestamp;
}

/** From where on both sides keep what is to be compared, on their streams and in their logs. */
export function beginningOf(site: Site, stream: string, other: string, from: Timestamp = NEVER): Beginning {
  const definition = site.registry.known(stream);
  if (!definition) return { stream, from };
  const { createdAtMs, policy, replicas } = definition;
  const nowMs = site.clock.now();
  const kept = [
    edgeMs(nowMs, policy.retentionHours * HOUR_MS),
    edgeMs(nowMs, site.options.logRetentionMs),
    ...[site.name, other].map((at) => replicas[at]?.completeFromMs ?? 0),
  ];
  const keptMs = Math.max(...kept);
  const askedMs = from === NEVER ? createdAtMs : msOf(from);
  if (keptMs <= askedMs) return { stream, from };
  return { stream, from: stampAt(site, keptMs), gapFrom: from === NEVER ? stampAt(site, createdAtMs) : from };
}

const edgeMs = (nowMs: number, retentionMs: number): number =>
  nowMs - retentionMs + Math.min(MAX_EDGE_MS, retentionMs / 20);

/** Below every decision that was taken after this time. */
function stampAt(site: Site, ms: number): Timestamp {
  const { terms } = site.routes.known;
  const term = terms.filter(({ startedAtMs }) => startedAtMs <= ms).at(-1)?.term ?? 1;
  return timestamp(term, clockAt(Math.max(0, ms)));
}

function rangesBetween({ stream, from }: Beginning, to: Timestamp, streams: number): readonly Range[] {
  if (from >= to) return [];
  const isMany = streams * (TIME_WINDOWS + 1) * HASH_RANGES > MAX_WINDOWS;
  const borders = isMany ? [from, to] : timeBorders(from, to);
  return borders.slice(1).flatMap((end, index) =>
    evenRanges(isMany ? 1 : HASH_RANGES).map((hashed) => ({
      stream,
      from: borders[index] ?? from,
      to: end,
      hashFrom: hashed.from,
      hashTo: hashed.to,
    })),
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

/** What stood level over there, at or below a closed timestamp, stands so still: it is read again only if it did not. */
async function equalDigests(
  site: Site,
  other: string,
  open: readonly { readonly range: Range; readonly before: Compared | undefined }[],
): Promise<readonly Compared[]> {
  const windows = open.map(({ range }) => range);
  const stood = open.map(({ before }) => before?.there);
  const isLevel = stood.every((side) => side !== undefined && areEqual([side]));
  for (let round = 1; ; round += 1) {
    const both: readonly Compared[] =
      isLevel && round === 1
        ? (await digestsAt(site, site.peers.agent(site.name), windows)).map((here, index) => ({
            here,
            there: stood[index] ?? here,
          }))
        : await compareWindows(site, other, windows);
    if (both.every(isEqual) || round === COMPARE_ROUNDS) return both;
    await site.clock.sleep(DRAIN_PAUSE_MS * 2 ** round);
    // What was under way here when home was lost is put with the next bar: they may be as far apart as a minute.
    await site.peers
      .agent(site.routes.known.home)
      .closeNow()
      .catch(() => undefined);
    // What another process has left in a backlog meanwhile need not wait for the applier.
    await Promise.all([...new Set(windows.map(({ stream }) => stream))].map((stream) => drainBacklog(site, stream)));
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
 * What the log here has and the replicas here have not waits in their backlogs, older before newer. What is still pending
 * is left out, as some log may lack it yet: it is put when it is settled, or at the next close.
 */
async function enqueueMissing(site: Site, begins: ReadonlyMap<string, Timestamp>): Promise<void> {
  if (begins.size === 0) return;
  const { from: hashFrom, to: hashTo } = WHOLE_RANGE;
  const ranges = [...begins].map(([stream, from]) => ({ stream, from, to: END, hashFrom, hashTo }));
  const missing = new Backlogs(site);
  await surveyHere(site, ranges, ({ isMissing, stream, transactionId: id, at }) => {
    if (isMissing && id !== undefined && at !== undefined)
      missing.add({ id, at, streams: [stream], status: 'committed' });
  });
  await missing.enqueue([...begins.keys()]);
}

/** What is to wait for replicas here, by stream and each once. */
class Backlogs {
  readonly #site: Site;
  readonly #byStream = new Map<string, Map<string, DecisionRef>>();

  constructor(site: Site) {
    this.#site = site;
  }

  add({ id, at, streams, status }: Pick<DecidedEntry, 'id' | 'at' | 'streams' | 'status'>): void {
    if (status !== 'committed') return;
    for (const stream of streams) {
      const refs = this.#byStream.get(stream) ?? new Map<string, DecisionRef>();
      this.#byStream.set(stream, refs.set(id, { id, at }));
    }
  }

  get streams(): readonly string[] {
    return [...this.#byStream.keys()];
  }

  async enqueue(streams: readonly string[]): Promise<void> {
    for (const stream of streams) {
      const refs = [...(this.#byStream.get(stream)?.values() ?? [])];
      for (let at = 0; at < refs.length; at += ENQUEUED) {
        await enqueueApplied(this.#site, stream, refs.slice(at, at + ENQUEUED));
      }
    }
  }
}
