import { STEP_MS, highestAhead, learn, newModel, stepOf } from '../../../src/core/scaling/forecast.js';
import { type PastChange, recentChanges } from '../../../src/core/scaling/limits.js';
import { decide } from '../../../src/core/scaling/decide.js';
import { KEPT_MINUTES, type ScalingPolicy } from '../../../src/core/scaling/rules.js';
import {
  MINUTE_MS,
  highestLately,
  type MinuteLoad,
  NO_LOAD,
  SHARD_RECORDS_PER_SECOND,
  demandOf,
} from '../../../src/core/scaling/signals.js';

/** Kinesis takes about so long until more shards take records. */
const RESHARD_MS = 60_000;
const STEP_MINUTES = STEP_MS / MINUTE_MS;

/** Records offered in each minute, from a minute on. */
export interface Load {
  readonly firstMinute: number;
  readonly records: readonly number[];
}

export interface Outcome {
  /** Records that were not taken in the second in which they came. */
  readonly throttled: number;
  readonly records: number;
  readonly shardHours: number;
  readonly changes: number;
  readonly mostShards: number;
}

/**
 * A stream under a load, with a policy that is asked each minute, as the scaler is. What is measured counts from
 * `countFrom` on; what comes before is there to be learned from.
 *
 * @param fixed so many shards for ever, instead of a policy
 */
export function runStream(load: Load, policy: ScalingPolicy | number, countFrom: number): Outcome {
  const stream = new SimulatedStream(typeof policy === 'number' ? policy : (policy.shards?.min ?? 1));
  let model = newModel();
  let ahead = highestAhead(model);
  let peak = 0;
  const minutes: MinuteLoad[] = [];
  const total = { throttled: 0, records: 0, shardHours: 0, changes: 0, mostShards: 0 };
  const firedAtMs: Record<string, number> = {};
  let changes: readonly PastChange[] = [];
  load.records.forEach((records, index) => {
    const minute = load.firstMinute + index;
    const nowMs = minute * MINUTE_MS;
    const throttled = stream.minute(records, nowMs);
    const isCounted = index >= countFrom;
    if (isCounted) {
      total.throttled += throttled;
      total.records += records;
      total.shardHours += stream.shards / 60;
      total.mostShards = Math.max(total.mostShards, stream.shards);
    }
    const seen: MinuteLoad = { ...NO_LOAD, records, throttled, shardRecords: records / stream.shards };
    minutes.push(seen);
    if (minutes.length > KEPT_MINUTES) minutes.shift();
    peak = Math.max(peak, demandOf(seen));
    if ((minute + 1) % STEP_MINUTES === 0) {
      model = learn(model, stepOf(nowMs), peak);
      ahead = highestAhead(model);
      peak = 0;
    }
    if (typeof policy === 'number' || stream.isChanging) return;
    const endMs = nowMs + MINUTE_MS;
    changes = recentChanges(changes, endMs);
    const standing = { shards: stream.shards, changes, firedAtMs };
    const forecast = (aheadSeconds: number, quantile: number) =>
      ahead(endMs, aheadSeconds, quantile, highestLately(minutes));
    const [step] = decide(policy, standing, { nowMs: endMs, minutes, forecast }).steps;
    if (step === undefined || step.to === step.from) return;
    stream.change(step.to, endMs + RESHARD_MS);
    changes = [...changes, { atMs: endMs, from: step.from, to: step.to }];
    if (step.rule !== undefined) firedAtMs[step.rule] = endMs;
    if (isCounted) total.changes += 1;
  });
  return total;
}

/** Takes so much a second and keeps the rest waiting, in order, as a backlog does. */
class SimulatedStream {
  shards: number;
  #next: { readonly shards: number; readonly atMs: number } | undefined;
  #waiting = 0;

  constructor(shards: number) {
    this.shards = shards;
  }

  get isChanging(): boolean {
    return this.#next !== undefined;
  }

  change(shards: number, atMs: number): void {
    this.#next = { shards, atMs };
  }

  /** @returns records that came within the minute and were not taken at once */
  minute(records: number, nowMs: number): number {
    if (this.#next && this.#next.atMs <= nowMs) {
      this.shards = this.#next.shards;
      this.#next = undefined;
    }
    let throttled = 0;
    const arriving = records / 60;
    const room = this.shards * SHARD_RECORDS_PER_SECOND;
    for (let second = 0; second < 60; second += 1) {
      const taken = Math.min(arriving, Math.max(0, room - this.#waiting));
      throttled += arriving - taken;
      this.#waiting = Math.max(0, this.#waiting + arriving - room);
    }
    return throttled;
  }
}
