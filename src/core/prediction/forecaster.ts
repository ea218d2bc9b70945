import { canonicalJson } from '../canonical-json.js';
import type { FinishedContext, ForeseenEvent, OpenContext, PredictorDescription, SeenEvent } from './context.js';
import type { Said } from './field.js';
import { takeApart } from './leaves.js';
import { type SavedSequence, SequenceModel } from './sequence.js';
import { Story } from './story.js';
import { END, OTHER, type SavedSymbols, Symbols } from './symbols.js';
import { type Draft, type SavedTemplate, Template } from './templates.js';
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

/** So many possibilities are explained. */
const EXPLAINED = 3;

/** What is expected next, the most probable first. */
export interface Explanation {
  readonly expected: readonly {
    /** `end` where no event follows. */
    readonly kind: Pick<SeenEvent, 'stream' | 'type'> | 'end';
    readonly probability: number;
    /** What each expert says, and what its word weighs: 0 to 1. */
    readonly voices: readonly { readonly name: string; readonly weight: number; readonly probability: number }[];
    /** The payload that would be staged, where one can be made. */
    readonly draft: Draft | undefined;
    readonly sources: ReadonlyMap<string, Said>;
  }[];
  readonly pauseMs: number | undefined;
}

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
  readonly symbols: Symbols;
  readonly sequence: SequenceModel;
  private readonly templates = new Map<number, Template>();
  private readonly followed = new Map<string, Followed>();
  private readonly version: string | undefined;
  private readonly totals: Totals = { learned: 0, judged: 0, probability: 0, logLoss: 0, fromMs: null, toMs: null };

  /** @param saved all of a forecaster, or what it is to begin with */
  constructor(saved?: Beginning) {
    this.symbols = saved ? Symbols.load(saved.symbols) : new Symbols();
    this.sequence = new SequenceModel(saved?.sequence);
    for (const [symbol, template] of saved?.templates ?? []) this.templates.set(symbol, Template.load(template));
    this.version = saved?.version;
    Object.assign(this.totals, saved?.totals);
  }

  /**
   * What an open transaction will probably contain, the most probable first.
   *
   * @param steps so many events ahead
   */
  foresee(context: OpenContext, steps = REACH.steps): ForeseenEvent[] {
    const reach = { ...REACH, steps };
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
          // The same event on two ways, or at two steps, is one candidate: it may come as soon as the first.
          if (known === undefined) found.set(text, event);
          else if (known.probability < event.probability) found.set(text, { ...known, probability: event.probability });
        }
      }
      ways = next.sort((a, b) => b.probability - a.probability).slice(0, reach.width);
    }
    return [...found.values()].sort((a, b) => b.probability - a.probability);
  }

  /**
   * Learns from a transaction that was committed.
   *
   * @param judge false where a network has seen it in its training: then how well it was foreseen counts for nothing
   */
  learn({ id, startedAtMs, endedAtMs, events }: FinishedContext, judge = true): void {
    this.followed.delete(id);
    const track = new Track(startedAtMs);
    const story = new Story(id);
    for (const event of events) {
      const symbol = this.symbols.learn(event);
      this.learnStep(track, symbol, event.atMs, judge);
      const leaves = takeApart(event);
      if (symbol !== OTHER) this.template(symbol).learn(leaves, story, track.back(1));
      track.append(symbol, event.atMs, this.sequence.attributesOf(leaves));
      story.append(leaves);
    }
    this.learnStep(track, END, endedAtMs, judge);
    const { fromMs, toMs } = this.totals;
    if (isTime(startedAtMs)) this.totals.fromMs = Math.min(fromMs ?? startedAtMs, startedAtMs);
    if (isTime(endedAtMs)) this.totals.toMs = Math.max(toMs ?? endedAtMs, endedAtMs);
  }

  /** Takes one more event of a transaction onto its track. */
  append(track: Track, event: SeenEvent, leaves = takeApart(event)): void {
    track.append(this.symbols.find(event), event.atMs, this.sequence.attributesOf(leaves));
  }

  /** What is expected of an open transaction now, and why: as `foresee` sees it, one step ahead. */
  explain(context: OpenContext): Explanation {
    const { track, story } = this.follow(context);
    const { probabilities, size } = this.sequence.predict(track, this.symbols.size);
    const after = track.back(1);
    const expected = Array.from({ length: size }, (_, symbol) => ({ symbol, probability: probabilities[symbol] ?? 0 }))
      .filter(({ symbol }) => symbol !== OTHER)
      .sort((a, b) => b.probability - a.probability)
      .slice(0, EXPLAINED)
      .map(({ symbol, probability }) => ({
        kind: this.symbols.kindOf(symbol) ?? ('end' as const),
        probability,
        voices: this.sequence.voices().map(({ name, weight, probabilities: said }) => ({
          name,
          weight,
          probability: said[symbol] ?? 0,
        })),
        draft: this.templates.get(symbol)?.draft(story, after),
        sources: this.templates.get(symbol)?.sources(story, after) ?? new Map<string, Said>(),
      }));
    return { expected, pauseMs: this.sequence.pause(track) };
  }

  describe(): PredictorDescription {
    const { learned, judged, probability, logLoss, fromMs, toMs } = this.totals;
    const kind = this.sequence.networks === undefined ? 'online' : 'trained';
    return {
      version: this.version ?? `${kind}-${learned}`,
      metrics:
        judged === 0
          ? {}
          : {
              steps: judged,
              meanProbability: probability / judged,
              logLoss: logLoss / judged,
              drifts: this.sequence.drifts,
            },
      ...(fromMs === null || toMs === null ? {} : { trainingWindow: { from: timeOf(fromMs), to: timeOf(toMs) } }),
    };
  }

  save(): SavedForecaster {
    return {
      symbols: this.symbols.save(),
      sequence: this.sequence.save(),
      templates: [...this.templates].map(([symbol, template]) => [symbol, template.save()]),
      totals: { ...this.totals },
    };
  }

  private learnStep(track: Track, symbol: number, atMs: number, judge: boolean): void {
    const probability = this.sequence.learn(track, symbol, atMs, this.symbols.size, judge);
    this.totals.learned += 1;
    if (!judge) return;
    this.totals.judged += 1;
    this.totals.probability += probability;
    this.totals.logLoss -= Math.log(Math.max(probability, 1e-9));
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
      const leaves = takeApart(event);
      this.append(followed.track, event, leaves);
      followed.story.append(leaves);
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
            way: this.goOn(way, symbol, draft, reached, dueMs),
          },
        ];
      });
  }

  private goOn(way: Way, symbol: number, draft: Draft, probability: number, dueMs: number | undefined): Way {
    const track = way.track.fork();
    const story = way.story.fork();
    track.append(symbol, dueMs ?? way.track.lastAtMs, this.sequence.attributesOf(draft.leaves));
    story.append(draft.leaves);
    return { track, story, probability };
  }
}

/** What it has seen so far. */
interface Totals {
  learned: number;
  /** Of these, foreseen without having been trained on. */
  judged: number;
  /** Sums over them. */
  probability: number;
  logLoss: number;
  fromMs: number | null;
  toMs: number | null;
}

/** Symbols, and networks that know them. */
export interface Beginning extends Partial<Omit<SavedForecaster, 'symbols' | 'sequence'>> {
  readonly symbols: SavedSymbols;
  readonly sequence: Partial<SavedSequence>;
  /** Its name, where it has one. */
  readonly version?: string;
}

export interface SavedForecaster {
  readonly symbols: SavedSymbols;
  readonly sequence: SavedSequence;
  readonly templates: readonly (readonly [number, SavedTemplate])[];
  readonly totals: Readonly<Totals>;
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

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function isTime(ms: number): boolean {
  return Math.abs(ms) <= 8.64e15;
}
