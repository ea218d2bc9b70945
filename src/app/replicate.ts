import type { DecidedEntry } from '../core/entry.js';
import { type DecidedEvent, type EventContent, bodyOf, isHeld, partName } from '../core/event.js';
import { entryKey } from '../core/items.js';
import { NEW_OR_OPEN, checkTerm, followOn, guardCopyOf, logWrites, raiseVersions } from '../core/plan.js';
import { type Write, bytesAtMost } from '../core/table.js';
import type { ReplicateAnswer, ReplicateOutcome, ReplicateRequest } from '../ports/mirror-agent.js';
import { ConditionFailed, WriteConflict } from '../ports/tables.js';
import { dropStagings, prepareEntry, readEntries, readTransaction, readVersions } from './log.js';
import { isDecided, sumOf } from '../core/entry.js';
import { laggingHere, putHere } from './put.js';
import type { Site } from './site.js';

/** Rounds in which a batch loses the entries that cannot be written with the others, before they are told apart. */
const ROUNDS = 24;

/** A follower takes decisions into its log; then, where no other log has to wait, puts their records. */
export async function takeDecisions(site: Site, request: ReplicateRequest): Promise<ReplicateAnswer> {
  const outcomes = new Map<string, ReplicateOutcome>();
  const whole: DecidedEntry[] = [];
  for (const entry of request.entries) {
    const filled = entry.events.some(isHeld) ? await fillHeld(site, entry) : entry;
    if ('missing' in filled) outcomes.set(entry.id, { kind: 'missing', numbers: filled.missing });
    else whole.push(filled);
  }
  for (const [id, outcome] of await logDecisions(site, request, whole)) outcomes.set(id, outcome);
  const logged = whole.filter((entry) => outcomes.get(entry.id)?.kind === 'logged');
  const behind = request.put ? await putAndRemember(site, logged) : laggingHere(site, logged);
  for (const entry of request.entries) {
    // Of a decision that was refused here the transaction may go on: under another home.
    const isTaken = outcomes.get(entry.id)?.kind === 'logged';
    if (isTaken && mayBeStaged(request, entry)) site.ports.later(dropStagings(site, entry.id));
  }
  return {
    outcomes: request.entries.map((entry) => outcomes.get(entry.id) ?? { kind: 'conflict' }),
    behind,
    nowMs: site.clock.now(),
  };
}

/** A one-shot commit leaves nothing to look for; what was begun may have been staged, or foreseen, before. */
const mayBeStaged = ({ joining }: ReplicateRequest, { status, events }: DecidedEntry): boolean =>
  joining || status === 'aborted' || events.some(isHeld);

/** The home of these decisions tells that all logs have them: their records may be put here. */
export async function putSettled(site: Site, ids: readonly string[]): Promise<readonly string[]> {
  const entries = await readEntries(site, ids);
  return putAndRemember(
    site,
    entries.flatMap((entry) => (entry && isDecided(entry) ? [entry] : [])),
  );
}

/** What was put here need not be put again when its mark goes. */
async function putAndRemember(site: Site, entries: readonly DecidedEntry[]): Promise<readonly string[]> {
  const behind = await putHere(site, entries);
  for (const entry of entries) site.putHere.add(entry.id);
  return behind;
}

/** Puts the data of staged events back into an entry that came with digests only. */
async function fillHeld(
  site: Site,
  entry: DecidedEntry,
): Promise<DecidedEntry | { readonly missing: readonly number[] }> {
  const state = await readTransaction(site, entry.id);
  // Decided here before: what the log holds is what is asked for again.
  if (state.entry && isDecided(state.entry)) return { ...entry, events: state.entry.events };
  const byDigest = new Map<string, EventContent>();
  for (const one of [...state.candidates, ...state.staged]) byDigest.set(one.digest, one);
  const missing: number[] = [];
  const events = entry.events.map((event): DecidedEvent => {
    if (!isHeld(event)) return event;
    const content = byDigest.get(event.digest);
    if (!content) missing.push(event.number);
    return content ? { ...event, ...bodyOf(content) } : event;
  });
  return missing.length > 0 ? { missing } : { ...entry, events };
}

