import type { MirrorStatus } from '../../src/core/api.js';
import type { SiteRole } from '../service.js';

/** What the tour is doing, for whoever shows it. */
export interface TourState {
  readonly phase: 'running' | 'settling' | 'checking' | 'done';
  /** Of the log. */
  readonly totals: { readonly cases: number; readonly events: number };
  readonly committed: { readonly cases: number; readonly events: number };
  readonly aborted: number;
  /** Events that the live readers got. */
  readonly delivered: number;
  readonly wholeTransactions: number;
  readonly failedRequests: number;
  /** Writes so far, and those of them that a mirror had foreseen. */
  readonly writes: { readonly all: number; readonly foreseen: number };
  readonly waitSavedMs: number;
  readonly sites: readonly SiteState[];
  /** Since the tour began. */
  readonly elapsedMs: number;
  /** From then to the last commit. */
  readonly writingMs: number;
}

export interface SiteState {
  readonly name: string;
  readonly role: SiteRole;
  /** Streams of the tour that readers take from here. */
  readonly active: readonly string[];
  /** Of the replicas here that are not in sync. */
  readonly behind: readonly MirrorStatus[];
}

/** Something that happened, said once. */
export interface Happening {
  readonly atMs: number;
  readonly what: string;
  /** `broken` and `mended` stand out. */
  readonly mood: 'plain' | 'broken' | 'mended';
}

/** Shows the tour to a person. */
export interface TourView {
  /** May be called often; shows what is worth showing now. */
  update(state: TourState): void;
  happened(happening: Happening): void;
  end(): void;
}
