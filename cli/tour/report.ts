import type { Proof } from '../../src/core/api.js';
import { hasEqualDigests } from '../service.js';
import type { Verdict } from './checker.js';
import type { OutageTimes } from './outage.js';
import type { PredictionsReport } from './predictions.js';

/** What one reconciliation, or several together, did. */
export interface ReconciliationReport {
  readonly copied: number;
  readonly overruled: number;
  readonly conflicts: number;
  /** After it, each window has the same digests at all sites. */
  readonly digestsEqual: boolean;
}

/** The object that `lockstep tour --json` prints as its last line. */
export interface TourReport {
  readonly transactions: { readonly committed: number; readonly aborted: number };
  readonly events: {
    readonly input: number;
    readonly delivered: number;
    readonly lost: number;
    readonly duplicated: number;
    /** Cases that came in part, or in another order. */
    readonly torn: number;
  };
  readonly switchover: OutageTimes;
  readonly takeover: OutageTimes;
  /** Requests of the tour's clients that failed and were sent again. */
  readonly failedRequests: number;
  readonly predictions: PredictionsReport;
  readonly reconciliation: ReconciliationReport;
  readonly durationMs: number;
}

export function eventsOfVerdict(verdict: Verdict): TourReport['events'] {
  const { input, delivered, lost, duplicated, torn, disordered } = verdict;
  return { input, delivered, lost, duplicated, torn: torn + disordered };
}

/** @param proofs in the order in which they were made: the last one says how both sides stand now */
export function summariseProofs(proofs: readonly Proof[]): ReconciliationReport {
  // Running again what was compared already compares nothing.
  const last = proofs.findLast(({ windows }) => windows.length > 0);
  return {
    copied: proofs.reduce((sum, { copied }) => sum + copied, 0),
    overruled: new Set(proofs.flatMap(({ overruled }) => overruled)).size,
    conflicts: new Set(proofs.flatMap(({ conflicts }) => conflicts)).size,
    digestsEqual: last !== undefined && hasEqualDigests(last),
  };
}

/** Nothing lost, doubled or torn, every case committed, both sides equal. */
export function isFaultless({ transactions, events, reconciliation }: TourReport): boolean {
  const { lost, duplicated, torn } = events;
  return lost + duplicated + torn + transactions.aborted === 0 && reconciliation.digestsEqual;
}
