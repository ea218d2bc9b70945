import { type DecidedEntry, type DecisionRef, type Entry, isDecided, refusalFor } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { partName } from '../core/event.js';
import type { VersionItem } from '../core/items.js';
import {
  type Keeping,
  type Origin,
  type ProposedEvent,
  checkDecisionGuard,
  digestsOf,
  followOn,
  guardCopyOf,
  keepsVersions,
  logWrites,
  numberEvents,
  originCondition,
  sameDigests,
} from '../core/plan.js';
import type { Route } from '../core/route.js';
import { type Write, bytesAtMost } from '../core/table.js';
import { type Timestamp, latest } from '../core/timestamp.js';
import { PortFull, PortThrottled, PortUnavailable } from '../ports/failures.js';
import { ConditionFailed, type Tables, WriteConflict } from '../ports/tables.js';
import { type Task, applyAll, readTasks, taskFor } from './apply.js';
import { confirmHome } from './confirm.js';
import { prepareEntry, readEntries, readVersions, stillPending } from './log.js';
import { HomeFails, NotHomeAnyMore } from '../ports/signals.js';
import type { Site } from './site.js';

/** What is to be decided of one id. */
export interface Proposal {
  readonly id: string;
  readonly kind: 'commit' | 'abort';
  /** In which it was asked for: it is decided in this one, or not at all, so that nobody decides what came too late. */
  readonly term: number;
  readonly origin: Origin;
  /** In the order of their numbers; none for an abort. */
  readonly events: readonly ProposedEvent[];
  readonly streams: readonly string[];
  readonly startedAtMs: number;
  readonly expiresAtMs: number;
  readonly reason?: string;
  /** Followers hold these events staged. */
  readonly staged?: boolean;
  /** Decided anew after an unclean takeover, perhaps not for the first time. */
  readonly takenFrom?: Timestamp;
  readonly firstDecided?: Timestamp;
  /** The two decisions of a conflict that it ends. */
  readonly resolves?: readonly DecisionRef[];
}

/** The decision that stands for an id, ours or an earlier one of the same content; or why there is none. */
export type Verdict =
  | { readonly kind: 'decided'; readonly entry: DecidedEntry; readonly task?: Task }
  | { readonly kind: 'refused'; readonly error: LockstepError };

const PAUSE_MS = 2;

/**
 * Decides proposals at home, as many together as do not collide: one conditional transaction that puts each entry and its
 * mark, checks one guard, and advances the versions. Answers in the order of the proposals; nothing is applied yet.
 *
 * @throws NotHomeAnyMore when another site is home @throws HomeFails when home's tables fail
 */
export async function decideAll(site: Site, proposals: readonly Proposal[]): Promise<readonly Verdict[]> {
  const { term } = site.routes.known;
  if (proposals.some((proposal) => proposal.term !== term)) throw new NotHomeAnyMore('asked for in an earlier term');
  const verdicts = new Map<Proposal, Verdict>();
  let open = proposals;
  let failure: unknown;
  for (let attempt = 0; attempt < site.options.decideAttempts && open.length > 0; attempt += 1) {
    if (attempt > 0) await site.clock.sleep(PAUSE_MS * attempt * site.ports.random.next());
    const route = await servingRoute(site, term, attempt);
    try {
      await decideRound(site, route, open, verdicts);
    } catch (error) {
      // What became of the round is unknown; the same ids are asked about again.
      if (!isPassing(error)) throw error;
      failure = error;
    }
    open = open.filter((proposal) => !verdicts.has(proposal));
  }
  await confirmRefusals(site, term, verdicts);
  if (open.length > 0 && failure instanceof PortUnavailable)
    throw new HomeFails('the tables of home fail', { cause: failure });
  return proposals.map((proposal) => verdicts.get(proposal) ?? { kind: 'refused', error: giveUp(failure) });
}

/**
 * That nothing was decided rests on what the log here does not hold, and a conflict of versions may be one with a version
 * that was overruled long ago: only the serving home can tell.
 */
async function confirmRefusals(site: Site, term: number, verdicts: Map<Proposal, Verdict>): Promise<void> {
  const definite = [...verdicts].filter(([, verdict]) => isDefinite(verdict));
  if (definite.length === 0) return;
  try {
    await confirmHome(site, term);
  } catch (error) {
    if (!(error instanceof PortUnavailable)) throw error;
    const unsure = new LockstepError(
      'Unavailable',
      'the control store does not say whether this site is still home; ask again with the same id',
    );
    for (const [proposal] of definite) verdicts.set(proposal, { kind: 'refused', error: unsure });
  }
}

/** The refusals by which a client knows that its transaction is not committed. */
const isDefinite = (verdict: Verdict): boolean =>
  verdict.kind === 'refused' &&
  (verdict.error.code === 'VersionConflict' || verdict.error.code === 'NotEnoughReplicas');

/** A condition that fails outside of a decision is the guard that refuses chunks: the route is looked at again. */
function isPassing(error: unknown): boolean {
  return [PortUnavailable, PortThrottled, WriteConflict, ConditionFailed].some((kind) => error instanceof kind);
}

