import type { Conflict, ConflictSide, ListConflicts } from '../core/api.js';
import {
  CHOICES,
  type Choice,
  type Judgement,
  type Meeting,
  conflictId,
  judge,
  wholeChoice,
} from '../core/conflict.js';
import type { DecidedEntry, DecisionRef } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { toEventIn } from '../core/event.js';
import { msOf, toIso } from '../core/timestamp.js';
import { listRecords } from './incidents.js';
import { DEFAULT_POLICY } from './registry.js';
import type { Site } from './site.js';

/**
 * The conflict log: control records, so that they outlive the site that met the conflict. A record names its two
 * decisions; these are kept once each, beside it and in pieces, since an item takes less than a transaction.
 */

const CONFLICTS = 'conflict/';
const DECISIONS = 'decision/';
/** Characters of a decision in one record: of three bytes at most, they fit an item of 400 KB. */
const PIECE = 120_000;
const RACES = 16;
/** Of a page, as JSON: what a function may answer is some 6 MB. */
const PAGE_BYTES = 3_000_000;
const READ_TOGETHER = 8;

/** A conflict as it is kept: its sides without their events. */
export type ConflictRecord = Omit<Conflict, 'winner' | 'loser'> & {
  readonly winner: Omit<ConflictSide, 'events'>;
  readonly loser: Omit<ConflictSide, 'events'>;
};

/** What became of a decision that met others. */
export interface Outcome {
  readonly choice: Choice;
  /** Ids of conflicts, one for each key on which it met another. */
  readonly conflicts: readonly string[];
}

/**
 * Judges a decision that waits against those that it met, by the policies of their streams, and records each conflict
 * once. Found again, by whomever and however often, it is what was recorded first.
 */
export async function settleConflicts(
  site: Site,
  waiting: DecidedEntry,
  met: readonly Omit<Meeting, 'waiting'>[],
): Promise<Outcome> {
  const meetings = met.map((one): Meeting => ({ ...one, waiting }));
  const conflicts = meetings.map(conflictId);
  if (meetings.length === 0) return { choice: 'waiting', conflicts };
  // A function may answer otherwise the second time, and home may have gone on: the first answer may have been acted on.
  const known = (await Promise.all(conflicts.map((id) => readRecord(site, id)))).find((it) => it !== undefined);
  const judgements = known
    ? meetings.map((): Judgement => ({ choice: choiceOf(known, waiting), policy: known.policy }))
    : await Promise.all(meetings.map((meeting) => judgementOn(site, meeting)));
  const choice = wholeChoice(judgements.map((judgement) => judgement.choice));
  await Promise.all([waiting, ...meetings.map(({ standing }) => standing)].map((entry) => keepDecision(site, entry)));
  for (const [index, meeting] of meetings.entries()) {
    const judgement = judgements[index] ?? { choice: 'manual', policy: 'manual' };
    await recordConflict(site, meeting, { choice, policy: inWords(judgement, choice) }, conflicts);
  }
  return { choice, conflicts };
}

/** Home has decided otherwise on this id itself: recorded, so that nothing is lost without a trace. */
export async function recordRefused(
  site: Site,
  keys: readonly Pick<Meeting, 'stream' | 'key'>[],
  waiting: DecidedEntry,
  standing: DecidedEntry,
): Promise<readonly string[]> {
  const meetings = keys.map((where): Meeting => ({ ...where, waiting, standing }));
  const conflicts = meetings.map(conflictId);
  await Promise.all([waiting, standing].map((entry) => keepDecision(site, entry)));
  for (const meeting of meetings) {
    await recordConflict(site, meeting, { choice: 'standing', policy: 'the decision of home' }, conflicts);
  }
  return conflicts;
}

function choiceOf({ status, winner }: ConflictRecord, waiting: DecidedEntry): Choice {
  if (status === 'open') return 'manual';
  return winner.transactionId === waiting.id && winner.clock === waiting.at ? 'waiting' : 'standing';
}

/** The rule of one key, and whether the transaction's other keys have overruled it. */
function inWords({ choice, policy }: Judgement, whole: Choice): string {
  return choice === whole ? policy : `${policy}; but a transaction stays as a whole or not at all`;
}

async function judgementOn(site: Site, meeting: Meeting): Promise<Judgement> {
  const policy = site.registry.known(meeting.stream)?.policy.conflict ?? DEFAULT_POLICY.conflict;
  return policy.policy === 'function' ? askFunction(site, policy.name, meeting) : judge(policy, meeting);
}

/** One that throws, takes too long or answers nonsense leaves it to an operator. */
async function askFunction(site: Site, name: string, { stream, key, standing, waiting }: Meeting): Promise<Judgement> {
  const question = {
    stream,
    key,
    standing: sideOf(site.routes.known.home, standing),
    waiting: sideOf(site.name, waiting),
  };
  try {
    const answer = await site.ports.conflictFunctions.choose(name, question, site.options.conflictFunctionMs);
    if (typeof answer !== 'string' || !CHOICES.includes(answer)) {
      throw new Error(
        `it answered ${(JSON.stringify(answer) as string | undefined)?.slice(0, 60)}, not one of ${CHOICES.join(', ')}`,
      );
    }
    return { choice: answer as Choice, policy: `function ${name}` };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    site.note('a conflict function failed', { function: name, stream, why });
    return { choice: 'manual', policy: `function ${name} failed (${why.slice(0, 200)}): manual` };
  }
}

