import { duration } from '../ui/text.js';
import type { Board } from './board.js';
import type { Deployment } from './deployment.js';
import { incidentsSince } from './incidents.js';
import { NOT_MEASURED, Outage, type OutageTimes } from './outage.js';
import type { Pace, Stage } from './pace.js';
import { allInSync } from './settle.js';

const RECOVERY_TIMEOUT_MS = 30_000;
/** It copies what it lacks while clients go on writing: on a machine with too much to do that takes minutes. */
const SYNC_TIMEOUT_MS = 300_000;

/** What the disruptions came to. */
export interface Aftermath {
  readonly outages: { readonly switchover: OutageTimes; readonly takeover: OutageTimes };
  /** Ids of those that were asked for. */
  readonly reconciliations: readonly string[];
}

export interface DirectorOptions {
  readonly deployment: Deployment;
  readonly stages: readonly Stage[];
  readonly pace: Pace;
  readonly board: Board;
  readonly signal: AbortSignal;
}

/** Breaks things when they are due, measures what that does, and mends them in the end. */
export class Director {
  private readonly options: DirectorOptions;
  private outage: Outage | undefined;

  constructor(options: DirectorOptions) {
    this.options = options;
  }

  /** A commit was acknowledged just now. */
  committed(): void {
    this.outage?.committed();
  }

  async run(): Promise<Aftermath> {
    const { disruptions } = this.options.deployment;
    let switchover = NOT_MEASURED;
    let takeover = NOT_MEASURED;
    let reconciliations: readonly string[] = [];
    for (const [index, stage] of this.options.stages.entries()) {
      await this.options.pace.whenFinished(stage.due);
      this.options.signal.throwIfAborted();
      if (stage.name === 'streams-fail') {
        switchover = await this.break(index, stage.name, () => disruptions.failStreams());
      } else if (stage.name === 'site-fails') {
        takeover = await this.break(index, stage.name, () => disruptions.failSite());
      } else {
        reconciliations = await this.mend(index);
      }
    }
    return { outages: { switchover, takeover }, reconciliations };
  }

  private async break(
    stage: number,
    name: 'streams-fail' | 'site-fails',
    act: () => Promise<void>,
  ): Promise<OutageTimes> {
    const { deployment, board, pace } = this.options;
    const { disruptions, client } = deployment;
    board.happened(this.say(stage, disruptions.words[name]), 'broken');
    const listIncidents = await incidentsSince(client);
    this.outage = new Outage({
      kinds: disruptions.kinds[name],
      listIncidents,
      timeoutMs: RECOVERY_TIMEOUT_MS,
    });
    await act();
    pace.openGate(stage);
    const { times, incident } = await this.outage.end();
    this.outage = undefined;
    if (incident === undefined) {
      board.happened('no incident was recorded', 'broken');
    } else {
      const first =
        times.firstCommitMs === null ? 'no commit since' : `first commit after ${duration(times.firstCommitMs)}`;
      board.happened(`${incident.kind}: noticed after ${duration(times.detectedMs ?? 0)}, ${first}`, 'mended');
    }
    return times;
  }

  private async mend(stage: number): Promise<readonly string[]> {
    const { deployment, board, pace, signal } = this.options;
    const { words, site } = deployment.disruptions;
    board.happened(this.say(stage, words['all-returns']), 'plain');
    const reconciliations = await deployment.disruptions.returnAll();
    pace.openGate(stage);
    const inSync = await allInSync(deployment, SYNC_TIMEOUT_MS, signal);
    if (inSync) board.happened(words['in-sync'], 'mended');
    else board.happened(`${site} is not in sync after ${duration(SYNC_TIMEOUT_MS)}`, 'broken');
    return reconciliations;
  }

  private say(stage: number, what: string): string {
    return `at ${Math.round((this.options.stages[stage]?.at ?? 0) * 100)} %: ${what}`;
  }
}