function giveUp(failure: unknown): LockstepError {
  return failure instanceof PortThrottled
    ? new LockstepError('Throttled', 'the tables take no more just now; slow down and try again', {
        retryAfterMs: 1000,
      })
    : new LockstepError('Unavailable', 'the decision was tried too often; ask again with the same id');
}

async function servingRoute(site: Site, term: number, attempt: number): Promise<Route> {
  const route = attempt === 0 ? site.routes.known : await site.routes.refresh().catch(() => site.routes.known);
  if (route.home !== site.name || route.term !== term || route.phase !== 'serving')
    throw new NotHomeAnyMore(`${route.home} is home`);
  return route;
}

/** A proposal with everything that its transaction writes. */
interface Draft {
  readonly proposal: Proposal;
  readonly entry: DecidedEntry;
  readonly writes: readonly Write[];
}

async function decideRound(
  site: Site,
  route: Route,
  proposals: readonly Proposal[],
  verdicts: Map<Proposal, Verdict>,
): Promise<void> {
  const { length } = route.inSync;
  if (length < site.options.minInSync) {
    const error = new LockstepError('NotEnoughReplicas', `only ${length} sites are in sync; nothing was decided`);
    for (const proposal of proposals) verdicts.set(proposal, await identityFirst(site, proposal, error));
    return;
  }
  const isVersioned = (stream: string) => site.registry.isVersioned(stream);
  const keepsVectors = (stream: string) => site.registry.keepsVectors(stream);
  const keeping: Keeping = { isVersioned, keepsVectors, home: site.name };
  const versioned = proposals.filter((proposal) => keepsVersions(proposal.events, isVersioned));
  const versions = await readVersions(
    site,
    versioned.flatMap((proposal) => proposal.events),
  );
  const current = (stream: string, key: string) => versions.get(partName(stream, key));
  const drafts: Draft[] = [];
  const predecessors = new Set<string>();
  for (const proposal of proposals) {
    const draft = await draftOf(site, route, proposal, keeping, current);
    if ('refused' in draft) verdicts.set(proposal, await identityFirst(site, proposal, draft.refused));
    else {
      drafts.push(draft);
      for (const { after } of draft.entry.events) if (after) predecessors.add(after.id);
    }
  }
  // A predecessor that is still pending is applied first: followers take versions in their order.
  await applyPredecessors(site, [...predecessors]);
  for (const batch of batches(drafts, site.tables)) await decideBatch(site, route, batch, verdicts);
}

async function draftOf(
  site: Site,
  route: Route,
  proposal: Proposal,
  keeping: Keeping,
  current: (stream: string, key: string) => VersionItem | undefined,
): Promise<Draft | { readonly refused: LockstepError }> {
  try {
    const { events, predecessors } = numberEvents(proposal.events, keeping, current);
    const at = site.nextTimestamp(route.term, latest(...predecessors.map((version) => version.at)));
    const { id, kind, streams, startedAtMs, expiresAtMs, reason, takenFrom, firstDecided, resolves } = proposal;
    const entry: DecidedEntry = {
      id,
      status: kind === 'commit' ? 'committed' : 'aborted',
      at,
      streams,
      startedAtMs,
      expiresAtMs,
      events,
      ...(reason === undefined ? {} : { reason }),
      ...(takenFrom === undefined ? {} : { takenFrom }),
      ...(firstDecided === undefined ? {} : { firstDecided }),
      ...(resolves === undefined ? {} : { resolves }),
    };
    const encoded = await prepareEntry(site, entry, route.term);
    const writes = logWrites({
      entry,
      encoded,
      markEpoch: route.epoch,
      when: originCondition(proposal.origin),
      buckets: site.copies,
      versions: followOn(entry),
    });
    return { proposal, entry, writes };
  } catch (error) {
    if (error instanceof LockstepError) return { refused: error };
    throw error;
  }
}

/** Identity is checked before anything that refuses: a retry of a committed id never gets VersionConflict. */
async function identityFirst(site: Site, proposal: Proposal, refusal: LockstepError): Promise<Verdict> {
  const [standing] = await readEntries(site, [proposal.id]);
  // An interactive transaction that is still open is just the one that is refused.
  const isTaken = standing && (isDecided(standing) || proposal.origin.kind === 'one-shot');
  const verdict = isTaken ? await standingVerdict(site, proposal, standing) : undefined;
  return verdict ?? { kind: 'refused', error: refusal };
}

async function applyPredecessors(site: Site, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const running = ids.flatMap((id) => site.applying.get(id) ?? []);
  await Promise.all(running);
  await applyAll(site, await readTasks(site, [...(await stillPending(site, ids))]));
}

