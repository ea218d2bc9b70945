import type { ScalingAnswer, ScalingDecision } from '../core/api.js';
import { backlogPk } from '../core/items.js';
import { type Decision, type Seen, type Standing, type Step, decide } from '../core/scaling/decide.js';
import {
  type ForecastModel,
  decodeModel,
  encodeModel,
  highestAhead,
  learn,
  newModel,
  stepOf,
  STEP_MS,
} from '../core/scaling/forecast.js';
import { CHANGES_A_DAY, recentChanges } from '../core/scaling/limits.js';
import { KEPT_MINUTES, type ScalingPolicy, type Signal, modeOf, rulesOf } from '../core/scaling/rules.js';
import { MINUTE_MS, type MinuteLoad, SIGNALS, demandOf, highestLately, signalOf } from '../core/scaling/signals.js';
import { isTimestamp, msOf, toIso } from '../core/timestamp.js';
import { flushLoad, isMeasured, readLoad, trimLoad } from './load.js';
import { type StreamDefinition, resharded } from './registry.js';
import type { Site } from './site.js';
import { checkScaling, tendMirrors } from './streams.js';

const PREFIX = 'scaling/';
const MAX_RACES = 16;
const MAX_LOG = 100;
/** More quarters of an hour than this without a look: what was measured meanwhile has holes. */
const GAP_STEPS = 2;

/** What is kept of a stream's load beside what stands in its definition. A control record: home may move. */
interface ScalingState {
  /** Everything is measured from here on. */
  readonly sinceMs: number;
  /** The last quarter of an hour that the model has learned, or was not there for. */
  readonly learnedStep: number;
  readonly model?: string;
  /** Newest last. */
  readonly log: readonly ScalingDecision[];
}

/** At every site: what was counted here is written down, and forgotten in time. */
export async function tendLoad(site: Site): Promise<void> {
  for (const name of site.behind) if (isMeasured(site, name)) await measureBacklog(site, name);
  await flushLoad(site);
  for (const { name, policy } of site.registry.all) if (policy.scaling) await trimLoad(site, name);
}

async function measureBacklog(site: Site, stream: string): Promise<void> {
  const { rows } = await site.tables.query({ pk: backlogPk(stream), limit: 1 });
  const [at = ''] = rows[0]?.key.sk.split('/') ?? [];
  if (!isTimestamp(at)) return;
  const nowMs = site.clock.now();
  const share = site.load.share(stream, nowMs);
  share.backlogAgeMs = Math.max(share.backlogAgeMs, nowMs - msOf(at));
}

/** At home: every stream is brought to what its rules want, as far as they may now. Another one's failure is its own. */
export async function scaleStreams(site: Site): Promise<void> {
  for (const { name } of site.registry.all.filter(({ name }) => isMeasured(site, name))) {
    await scaleStream(site, name).catch((error: unknown) => {
      site.note('not scaled', { stream: name, why: String(error) });
    });
  }
}

/**
 * Decides and changes in one compare-and-set of the stream's definition: there is nothing between the two to be lost, and
 * two processes that believe themselves home do not spend the day's changes twice. What follows from the definition is
 * brought about by each site, again and again.
 */
async function scaleStream(site: Site, name: string): Promise<void> {
  const { state, seen } = await look(site, name);
  const decided: ScalingDecision[] = [];
  const definition = await site.registry.change(name, (before) => {
    decided.length = 0;
    if (!before) throw new Error(`stream ${name} is gone`);
    const { scaling } = before.policy;
    if (scaling === undefined || modeOf(scaling) === 'off') return before;
    const { steps } = decideOn(site, scaling, before, seen);
    decided.push(...steps.map((step) => decisionOf(step, scaling, seen.nowMs)));
    return modeOf(scaling) === 'dry-run' ? before : changed(before, steps, seen.nowMs, decided);
  });
  const done = decided.filter(({ outcome }) => outcome === 'done');
  for (const { quantity, from, to, why } of done) site.note('scales', { stream: name, quantity, from, to, why });
  // A change whose telling a crash took with it is told now: the definition knows it.
  await remember(site, name, state, [...(definition.scaled?.last ?? []), ...decided]);
  if (done.length > 0) await tendMirrors(site, definition);
}