async function recordConflict(
  site: Site,
  { stream, key, standing, waiting }: Meeting,
  { choice, policy }: Judgement,
  together: readonly string[],
): Promise<void> {
  const nowIso = toIso(site.clock.now());
  const [home, here] = [refOf(site.routes.known.home, standing), refOf(site.name, waiting)];
  const [winner, loser] = choice === 'waiting' ? [here, home] : [home, here];
  const record: ConflictRecord = {
    id: conflictId({ stream, key, waiting }),
    stream,
    key,
    ...(choice === 'manual' ? { status: 'open' } : { status: 'resolved', resolvedAt: nowIso }),
    policy,
    recordedAt: nowIso,
    winner,
    loser,
    together,
  };
  await site.control.compareAndSet(CONFLICTS + record.id, 0, record);
}

function refOf(at: string, entry: DecidedEntry): ConflictRecord['winner'] {
  return { site: at, transactionId: entry.id, committedAt: toIso(msOf(entry.at)), clock: entry.at };
}

function sideOf(at: string, entry: DecidedEntry): ConflictSide {
  return { ...refOf(at, entry), events: eventsOf(entry) };
}

function eventsOf(entry: DecidedEntry): ConflictSide['events'] {
  return entry.events.map((event) => ({
    ...toEventIn(event),
    number: event.number,
    ...(event.version === undefined ? {} : { version: event.version }),
  }));
}

// ------------------------------------------------------------------------------------------------------ decisions kept

const decisionName = ({ id, at }: DecisionRef): string => `${DECISIONS}${id}@${at}`;

async function keepDecision(site: Site, entry: DecidedEntry): Promise<void> {
  const text = JSON.stringify(entry);
  const pieces = Math.ceil(text.length / PIECE);
  for (let piece = 0; piece < pieces; piece += 1) {
    const value = { of: pieces, text: text.slice(piece * PIECE, (piece + 1) * PIECE) };
    await site.control.compareAndSet(`${decisionName(entry)}/${piece}`, 0, value);
  }
}

/** A decision that met another one, whole. */
export async function readDecision(site: Site, ref: DecisionRef): Promise<DecidedEntry | undefined> {
  let text = '';
  for (let piece = 0, of = 1; piece < of; piece += 1) {
    const record = await site.control.get(`${decisionName(ref)}/${piece}`);
    if (!record) return undefined;
    const value = record.value as { readonly of: number; readonly text: string };
    of = value.of;
    text += value.text;
  }
  return JSON.parse(text) as DecidedEntry;
}

// ------------------------------------------------------------------------------------------------------------- reading

/**
 * In the order of their ids; a page of one status, or of large transactions, may have fewer than asked for.
 *
 * @throws LockstepError InvalidRequest
 */
export async function listConflicts(
  site: Site,
  { status, ...paging }: ListConflicts,
): Promise<{ readonly conflicts: readonly Conflict[]; readonly cursor?: string }> {
  const { values, cursor } = await listRecords(site, CONFLICTS, paging);
  const records = (values as ConflictRecord[]).filter((record) => status === undefined || record.status === status);
  const read = decisionsOnce(site);
  const conflicts: Conflict[] = [];
  let bytes = 0;
  for (let at = 0; at < records.length; at += READ_TOGETHER) {
    const some = records.slice(at, at + READ_TOGETHER).map((record) => withSides(record, read));
    for (const conflict of await Promise.all(some)) {
      bytes += Buffer.byteLength(JSON.stringify(conflict));
      const last = conflicts.at(-1);
      if (bytes > PAGE_BYTES && last) return { conflicts, cursor: last.id };
      conflicts.push(conflict);
    }
  }
  return { conflicts, ...(cursor === undefined ? {} : { cursor }) };
}

/** @throws LockstepError NotFound */
export async function getConflict(site: Site, id: string): Promise<Conflict> {
  return withSides(await requireRecord(site, id), decisionsOnce(site));
}

/** @throws LockstepError NotFound */
export async function requireRecord(site: Site, id: string): Promise<ConflictRecord> {
  const record = await readRecord(site, id);
  if (!record) throw new LockstepError('NotFound', `there is no conflict ${id}; list them with GET /conflicts`);
  return record;
}

async function readRecord(site: Site, id: string): Promise<ConflictRecord | undefined> {
  return (await site.control.get(CONFLICTS + id))?.value as ConflictRecord | undefined;
}

/** Changes a record by compare-and-set; `change` answers the same object to leave it. @throws LockstepError NotFound */
export async function changeRecord(
  site: Site,
  id: string,
  change: (before: ConflictRecord) => ConflictRecord,
): Promise<ConflictRecord> {
  for (let race = 0; race < RACES; race += 1) {
    const record = await site.control.get(CONFLICTS + id);
    if (!record) break;
    const before = record.value as ConflictRecord;
    const after = change(before);
    if (after === before || (await site.control.compareAndSet(CONFLICTS + id, record.version, after))) return after;
  }
  throw new LockstepError('NotFound', `there is no conflict ${id}; list them with GET /conflicts`);
}

type ReadDecision = (ref: DecisionRef) => Promise<DecidedEntry | undefined>;

/** A decision that met another one on many keys is in as many conflicts. */
function decisionsOnce(site: Site): ReadDecision {
  const known = new Map<string, ReturnType<ReadDecision>>();
  return (ref) => {
    const name = decisionName(ref);
    const reading = known.get(name) ?? readDecision(site, ref);
    known.set(name, reading);
    return reading;
  };
}

async function withSides(record: ConflictRecord, read: ReadDecision): Promise<Conflict> {
  const [winner, loser] = await Promise.all([withEvents(record.winner, read), withEvents(record.loser, read)]);
  return { ...record, winner, loser };
}

async function withEvents(side: ConflictRecord['winner'], read: ReadDecision): Promise<ConflictSide> {
  const entry = await read({ id: side.transactionId, at: side.clock });
  return { ...side, events: entry ? eventsOf(entry) : [] };
}
