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
/** So many findings are listed, the others only counted: they have to fit one record. */
const LISTED = 1000;

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

/** The step of the workflow: it may be repeated. */
export async function audit(site: Site, { id, repair, streams }: Auditing): Promise<void> {
  const found = await auditHere(site, streams, (compared) => tellAudit(site, id, { compared }));
  const lost = found.filter(({ isMissing }) => isMissing);
  if (repair) await putAgain(site, lost);
  const counts = { lost: 0, doubled: 0, altered: 0, foreign: 0, unreadable: 0 };
  for (const { kind } of found) counts[kind] += 1;
  const findings = found.slice(0, LISTED).map((one) => findingOf(site, one, repair));
  await tellAudit(site, id, { status: 'done', counts, repaired: repair ? lost.length : 0, findings });
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
  const keys = lost.map(({ stream, at = '', transactionId = '' }) => backlogKey(stream, at, transactionId));
  const waiting = await site.tables.get(keys);
  const left = new Set(lost.filter((_, index) => waiting[index] === undefined));
  return found.filter((one) => one.kind !== 'lost' || left.has(one));
}

async function putAgain(site: Site, lost: readonly Found[]): Promise<void> {
  const streams = [...new Set(lost.map(({ stream }) => stream))];
  for (const stream of streams) {
    const refs = lost.flatMap(({ stream: on, transactionId: id, at }) =>
      on === stream && id !== undefined && at !== undefined ? [{ id, at }] : [],
    );
    for (let from = 0; from < refs.length; from += 200) {
      await enqueueApplied(site, stream, refs.slice(from, from + 200));
    }
  }
  await drain(site, streams, 0);
}

function findingOf(site: Site, { isMissing, place, first, ...found }: Found, repair: boolean): AuditFinding {
  const outcome = isMissing ? (repair ? 'put again' : 'can be put again') : 'stays: a stream is never rewritten';
  return { ...found, site: site.name, ...(place ?? {}), ...(first ? { first } : {}), outcome };
}