/** As long as its last change is not brought about, a stream takes no other. */
function decideOn(site: Site, policy: ScalingPolicy, definition: StreamDefinition, seen: Seen): Decision {
  const decision = decide(policy, standingOf(definition, seen.nowMs), seen);
  const replica = definition.replicas[site.name];
  const isChanging = replica?.state === 'ready' && replica.shards.length !== definition.policy.shards;
  return isChanging ? { ...decision, steps: [] } : decision;
}

function standingOf({ policy, scaled }: StreamDefinition, nowMs: number): Standing {
  return {
    shards: policy.shards,
    changes: recentChanges(scaled?.changes ?? [], nowMs),
    firedAtMs: scaled?.firedAtMs ?? {},
  };
}

function decisionOf(
  { quantity, from, to, why, rule, limit }: Step,
  { mode }: ScalingPolicy,
  ms: number,
): ScalingDecision {
  const outcome = to === from ? 'held' : mode === 'dry-run' ? 'dry-run' : 'done';
  return {
    at: toIso(ms),
    quantity,
    from,
    to,
    why,
    outcome,
    ...(rule === undefined ? {} : { rule }),
    ...(limit === undefined ? {} : { limit }),
  };
}

function changed(
  before: StreamDefinition,
  steps: readonly Step[],
  nowMs: number,
  decided: readonly ScalingDecision[],
): StreamDefinition {
  const taken = steps.filter(({ from, to }) => from !== to);
  if (taken.length === 0) return before;
  const rules = rulesOf(before.policy.scaling ?? {}).map(({ name }) => name);
  const fired = taken.flatMap(({ rule }) => (rule === undefined ? [] : [[rule, nowMs] as const]));
  const kept = Object.entries(before.scaled?.firedAtMs ?? {}).filter(([name]) => rules.includes(name));
  const shards = taken.at(-1)?.to ?? before.policy.shards;
  return resharded(
    {
      ...before,
      scaled: {
        changes: before.scaled?.changes ?? [],
        firedAtMs: Object.fromEntries([...kept, ...fired]),
        last: decided.filter(({ outcome }) => outcome === 'done'),
      },
    },
    { ...before.policy, shards },
    nowMs,
  );
}

// ------------------------------------------------------------------------------------------------- what is looked at

interface Looked {
  /** With what the model has learned since. */
  readonly state: ScalingState;
  readonly seen: Seen;
}

async function look(site: Site, stream: string): Promise<Looked> {
  const nowMs = site.clock.now();
  const record = await site.control.get(PREFIX + stream);
  const state = continued(record?.value as ScalingState | undefined, nowMs);
  const current = Math.floor(nowMs / MINUTE_MS);
  const from = Math.max(Math.floor(state.sinceMs / MINUTE_MS) + 1, current - KEPT_MINUTES);
  const minutes = await readLoad(site, stream, from, current);
  const learned = learnFrom(state, minutes, from, nowMs);
  return { state: learned, seen: seenFrom(learned, minutes, nowMs) };
}

/** Where nobody looked for long, measuring begins anew; what the model knows of days and weeks stays. */
function continued(state: ScalingState | undefined, nowMs: number): ScalingState {
  const fresh = { sinceMs: nowMs, learnedStep: stepOf(nowMs) };
  if (!state) return { ...fresh, log: [] };
  if (stepOf(nowMs) - state.learnedStep <= GAP_STEPS + 1) return state;
  const model = state.model === undefined ? {} : { model: encodeModel({ ...decodeModel(state.model), awaited: [] }) };
  return { ...state, ...fresh, ...model };
}

