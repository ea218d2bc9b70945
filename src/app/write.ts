import type { EventIn, WriteAnswer } from '../core/api.js';
import { type OpenEntry, isDecided, refusalFor } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { foreseenAt } from '../core/candidate.js';
import { type PreparedEvent, checkTransactionSize, prepareEvent, withoutData } from '../core/event.js';
import { type StagedEvent, clientKey, encodeOpen, encodeStaged, entryKey } from '../core/items.js';
import { checkStagingGuard, guardCopyOf, waitsForMirrors } from '../core/plan.js';
import { type Route, followersOf } from '../core/route.js';
import { type Comparison, type Write, bytesAtMost } from '../core/table.js';
import { ConditionFailed } from '../ports/tables.js';
import { checkVersionedKeys } from './commit-once.js';
import { unknownTransaction } from './commit-queue.js';
import { expire } from './abort.js';
import { seeApplied } from './apply.js';
import { leaveSite } from './leave.js';
import { type TransactionState, firstFree, openEntryOf, readTransaction } from './log.js';
import { atServingHome } from './serving.js';
import { type Site, siteTarget } from './site.js';

/**
 * Stages events at home and, unless the transaction replicates at its commit, at every other site at the same time. An
 * event whose client `id` is known already is that write again: same number, nothing new.
 *
 * @throws LockstepError UnknownTransaction, TransactionCommitted, TransactionAborted, TransactionExpired, InvalidRequest (a
 *   stream that begin did not name), IdempotencyMismatch (an `id` with other content), EventTooLarge, TransactionTooLarge
 */
export async function write(
  site: Site,
  id: string,
  request: { readonly events: readonly EventIn[] },
  requestId: string,
): Promise<WriteAnswer> {
  const events = request.events.map(prepareEvent);
  const staged = await atServingHome(site, (route) => stageOnce(site, route, id, events, requestId));
  return {
    events: staged.map(({ number, stream, digest, foreseen = [] }) => ({ number, stream, digest, foreseen })),
  };
}

async function stageOnce(
  site: Site,
  route: Route,
  id: string,
  events: readonly PreparedEvent[],
  requestId: string,
): Promise<readonly StagedEvent[]> {
  const state = await readTransaction(site, id);
  const entry = await openEntry(site, id, state);
  const isEager = waitsForMirrors(entry.replication);
  const { staged, fresh } = give(state, events, route, requestId, { isEager, nowMs: site.clock.now() });
  checkWrite(site, entry, state, events, fresh);
  const next = firstFree(state) + fresh.length;
  // A retry stages again at the other sites: the first time may have ended between the two. And it checks the guard
  // again: which sites these are is only certain when home still demands no newer route.
  const [here, there] = await Promise.allSettled([
    stageHere(site, route, entry, state.next, next, fresh),
    // An event that one request names twice is one item.
    isEager ? stageEverywhere(site, route, entry, next, [...new Set(staged)], fresh) : undefined,
  ]);
  if (here.status === 'rejected') throw here.reason;
  if (there.status === 'rejected') throw there.reason;
  return staged;
}

async function openEntry(site: Site, id: string, state: TransactionState): Promise<OpenEntry> {
  if (!state.entry) throw unknownTransaction(id);
  if (isDecided(state.entry)) {
    await seeApplied(site, state.entry);
    throw refusalFor(state.entry);
  }
  if (state.entry.expiresAtMs <= site.clock.now()) throw await expire(site, id);
  return openEntryOf(state.entry);
}

/** Numbers for the events, known ones those they have; and for new ones, which followers hold them already. */
function give(
  state: TransactionState,
  events: readonly PreparedEvent[],
  route: Route,
  requestId: string,
  { isEager, nowMs }: { readonly isEager: boolean; readonly nowMs: number },
): { readonly staged: readonly StagedEvent[]; readonly fresh: readonly StagedEvent[] } {
  const known = new Map(state.staged.flatMap((event) => (event.id === undefined ? [] : [[event.id, event] as const])));
  const repeated = new Map(state.staged.map((event) => [event.request, event]));
  const fresh: StagedEvent[] = [];
  const staged = events.map((event, index) => {
    const request = `${requestId}/${index}`;
    const before = (event.id === undefined ? undefined : known.get(event.id)) ?? repeated.get(request);
    if (before) checkSame(before, event);
    if (before && isItsOwn(state, before, route.term)) return before;
    const number = firstFree(state) + fresh.length;
    const foreseen = isEager ? foreseenAt(route, state.announced, event, number) : [];
    const given: StagedEvent = {
      ...event,
      number,
      term: route.term,
      request: before?.request ?? request,
      writtenAtMs: nowMs,
      ...(foreseen.length > 0 ? { foreseen } : {}),
    };
    fresh.push(given);
    if (event.id !== undefined) known.set(event.id, given);
    return given;
  });
  return { staged, fresh };
}

function checkSame(before: StagedEvent, event: PreparedEvent): void {
  if (before.digest === event.digest && before.expectedVersion === event.expectedVersion) return;
  throw new LockstepError('IdempotencyMismatch', `event id ${event.id} was written with other content`);
}

/**
 * Whether no other write was answered with the number of this one. What an earlier home staged here may have lost a race
 * there: to one that stands here with the same number, or to one that was foreseen here and of which nobody told.
 */
const isItsOwn = ({ staged, candidates }: TransactionState, { number, request, term }: StagedEvent, now: number) =>
  term === now ||
  (staged.every((other) => other.number !== number || other.request === request) &&
    candidates.every(({ below }) => below <= number));

