import { setTimeout } from 'node:timers/promises';
import type { Followers } from './followers.js';
import type { LogCase } from './event-log.js';
import type { Happening, SiteState, TourState, TourView } from './state.js';

const SHOW_MS = 100;
const LOOK_MS = 400;
/** Times as long as a look took, at least, until the next: a deployment that answers slowly has other things to do. */
const REST = 4;

export interface BoardOptions {
  readonly view: TourView;
  readonly totals: TourState['totals'];
  /** Looks at the sites; may fail while they do. */
  look(): Promise<readonly SiteState[]>;
  /** How long writes would have waited, had nothing been foreseen; may fail too. */
  waitSaved(): Promise<number>;
  failedRequests(): number;
}

/** Counts what happens and shows it. */
export class Board {
  private readonly options: BoardOptions;
  private readonly ended = new AbortController();
  private readonly startedAt = Date.now();
  private phase: TourState['phase'] = 'running';
  private lastCommitMs = 0;
  private committedCases = 0;
  private committedEvents = 0;
  private abortedCases = 0;
  private writes = { all: 0, foreseen: 0 };
  private waitSavedMs = 0;
  private sites: readonly SiteState[] = [];
  private followers: Followers | undefined;

  constructor(options: BoardOptions) {
    this.options = options;
  }

  get elapsedMs(): number {
    return Date.now() - this.startedAt;
  }

  get committed(): { readonly cases: number; readonly events: number } {
    return { cases: this.committedCases, events: this.committedEvents };
  }

  get aborted(): number {
    return this.abortedCases;
  }

  start(followers: Followers): void {
    this.followers = followers;
    void this.again(SHOW_MS, () => this.show());
    void this.again(LOOK_MS, () => this.look());
  }

  end(): void {
    this.ended.abort();
    this.show();
    this.options.view.end();
  }

  enter(phase: TourState['phase']): void {
    this.phase = phase;
    this.show();
  }

  happened(what: string, mood: Happening['mood'] = 'plain'): void {
    this.options.view.happened({ atMs: this.elapsedMs, what, mood });
  }

  caseCommitted({ events }: LogCase): void {
    this.lastCommitMs = this.elapsedMs;
    this.committedCases += 1;
    this.committedEvents += events.length;
  }

  written(isForeseen: boolean): void {
    this.writes = { all: this.writes.all + 1, foreseen: this.writes.foreseen + (isForeseen ? 1 : 0) };
  }

  caseAborted(logCase: LogCase, why: string): void {
    this.abortedCases += 1;
    this.happened(`case ${logCase.id} was not committed: ${why}`, 'broken');
  }

  private show(): void {
    this.options.view.update({
      phase: this.phase,
      totals: this.options.totals,
      committed: this.committed,
      aborted: this.abortedCases,
      delivered: this.followers?.events ?? 0,
      wholeTransactions: this.followers?.wholeTransactions ?? 0,
      failedRequests: this.options.failedRequests(),
      writes: this.writes,
      waitSavedMs: this.waitSavedMs,
      sites: this.sites,
      elapsedMs: this.elapsedMs,
      writingMs: this.lastCommitMs,
    });
  }

  private async look(): Promise<void> {
    // While a site is going down nobody may answer; the picture then stays as it was.
    this.sites = await this.options.look().catch(() => this.sites);
    this.waitSavedMs = await this.options.waitSaved().catch(() => this.waitSavedMs);
  }

  private async again(periodMs: number, work: () => void | Promise<void>): Promise<void> {
    const { signal } = this.ended;
    while (!signal.aborted) {
      const startedAt = Date.now();
      await work();
      const pauseMs = Math.max(periodMs, REST * (Date.now() - startedAt));
      await setTimeout(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