/** One conditional transaction for as many as go together; those that do not hold are told apart and left out. */
async function logDecisions(
  site: Site,
  request: ReplicateRequest,
  entries: readonly DecidedEntry[],
): Promise<ReadonlyMap<string, ReplicateOutcome>> {
  const outcomes = new Map<string, ReplicateOutcome>();
  let left = entries;
  for (let round = 0; left.length > 0; round += 1) {
    const batch = await nextBatch(site, request, left);
    const ended = batch === 'stale' ? staleAll(left) : await writeBatch(site, request, batch);
    for (const [id, outcome] of ended) outcomes.set(id, outcome);
    // Whoever has no outcome yet was held up by another one, and is tried again without it.
    left = left.filter((entry) => !outcomes.has(entry.id));
    if (round >= ROUNDS) throw new WriteConflict('a batch of decisions collides again and again');
  }
  return outcomes;
}

interface Batch {
  readonly writes: Write[];
  /** Which entry a write belongs to. */
  readonly owner: DecidedEntry[];
  readonly entries: DecidedEntry[];
}

const staleAll = (entries: readonly DecidedEntry[]): ReadonlyMap<string, ReplicateOutcome> =>
  new Map(entries.map((entry) => [entry.id, { kind: 'stale' }]));

async function nextBatch(
  site: Site,
  request: ReplicateRequest,
  entries: readonly DecidedEntry[],
): Promise<Batch | 'stale'> {
  const [first] = entries as [DecidedEntry];
  const batch: Batch = {
    writes: [checkTerm(guardCopyOf(first.id, site.copies), request.term)],
    owner: [first],
    entries: [],
  };
  const keys = new Set<string>();
  let bytes = 0;
  for (const entry of entries) {
    const encoded = await prepareEntry(site, entry, request.term).catch(unlessStale);
    if (encoded === 'stale') return 'stale';
    const versions = request.joining ? await upward(site, entry) : followOn(entry);
    const writes = logWrites({
      entry,
      encoded,
      markEpoch: request.epoch,
      when: NEW_OR_OPEN,
      buckets: site.copies,
      versions,
    });
    const names = writes.map(({ key }) => `${key.pk}|${key.sk}`);
    bytes += writes.reduce((sum, write) => sum + bytesAtMost(write), 0);
    const { maxItems, maxTransactBytes } = site.tables;
    const isFull = batch.writes.length + writes.length > maxItems || bytes > maxTransactBytes;
    if (batch.entries.length > 0 && (isFull || names.some((name) => keys.has(name)))) break;
    for (const name of names) keys.add(name);
    for (const write of writes) {
      batch.writes.push(write);
      batch.owner.push(entry);
    }
    batch.entries.push(entry);
  }
  return batch;
}

/** Its chunks were refused: the guard is of another term. */
function unlessStale(error: unknown): 'stale' {
  if (error instanceof ConditionFailed) return 'stale';
  throw error;
}

async function upward(site: Site, entry: DecidedEntry): Promise<Write[]> {
  const versions = await readVersions(
    site,
    entry.events.filter((event) => event.version !== undefined),
  );
  return raiseVersions(entry, (stream, key) => versions.get(partName(stream, key))?.version ?? 0);
}

async function writeBatch(
  site: Site,
  request: ReplicateRequest,
  batch: Batch,
): Promise<ReadonlyMap<string, ReplicateOutcome>> {
  try {
    await site.tables.transact(batch.writes);
    return new Map(batch.entries.map((entry) => [entry.id, { kind: 'logged' }]));
  } catch (error) {
    if (error instanceof WriteConflict) {
      await site.clock.sleep(5 * site.ports.random.next());
      return new Map();
    }
    if (!(error instanceof ConditionFailed)) throw error;
    if (error.failed.has(0)) return staleAll(batch.entries);
    const refused = new Set([...error.failed.keys()].map((index) => batch.owner[index]));
    return whyRefused(
      site,
      request,
      batch.entries.filter((entry) => refused.has(entry)),
    );
  }
}

async function whyRefused(
  site: Site,
  request: ReplicateRequest,
  entries: readonly DecidedEntry[],
): Promise<ReadonlyMap<string, ReplicateOutcome>> {
  const standing = await readEntries(
    site,
    entries.map((entry) => entry.id),
  );
  const outcomes = new Map<string, ReplicateOutcome>();
  entries.forEach((entry, index) => {
    const there = standing[index];
    if (!there || !isDecided(there)) {
      // A joining site's version moved under it: it is written again with what stands now.
      if (!request.joining) outcomes.set(entry.id, { kind: 'early' });
    } else if (sumOf(there) === sumOf(entry)) {
      outcomes.set(entry.id, { kind: 'logged' });
    } else {
      site.note('another decision of the same id stands here', { id: entry.id, key: entryKey(entry.id).pk });
      outcomes.set(entry.id, { kind: 'conflict' });
    }
  });
  return outcomes;
}