function checkWrite(
  site: Site,
  entry: OpenEntry,
  state: TransactionState,
  events: readonly PreparedEvent[],
  fresh: readonly StagedEvent[],
): void {
  const named = new Set(entry.streams);
  const foreign = events.find((event) => !named.has(event.stream));
  if (foreign) {
    throw new LockstepError(
      'InvalidRequest',
      `stream ${foreign.stream} was not named when transaction ${entry.id} began`,
    );
  }
  const given = new Set(fresh.map((event) => event.request));
  const all = [...state.staged.filter((event) => !given.has(event.request)), ...fresh];
  checkTransactionSize(all);
  checkVersionedKeys(site, all);
}

async function stageHere(
  site: Site,
  route: Route,
  entry: OpenEntry,
  before: number,
  next: number,
  fresh: readonly StagedEvent[],
): Promise<void> {
  try {
    const isOpen: Comparison = { attribute: 'status', is: '=', value: 'open' };
    const key = entryKey(entry.id);
    await writeStaged(site, entry.id, fresh, checkStagingGuard(guardCopyOf(entry.id, site.copies), route), {
      first: [
        {
          kind: 'put',
          key,
          item: encodeOpen(entry, site.copies, next),
          when: [[isOpen, { attribute: 'next', is: '=', value: before }]],
        },
      ],
      further: [{ kind: 'check', key, when: [[isOpen]] }],
    });
  } catch (error) {
    // Written to, or decided, meanwhile: looked at again.
    if (error instanceof ConditionFailed) site.note('write meets another one', { id: entry.id });
    throw error;
  }
}

/**
 * Writes staged events: with the entry that gives them their numbers, in one transaction where they fit it. Of more, the
 * entry goes with the first, so that nobody else is given these numbers; a write is answered only when all stand.
 */
export async function writeStaged(
  site: Site,
  id: string,
  events: readonly StagedEvent[],
  guard: Write,
  { first, further = [] }: { readonly first: readonly Write[]; readonly further?: readonly Write[] },
): Promise<void> {
  const { maxItems, maxItemBytes, maxTransactBytes } = site.tables;
  let batch: Write[] = [guard, ...first];
  let bytes = 0;
  for (const event of events) {
    for (const write of stagedWrites(id, event, maxItemBytes)) {
      const size = bytesAtMost(write);
      if (batch.length >= maxItems || bytes + size > maxTransactBytes) {
        await site.tables.transact(batch);
        batch = [guard, ...further];
        bytes = 0;
      }
      batch.push(write);
      bytes += size;
    }
  }
  await site.tables.transact(batch);
}

function stagedWrites(id: string, event: StagedEvent, maxItemBytes: number): readonly Write[] {
  const items = encodeStaged(id, event, maxItemBytes);
  const named = event.id === undefined ? [] : [{ key: clientKey(id, event.id), item: { number: event.number } }];
  return [...items, ...named].map(({ key, item }) => ({ kind: 'put', key, item }));
}

/**
 * A write that returned is staged at every in-sync site: whoever does not take it is left, as for a decision. A site that
 * has foreseen all of it is not waited for. It gets what the client said beside the content, without the content.
 *
 * @param fresh those written for the first time: a repeated write rests on no candidate
 */
async function stageEverywhere(
  site: Site,
  route: Route,
  entry: OpenEntry,
  next: number,
  events: readonly StagedEvent[],
  fresh: readonly StagedEvent[],
): Promise<void> {
  let current = route;
  const held = (follower: string) => (event: StagedEvent) =>
    fresh.includes(event) && event.foreseen?.includes(follower) === true;
  const done = new Set(followersOf(route).filter((follower) => events.every(held(follower))));
  if (done.size > 0) site.ports.confirm(() => confirmForeseen(site, route, entry, next, events, [...done]));
  for (let attempt = 0; attempt < site.options.applyAttempts; attempt += 1) {
    const waiting = followersOf(current).filter((follower) => !done.has(follower));
    if (waiting.length === 0) return;
    await Promise.all(
      waiting.map(async (follower) => {
        const lacking = events.map((event) => (held(follower)(event) ? withoutData(event) : event));
        if (await stageAt(site, current, follower, entry, next, lacking)) done.add(follower);
        else await leaveSite(site, follower);
      }),
    );
    current = site.routes.known;
    if (current.term !== route.term) break;
  }
  if (followersOf(current).every((follower) => done.has(follower)) && current.term === route.term) return;
  throw new LockstepError('Unavailable', 'not staged at every site in sync; write it again with the same id');
}

/** Tells sites that hold these events which numbers and envelopes they have. @returns whether all of them know now */
export async function confirmForeseen(
  site: Site,
  route: Route,
  entry: OpenEntry,
  next: number,
  events: readonly StagedEvent[],
  followers: readonly string[],
): Promise<boolean> {
  const bare = events.map(withoutData);
  const told = await Promise.all(followers.map((follower) => stageAt(site, route, follower, entry, next, bare)));
  return !told.includes(false);
}

async function stageAt(
  site: Site,
  route: Route,
  follower: string,
  entry: OpenEntry,
  next: number,
  events: readonly StagedEvent[],
): Promise<boolean> {
  try {
    const answer = await site.peers.agent(follower).stage({ term: route.term, entry, next, events });
    site.observe(siteTarget(follower), 'well');
    if (answer === 'stale') await site.routes.refresh();
    return answer === 'staged';
  } catch (error) {
    site.observeError(siteTarget(follower), error);
    site.note('stage failed', { follower, why: error instanceof Error ? error.message : String(error) });
    return false;
  }
}