function learnFrom(
  state: ScalingState,
  minutes: readonly MinuteLoad[],
  firstMinute: number,
  nowMs: number,
): ScalingState {
  const last = stepOf(nowMs) - 1;
  if (last <= state.learnedStep) return state;
  let model: ForecastModel = state.model === undefined ? newModel() : decodeModel(state.model);
  for (let step = state.learnedStep + 1; step <= last; step += 1) {
    const start = (step * STEP_MS) / MINUTE_MS - firstMinute;
    const within = minutes.slice(Math.max(0, start), start + STEP_MS / MINUTE_MS);
    model = learn(model, step, Math.max(0, ...within.map(demandOf)));
  }
  return { ...state, learnedStep: last, model: encodeModel(model) };
}

function seenFrom({ model }: ScalingState, minutes: readonly MinuteLoad[], nowMs: number): Seen {
  const ahead = highestAhead(model === undefined ? newModel() : decodeModel(model));
  const lately = highestLately(minutes);
  return { nowMs, minutes, forecast: (seconds, quantile) => ahead(nowMs, seconds, quantile, lately) };
}

/** Keeps what was learned, and those decisions that say something new. */
async function remember(
  site: Site,
  stream: string,
  state: ScalingState,
  decided: readonly ScalingDecision[],
): Promise<void> {
  for (let race = 0; race < MAX_RACES; race += 1) {
    const record = await site.control.get(PREFIX + stream);
    const before = record?.value as ScalingState | undefined;
    const log = decided.reduce(withDecision, before?.log ?? []);
    const isLearned = before?.learnedStep === state.learnedStep && before.sinceMs === state.sinceMs;
    if (isLearned && log === before.log) return;
    const after: ScalingState = { ...state, log: log.slice(-MAX_LOG) };
    if (await site.control.compareAndSet(PREFIX + stream, record?.version ?? 0, after)) return;
  }
}

/** What is held back, or only would be done, is found again each minute: it is told once. */
function withDecision(log: readonly ScalingDecision[], decision: ScalingDecision): readonly ScalingDecision[] {
  const isSame = (other: ScalingDecision): boolean =>
    (['from', 'to', 'rule', 'limit', 'outcome'] as const).every((part) => other[part] === decision[part]);
  if (decision.outcome === 'done') {
    return log.some((other) => other.at === decision.at && isSame(other)) ? log : [...log, decision];
  }
  const last = log.at(-1);
  return last && isSame(last) ? log : [...log, decision];
}

// ---------------------------------------------------------------------------------------------------- what is told

/**
 * What a stream's rules find now, and would do, and what was decided before. Changes nothing.
 *
 * @param proposed rules instead of its own @throws LockstepError UnknownStream, InvalidRequest
 */
export async function scalingOf(site: Site, name: string, proposed?: ScalingPolicy): Promise<ScalingAnswer> {
  const definition = await site.registry.get(name);
  if (proposed) checkScaling(site, proposed);
  const own = definition.policy.scaling;
  const policy = proposed ?? own ?? { mode: 'off' };
  const { state, seen } = await look(site, name);
  const { findings, steps } = decideOn(site, policy, definition, seen);
  const standing = standingOf(definition, seen.nowMs);
  const newest = seen.minutes.at(-1);
  const high = seen.forecast(3600, 0.95);
  const median = seen.forecast(3600, 0.5);
  return {
    stream: name,
    mode: modeOf(own),
    policy,
    shards: standing.shards,
    openShards: definition.replicas[site.name]?.shards.length ?? 0,
    changesLeft: Math.max(0, CHANGES_A_DAY - standing.changes.length),
    measuredMinutes: modeOf(own) === 'off' ? 0 : seen.minutes.length,
    ...(newest === undefined ? {} : { load: signalsOf(newest, standing.shards) }),
    ...(high === undefined || median === undefined ? {} : { forecast: { aheadSeconds: 3600, median, high } }),
    rules: findings,
    steps,
    decisions: [...state.log].reverse(),
  };
}

const signalsOf = (load: MinuteLoad, shards: number): Readonly<Record<Signal, number>> =>
  Object.fromEntries(SIGNALS.map((signal) => [signal, signalOf(signal, load, shards)])) as Record<Signal, number>;
