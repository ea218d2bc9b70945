import { setTimeout } from 'node:timers/promises';
import type { Incident, IncidentKind } from '../../src/core/api.js';

/** From the moment something was broken. */
export interface OutageTimes {
  /** To the start of the incident; null where none was recorded. */
  readonly detectedMs: number | null;
  /** To the first commit acknowledged after that; null where none was. */
  readonly firstCommitMs: number | null;
}

export const NOT_MEASURED: OutageTimes = { detectedMs: null, firstCommitMs: null };

const POLL_MS = 25;

export interface OutageOptions {
  /** The first incident of this kind is the outage. */
  readonly kinds: readonly IncidentKind[];
  /** Those that have begun since. */
  listIncidents(): Promise<readonly Incident[]>;
  /** Counted from when its end is waited for; after it that is given up. */
  readonly timeoutMs: number;
}

/**
 * Measures how long something that was broken was in the way.
 *
 * Incidents carry the time at which they began, so it does not matter that they are looked for only now and then, nor
 * that asking for them may fail meanwhile. Where the deployment's clock is not ours, that time is taken to be as near to
 * what it says as it can have been.
 */
export class Outage {
  /** Milliseconds since 1970. */
  readonly brokenAt = Date.now();
  private readonly options: OutageOptions;
  private readonly commits: number[] = [];

  constructor(options: OutageOptions) {
    this.options = options;
  }

  /** A commit was acknowledged just now. */
  committed(): void {
    this.commits.push(Date.now());
  }

  /** Resolves after the first commit behind the incident. */
  async end(): Promise<{ times: OutageTimes; incident: Incident | undefined }> {
    const giveUpAt = Date.now() + this.options.timeoutMs;
    const incident = await this.findIncident(giveUpAt);
    if (incident === undefined) return { times: NOT_MEASURED, incident };
    const startedAt = Math.min(Math.max(Date.parse(incident.startedAt), this.brokenAt), Date.now());
    const committedAt = await this.firstCommitFrom(startedAt, giveUpAt);
    const since = (at: number): number => at - this.brokenAt;
    return {
      times: { detectedMs: since(startedAt), firstCommitMs: committedAt === undefined ? null : since(committedAt) },
      incident,
    };
  }

  private async findIncident(giveUpAt: number): Promise<Incident | undefined> {
    while (Date.now() < giveUpAt) {
      const incidents = await this.options.listIncidents().catch(() => []);
      const ours = incidents.filter(({ kind }) => this.options.kinds.includes(kind));
      const first = ours.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1))[0];
      if (first !== undefined) return first;
      await setTimeout(POLL_MS);
    }
    return undefined;
  }

  private async firstCommitFrom(startedAt: number, giveUpAt: number): Promise<number | undefined> {
    while (Date.now() < giveUpAt) {
      const first = this.commits.find((at) => at >= startedAt);
      if (first !== undefined) return first;
      await setTimeout(POLL_MS);
    }
    return undefined;
  }
}
