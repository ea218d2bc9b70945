import { canonicalJson } from '../canonical-json.js';
import type { FinishedContext, ForeseenEvent, OpenContext, PredictorDescription, SeenEvent } from './context.js';
import { takeApart } from './leaves.js';
import { SequenceModel } from './sequence.js';
import { Story } from './story.js';
import { END, OTHER, Symbols } from './symbols.js';
import { type Draft, Template } from './templates.js';
import { Track } from './track.js';

/** How far and how wide a look ahead goes. */
export interface Reach {
  /** So many events ahead. @default 3 */
  readonly steps: number;
  /** So many ways at a time. @default 3 */
  readonly width: number;
  /** Ways that are less probable than this are not followed, 0 to 1. @default 0.02 */
  readonly floor: number;
}

const REACH: Reach = { steps: 3, width: 3, floor: 0.02 };
/** Open transactions whose way so far is kept; others are followed from their beginning. */
const MAX_FOLLOWED = 4096;

interface Followed {
  readonly track: Track;
  readonly story: Story;
}

/** One way on from where a transaction is. */
interface Way extends Followed {
  /** That these kinds of events come, at least: 0 to 1. */
  readonly probability: number;
}

/**
 * Foresees whole events, key and payload included, and learns from transactions as they are committed. Deterministic:
 * the same transactions in the same order give the same answers.
 */
export class Forecaster {
  private readonly symbols = new Symbols();
  private readonly sequence = new SequenceModel();
  private readonly templates = new Map<number, Template>();
  private readonly followed = new Map<string, Followed>();
  private learned = 0;
  private right = 0;
  private logLoss = 0;
  private fromMs = Infinity;
  private toMs = -Infinity;

  /** What an open transaction will probably contain, the most probable first. */
  foresee(context: OpenContext, reach: Reach = REACH): ForeseenEvent[] {
    const allowed = new Set(context.streams);
    const found = new Map<string, ForeseenEvent>();
    let ways: Way[] = [{ ...this.follow(context), probability: 1 }];
    for (let step = 1; step <= reach.steps && ways.length > 0; step += 1) {
      const next: Way[] = [];
      for (const way of ways) {
        for (const { event, way: on } of this.branches(way, step, context, reach, allowed)) {
          next.push(on);
          if (event.probability === 0) continue;
          const text = canonicalJson([
            event.stream,
            event.key,
            event.type,
            event.data ?? null,
            event.dataBase64 ?? null,
          ]);
          const known = found.get(text);
          if (known === undefined || known.probability < event.probability) found.set(text, event);
        }
      }
      ways = next.sort((a, b) => b.probability - a.probability).slice(0, reach.width);
    }
    return [...found.values()].sort((a, b) => b.probability - a.probability);
  }

  /** Learns from a transaction that was committed. */
  learn({ id, startedAtMs, endedAtMs, events }: FinishedContext): void {
    this.followed.delete(id);
    const track = new Track(startedAtMs);
    const story = new Story(id);
    for (const event of events) {
      const symbol = this.symbols.learn(event);
      this.score(this.sequence.learn(track, symbol, event.atMs, this.symbols.size));
      const leaves = takeApart(event);
      if (symbol !== OTHER) this.template(symbol).learn(leaves, story, track.back(1));
      track.append(symbol, event.atMs);
      story.append(leaves);
    }
    this.score(this.sequence.learn(track, END, endedAtMs, this.symbols.size));
    this.fromMs = Math.min(this.fromMs, startedAtMs);
    this.toMs = Math.max(this.toMs, endedAtMs);
  }

  describe(): PredictorDescription {
    const { learned } = this;
    if (learned === 0) return { version: 'online-0', metrics: {} };
    return {
      version: `online-${learned}`,
      metrics: {
        steps: learned,
        meanProbability: this.right / learned,
        logLoss: this.logLoss / learned,
        drifts: this.sequence.drifts,
      },
      trainingWindow: { from: timeOf(this.fromMs), to: timeOf(this.toMs) },
    };
  }

  private score(probability: number): void {
    this.learned += 1;
    this.right += probability;
    this.logLoss -= Math.log(Math.max(probability, 1e-9));
  }

  private template(symbol: number): Template {
    const known = this.templates.get(symbol);
    if (known !== undefined) return known;
    const fresh = new Template();
    this.templates.set(symbol, fresh);
    return fresh;
  }

  /** Takes up a transaction where it was left, or from its beginning. */
  private follow({ id, startedAtMs, events }: OpenContext): Followed {
    let followed = this.followed.get(id);
    this.followed.delete(id);
    if (followed === undefined || followed.track.length > events.length) {
      followed = { track: new Track(startedAtMs), story: new Story(id) };
    }
    for (const event of events.slice(followed.track.length)) {
      followed.track.append(this.symbols.find(event), event.atMs);
      followed.story.append(takeApart(event));
    }
    this.followed.set(id, followed);
    if (this.followed.size > MAX_FOLLOWED) this.forgetOldest();
    return followed;
  }

  private forgetOldest(): void {
    const [oldest] = this.followed.keys();
    if (oldest !== undefined) this.followed.delete(oldest);
  }

  /** The events that may come next on a way, and where each leads. */
  private branches(
    way: Way,
    step: number,
    context: OpenContext,
    reach: Reach,
    allowed: ReadonlySet<string>,
  ): { event: ForeseenEvent; way: Way }[] {
    const { probabilities, size } = this.sequence.predict(way.track, this.symbols.size);
    const likely: { symbol: number; probability: number }[] = [];
    for (let symbol = OTHER + 1; symbol < size; symbol += 1) {
      const probability = probabilities[symbol] ?? 0;
      if (way.probability * probability >= reach.floor) likely.push({ symbol, probability });
    }
    const pause = this.sequence.pause(way.track);
    const dueMs = pause === undefined ? undefined : way.track.lastAtMs + pause;
    return likely
      .sort((a, b) => b.probability - a.probability)
      .slice(0, reach.width)
      .flatMap(({ symbol, probability }) => {
        const kind = this.symbols.kindOf(symbol);
        const draft = this.templates.get(symbol)?.draft(way.story, way.track.back(1));
        if (kind === undefined || draft === undefined || !allowed.has(kind.stream)) return [];
        const reached = way.probability * this.sequence.calibrated.lower(probability);
        const inMs = dueMs === undefined ? undefined : dueMs - context.nowMs;
        return [
          {
            event: eventOf(kind, draft, step, reached * draft.exact, inMs),
            way: goOn(way, symbol, draft, reached, dueMs),
          },
        ];
      });
  }
}

function eventOf(
  kind: Pick<SeenEvent, 'stream' | 'type'>,
  { key, data, dataBase64, exact: _exact }: Draft,
  step: number,
  probability: number,
  inMs: number | undefined,
): ForeseenEvent {
  return {
    ...kind,
    key,
    ...(data === undefined ? {} : { data }),
    ...(dataBase64 === undefined ? {} : { dataBase64 }),
    step,
    probability,
    ...(inMs === undefined ? {} : { expectedInMs: Math.max(0, inMs) }),
  };
}

function goOn(way: Way, symbol: number, draft: Draft, probability: number, dueMs: number | undefined): Way {
  const track = way.track.fork();
  const story = way.story.fork();
  track.append(symbol, dueMs ?? way.track.lastAtMs);
  story.append(draft.leaves);
  return { track, story, probability };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