/** Drafts that name no item twice go together; the others wait for the next batch. */
function* batches(
  drafts: readonly Draft[],
  { maxItems, maxTransactBytes }: Pick<Tables, 'maxItems' | 'maxTransactBytes'>,
): Generator<readonly Draft[]> {
  let batch: Draft[] = [];
  let size = 1;
  let bytes = 0;
  let keys = new Set<string>();
  for (const draft of drafts) {
    const names = draft.writes.map(({ key }) => `${key.pk}|${key.sk}`);
    const length = draft.writes.reduce((sum, write) => sum + bytesAtMost(write), 0);
    const fits = size + names.length <= maxItems && bytes + length <= maxTransactBytes;
    if (batch.length > 0 && (!fits || names.some((name) => keys.has(name)))) {
      yield batch;
      batch = [];
      size = 1;
      bytes = 0;
      keys = new Set();
    }
    batch.push(draft);
    size += names.length;
    bytes += length;
    for (const name of names) keys.add(name);
  }
  if (batch.length > 0) yield batch;
}

async function decideBatch(
  site: Site,
  route: Route,
  batch: readonly Draft[],
  verdicts: Map<Proposal, Verdict>,
): Promise<void> {
  let drafts = batch;
  while (drafts.length > 0) {
    const [first] = drafts as [Draft];
    const lowest = drafts.reduce((low, { entry }) => (entry.at < low ? entry.at : low), first.entry.at);
    const guard = checkDecisionGuard(guardCopyOf(first.entry.id, site.copies), route, lowest);
    const owners = drafts.flatMap((draft) => draft.writes.map(() => draft));
    try {
      await site.tables.transact([guard, ...drafts.flatMap((draft) => draft.writes)]);
    } catch (error) {
      if (error instanceof PortFull) {
        throw new LockstepError(
          'Unavailable',
          'the disk is full; nothing was written. Free some room, then try again',
          {},
          { cause: error },
        );
      }
      if (!(error instanceof ConditionFailed)) throw error;
      // The guard: the route, or the bar, is newer than what was decided on. All of it is decided anew.
      if (error.failed.has(0)) return;
      const refused = new Set([...error.failed.keys()].map((index) => owners[index - 1]));
      for (const draft of drafts.filter((it) => refused.has(it))) await settleRefused(site, draft, verdicts);
      drafts = drafts.filter((draft) => !refused.has(draft));
      continue;
    }
    for (const { proposal, entry } of drafts) {
      const task = {
        entry,
        markEpoch: route.epoch,
        term: route.term,
        ...(proposal.staged ? { staged: true } : {}),
        ...(proposal.origin.kind === 'interactive' ? { interactive: true } : {}),
      };
      verdicts.set(proposal, { kind: 'decided', entry, task });
    }
    return;
  }
}

/** A write of this proposal did not hold: the id is taken, or a version moved on. The latter is read and tried again. */
async function settleRefused(site: Site, { proposal }: Draft, verdicts: Map<Proposal, Verdict>): Promise<void> {
  const [standing] = await readEntries(site, [proposal.id]);
  const verdict = await verdictOn(site, proposal, standing);
  if (verdict) verdicts.set(proposal, verdict);
}

async function verdictOn(site: Site, proposal: Proposal, standing: Entry | undefined): Promise<Verdict | undefined> {
  if (standing) return standingVerdict(site, proposal, standing);
  if (proposal.origin.kind === 'one-shot') return undefined;
  return {
    kind: 'refused',
    error: new LockstepError('UnknownTransaction', `there is no transaction ${proposal.id}; begin it`),
  };
}

/** What an id that is taken means for a proposal. Nothing where it is open and may still be decided. */
async function standingVerdict(site: Site, proposal: Proposal, standing: Entry): Promise<Verdict | undefined> {
  if (!isDecided(standing)) {
    if (proposal.origin.kind === 'interactive') {
      // A write came in between: the caller has to look at the stagings again.
      return proposal.origin.next === undefined ? undefined : { kind: 'refused', error: changedMeanwhile(proposal.id) };
    }
    const detail = `transaction ${proposal.id} was begun: commit that one, or choose another id`;
    return { kind: 'refused', error: new LockstepError('IdempotencyMismatch', detail) };
  }
  const task = await taskFor(site, standing);
  const wanted = proposal.kind === 'commit' ? 'committed' : 'aborted';
  const same = wanted === 'aborted' || sameDigests(digestsOf(standing.events), digestsOf(proposal.events));
  if (standing.status === wanted && same) return { kind: 'decided', entry: standing, ...(task ? { task } : {}) };
  // The refusal tells an outcome too: it has to be applied before it is told.
  if (task) await applyAll(site, [task]);
  const error =
    standing.status === 'committed' && wanted === 'committed'
      ? new LockstepError('IdempotencyMismatch', `transaction ${proposal.id} was committed with other events`)
      : refusalFor(standing);
  return { kind: 'refused', error };
}

/** Told apart by the caller, which reads the stagings again. */
export class ChangedMeanwhile extends LockstepError {}

function changedMeanwhile(id: string): LockstepError {
  return new ChangedMeanwhile('Unavailable', `transaction ${id} was written to meanwhile; ask again`);
}
