import type { Proof, Reconciliation } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { toIso } from '../core/timestamp.js';
import type { Site } from './site.js';

/** The records by which anyone can follow a reconciliation. */

const PREFIX = 'reconciliation/';
const LEASES = 'reconciling/';
/** A reconciliation that has not told anything for so long has ended with its process: no step takes longer. */
const LEASE_MS = 1_200_000;

interface Lease {
  readonly id: string;
  readonly untilMs: number;
}

export async function openReconciliation(site: Site, id: string, streams?: readonly string[]): Promise<void> {
  const state: Reconciliation = {
    id,
    site: site.name,
    ...(streams ? { streams } : {}),
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
  const before = record.value as Reconciliation;
  const ended = change.status === undefined ? {} : { progress: 1, endedAt: toIso(site.clock.now()) };
  // Begun again, it does not seem to go back.
  const progress = Math.max(before.progress, change.progress ?? 0);
  const state = { ...before, ...change, progress, ...ended };
  await site.control.compareAndSet(PREFIX + id, record.version, state);
  await (change.status === undefined ? keepLease(site, id) : endLease(site, id));
}

/** The proof that a record tells already. */
export async function proofIn(site: Site, id: string): Promise<Proof | undefined> {
  return ((await site.control.get(PREFIX + id))?.value as Reconciliation | undefined)?.proof;
}

/** @throws LockstepError NotFound */
export async function getReconciliation(site: Site, id: string): Promise<Reconciliation> {
  const record = await site.control.get(PREFIX + id);
  if (!record) throw new LockstepError('NotFound', `there is no reconciliation ${id}`);
  return record.value as Reconciliation;
}

// ------------------------------------------------------------------------------------------------------ one at a time

/** @throws LockstepError ReconciliationRunning another one is under way at this site */
export async function takeLease(site: Site, id: string): Promise<void> {
  const record = await site.control.get(LEASES + site.name);
  const before = record?.value as Lease | undefined;
  const nowMs = site.clock.now();
  const isFree = before === undefined || before.untilMs <= nowMs;
  const after: Lease = { id, untilMs: nowMs + LEASE_MS };
  if (!isFree || !(await site.control.compareAndSet(LEASES + site.name, record?.version ?? 0, after))) {
    const detail = `${site.name} is being reconciled${before ? ` by ${before.id}` : ''}: wait until that one has ended`;
    throw new LockstepError('ReconciliationRunning', detail, before ? { id: before.id } : {});
  }
  if (before && before.untilMs > 0) {
    await tellReconciliation(site, before.id, {
      status: 'failed',
      problem: 'it ended without a word; begin another one',
    });
  }
}

/** The one that was under way here when the process ended. */
export async function interruptedReconciliation(site: Site): Promise<Reconciliation | undefined> {
  const record = await site.control.get(LEASES + site.name);
  const lease = record?.value as Lease | undefined;
  if (!lease || lease.untilMs === 0) return undefined;
  const state = (await site.control.get(PREFIX + lease.id))?.value as Reconciliation | undefined;
  return state?.status === 'running' ? state : undefined;
}

const keepLease = (site: Site, id: string) => changeLease(site, id, site.clock.now() + LEASE_MS);
const endLease = (site: Site, id: string) => changeLease(site, id, 0);

/** A return has none: it is told apart by its rounds. */
async function changeLease(site: Site, id: string, untilMs: number): Promise<void> {
  const record = await site.control.get(LEASES + site.name);
  if ((record?.value as Lease | undefined)?.id !== id) return;
  await site.control.compareAndSet(LEASES + site.name, record?.version ?? 0, { id, untilMs } satisfies Lease);
}
