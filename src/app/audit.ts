import type { Audit, AuditFinding, AuditRequest } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { WHOLE_RANGE } from '../core/hash-range.js';
import { backlogKey } from '../core/items.js';
import { toIso } from '../core/timestamp.js';
import { enqueueApplied } from './backlog.js';
import { type Found, surveyHere } from './survey.js';
import { beginningOf, drain } from './reconcile.js';
import type { Site } from './site.js';

/**
 * The deep comparison of this site's streams with its log: which record is lost, doubled, altered, foreign or unreadable.
 * What is lost is put again where that is asked for; what stands on a stream cannot be taken off it.
 */

const PREFIX = 'audit/';
/** So many findings are listed, and of so many bytes together, the others only counted: they have to fit one record. */
const LISTED = 1000;
const LISTED_BYTES = 300_000;
const ENQUEUED = 200;
const RECENT = 200;

/** What an audit begins with. */
export interface Auditing {
  readonly id: string;
  readonly auditing: true;
  readonly repair: boolean;
  readonly streams?: readonly string[];
}

/** Starts an audit of this site, in the background. @throws LockstepError UnknownStream */
export async function startAudit(
  site: Site,
  { streams, repair = false }: AuditRequest,
): Promise<{ readonly id: string }> {
  await site.registry.require(streams ?? []);
  const id = site.newId();
  const state: Audit = {
    id,
    site: site.name,
    status: 'running',
    startedAt: toIso(site.clock.now()),
    compared: 0,
    counts: { lost: 0, doubled: 0, altered: 0, foreign: 0, unreadable: 0 },
    repaired: 0,
    findings: [],
  };
  await site.control.compareAndSet(PREFIX + id, 0, state);
  const context = { id, auditing: true, repair, ...(streams ? { streams: [...streams] } : {}) };
  const failed = (error: unknown) =>
    tellAudit(site, id, { status: 'failed', problem: error instanceof Error ? error.message : String(error) });
  site.ports.later(site.run({ workflow: 'reconciliation', context, name: `audit-${id}` }).catch(failed));
  return { id };
}

/** @throws LockstepError NotFound */
export async function getAudit(site: Site, id: string): Promise<Audit> {
  const record = await site.control.get(PREFIX + id);
  if (!record) throw new LockstepError('NotFound', `there is no audit ${id}`);
  return record.value as Audit;
}

export async function tellAudit(site: Site, id: string, change: Partial<Audit>): Promise<void> {
  const record = await site.control.get(PREFIX + id);
  if (!record) return;
  const ended = change.status === undefined ? {} : { endedAt: toIso(site.clock.now()) };
  await site.control.compareAndSet(PREFIX + id, record.version, { ...(record.value as Audit), ...change, ...ended });
}

/** Audits of this site that ended with its only process: nobody goes on with them. */
export async function endInterruptedAudits(site: Site): Promise<void> {
  const rows = await site.control.list(PREFIX, { reverse: true, limit: RECENT });
  for (const { record } of rows) {
    const { id, site: at, status } = record.value as Audit;
    if (at !== site.name || status !== 'running') continue;
    await tellAudit(site, id, { status: 'failed', problem: 'the process that did it has ended; begin another one' });
  }
}

/** The step of the workflow: it may be repeated. */
export async function audit(site: Site, { id, repair, streams }: Auditing): Promise<void> {
  const found = await auditHere(site, streams, (compared) => tellAudit(site, id, { compared }));
  const lost = found.filter(({ isMissing }) => isMissing);
  const again = repair ? await putAgain(site, lost) : undefined;
  const counts = { lost: 0, doubled: 0, altered: 0, foreign: 0, unreadable: 0 };
  for (const { kind } of found) counts[kind] += 1;
  const findings = listed(found.slice(0, LISTED).map((one) => findingOf(site, one, again)));
  await tellAudit(site, id, { status: 'done', counts, repaired: again?.size ?? 0, findings });
}

function listed(findings: readonly AuditFinding[]): readonly AuditFinding[] {
  let bytes = 0;
  const end = findings.findIndex((one) => (bytes += Buffer.byteLength(JSON.stringify(one)) + 1) > LISTED_BYTES);
  return end < 0 ? findings : findings.slice(0, end);
}

/** All that is wrong on the streams here, at or below a timestamp that is closed now. */
async function auditHere(
  site: Site,
  wanted?: readonly string[],
  onProgress: (read: number) => void | Promise<void> = () => undefined,
): Promise<readonly Found[]> {
  await Promise.all([site.registry.refresh(), site.routes.refresh()]);
  const to = await site.peers.agent(site.routes.known.home).closeNow();
  const ranges = site.registry.local.flatMap(({ definition: { name }, replica }) => {
    if (replica.state !== 'ready' || (wanted && !wanted.includes(name))) return [];
    const { from } = beginningOf(site, name, site.name);
    return from < to ? [{ stream: name, from, to, hashFrom: WHOLE_RANGE.from, hashTo: WHOLE_RANGE.to }] : [];
  });
  if (ranges.length === 0) return [];
  const found: Found[] = [];
  await surveyHere(site, ranges, (one) => found.push(one), onProgress);
  return withoutWaiting(site, found);
}

/** What waits in a backlog is on its way: it is not lost. */
async function withoutWaiting(site: Site, found: readonly Found[]): Promise<readonly Found[]> {
  const lost = found.filter(({ kind }) => kind === 'lost');
  const waiting = await waitingOf(site, lost);
  return found.filter((one) => !waiting.has(one));
}

async function waitingOf(site: Site, lost: readonly Found[]): Promise<ReadonlySet<Found>> {
  const keys = lost.map(({ stream, at = '', transactionId = '' }) => backlogKey(stream, at, transactionId));
  const items = await site.tables.get(keys);
  return new Set(lost.filter((_, index) => items[index] !== undefined));
}

/** @returns those that stand on their stream now: what is still pending, or not taken, waits */
async function putAgain(site: Site, lost: readonly Found[]): Promise<ReadonlySet<Found>> {
  const streams = [...new Set(lost.map(({ stream }) => stream))];
  const left = new Set<string>();
  for (const stream of streams) {
    const refs = lost.flatMap(({ stream: on, transactionId: id, at }) =>
      on === stream && id !== undefined && at !== undefined ? [{ id, at }] : [],
    );
    for (let from = 0; from < refs.length; from += ENQUEUED) {
      const pending = await enqueueApplied(site, stream, refs.slice(from, from + ENQUEUED));
      for (const { id } of pending) left.add(`${stream}/${id}`);
    }
  }
  await drain(site, streams, 0);
  const waiting = await waitingOf(site, lost);
  return new Set(lost.filter((one) => !waiting.has(one) && !left.has(`${one.stream}/${one.transactionId ?? ''}`)));
}

/** @param again what was put again, where that was asked for */
function findingOf(site: Site, found: Found, again: ReadonlySet<Found> | undefined): AuditFinding {
  const { isMissing: _isMissing, place, first, ...what } = found;
  return { ...what, site: site.name, ...(place ?? {}), ...(first ? { first } : {}), outcome: outcomeOf(found, again) };
}

function outcomeOf(found: Found, again: ReadonlySet<Found> | undefined): string {
  if (!found.isMissing) return 'stays: a stream is never rewritten';
  if (!again) return 'can be put again';
  return again.has(found) ? 'put again' : 'waits: it is put as soon as the stream takes it';
}
