import type { FeatureSchema } from './features.js';
import { type ForestRows, forestRows } from './forest-features.js';
import { LEAF, NO_PAUSE, type SavedForest } from './forest.js';
import { QUANTILES } from './networks.js';
import { seeded } from './seeded.js';
import type { Track } from './track.js';

export interface ForestSettings {
  readonly seed: number;
  readonly trees: number;
  /** A tree is grown on so many events at most, drawn anew for each. */
  readonly sample: number;
  /** A leaf holds so many at least. */
  readonly leaf: number;
  readonly depth: number;
  /** Questions that are tried at each node, drawn by chance. */
  readonly tries: number;
}

/** A track, and what followed on each of its events. */
export interface ForestLesson {
  readonly track: Track;
  readonly classes: readonly number[];
  /** Milliseconds; NaN where there is none. */
  readonly pausesMs: readonly number[];
}

/** Grows a forest tree by tree, yielding after each. Deterministic by its seed. */
export function* growForest(
  schema: FeatureSchema,
  lessons: readonly ForestLesson[],
  settings: ForestSettings,
): Generator<number, SavedForest> {
  const grower = new Grower(forestRows(schema), schema.classes, lessons, settings);
  for (let tree = 1; tree <= settings.trees; tree += 1) {
    grower.tree();
    yield tree;
  }
  return grower.forest();
}

interface Question {
  readonly ask: number;
  readonly value: number;
}

/** All events with what followed on them, and the trees so far. */
class Grower {
  private readonly random: () => number;
  private readonly rows: ForestRows;
  private readonly settings: ForestSettings;
  private readonly values: Float32Array;
  private readonly classes: Uint16Array;
  private readonly pauses: Float32Array;
  private readonly yes: Float64Array;
  private readonly all: Float64Array;
  private readonly roots: number[] = [];
  private readonly nodes = { asks: [] as number[], values: [] as number[], next: [] as number[] };
  private readonly leaves = {
    from: [] as number[],
    symbols: [] as number[],
    shares: [] as number[],
    pauses: [] as number[],
  };

  constructor(rows: ForestRows, classes: number, lessons: readonly ForestLesson[], settings: ForestSettings) {
    this.random = seeded(settings.seed);
    this.rows = rows;
    this.settings = settings;
    this.classes = Uint16Array.from(lessons.flatMap((lesson) => lesson.classes));
    this.pauses = Float32Array.from(lessons.flatMap((lesson) => lesson.pausesMs));
    this.values = new Float32Array(this.classes.length * rows.width);
    this.yes = new Float64Array(classes);
    this.all = new Float64Array(classes);
    let at = 0;
    for (const { track } of lessons) {
      for (const index of track.symbols.keys()) {
        rows.write(track, index, this.values, at);
        at += rows.width;
      }
    }
  }

  tree(): void {
    const count = this.classes.length;
    const events = Uint32Array.from({ length: Math.min(count, this.settings.sample) }, () => this.draw(count));
    this.roots.push(this.add(1));
    this.grow(this.roots.at(-1)!, events, this.settings.depth);
  }

  forest(): SavedForest {
    const { nodes, leaves } = this;
    return {
      roots: Uint32Array.from(this.roots),
      asks: Uint16Array.from(nodes.asks),
      values: Float32Array.from(nodes.values),
      next: Uint32Array.from(nodes.next),
      from: Uint32Array.from([...leaves.from, leaves.symbols.length]),
      symbols: Uint16Array.from(leaves.symbols),
      shares: Float32Array.from(leaves.shares),
      pauses: Float32Array.from(leaves.pauses),
    };
  }

  private draw(below: number): number {
    return Math.floor(this.random() * below);
  }

  /** @returns the first of so many new nodes, which are leaves as yet */
  private add(count: number): number {
    const first = this.nodes.asks.length;
    for (let i = 0; i < count; i += 1) {
      this.nodes.asks.push(LEAF);
      this.nodes.values.push(0);
      this.nodes.next.push(0);
    }
    return first;
  }

  private grow(node: number, events: Uint32Array, depth: number): void {
    this.all.fill(0);
    for (const event of events) this.all[this.classes[event]!]! += 1;
    const question = depth > 0 && events.length >= 2 * this.settings.leaf ? this.best(events) : undefined;
    if (question === undefined) {
      this.nodes.next[node] = this.close(events);
      return;
    }
    const next = this.add(2);
    this.nodes.asks[node] = question.ask;
    this.nodes.values[node] = question.value;
    this.nodes.next[node] = next;
    this.grow(
      next,
      events.filter((event) => this.answers(event, question)),
      depth - 1,
    );
    this.grow(
      next + 1,
      events.filter((event) => !this.answers(event, question)),
      depth - 1,
    );
  }

  private answers(event: number, { ask, value }: Question): boolean {
    const is = this.values[event * this.rows.width + ask]!;
    return ask < this.rows.names ? is === value : is <= value;
  }

  /** Of some questions drawn by chance the one that tells most about what follows. */
  private best(events: Uint32Array): Question | undefined {
    let best: Question | undefined;
    let most = -Infinity;
    for (let i = 0; i < this.settings.tries; i += 1) {
      const ask = this.draw(this.rows.width);
      const value = this.values[events[this.draw(events.length)]! * this.rows.width + ask]!;
      const tells = this.tells(events, { ask, value });
      if (tells > most) [best, most] = [{ ask, value }, tells];
    }
    return best;
  }

  /** The log-likelihood of what followed, in nats, once this is known; `-Infinity` where one side has too few. */
  private tells(events: Uint32Array, question: Question): number {
    const { yes, all } = this;
    yes.fill(0);
    let count = 0;
    for (const event of events) {
      if (!this.answers(event, question)) continue;
      yes[this.classes[event]!]! += 1;
      count += 1;
    }
    const rest = events.length - count;
    if (Math.min(count, rest) < this.settings.leaf) return -Infinity;
    let sum = -count * Math.log(count) - rest * Math.log(rest);
    for (const [symbol, each] of yes.entries()) sum += timesLog(each) + timesLog(all[symbol]! - each);
    return sum;
  }

  /** @returns the number of a new leaf */
  private close(events: Uint32Array): number {
    const { leaves, all } = this;
    leaves.from.push(leaves.symbols.length);
    for (const [symbol, count] of all.entries()) {
      if (count === 0) continue;
      leaves.symbols.push(symbol);
      leaves.shares.push(count / events.length);
    }
    const pauses = Float32Array.from(events, (event) => this.pauses[event]!)
      .filter((pause) => !Number.isNaN(pause))
      .sort();
    for (const quantile of QUANTILES) leaves.pauses.push(pauses[Math.floor(quantile * pauses.length)] ?? NO_PAUSE);
    return leaves.from.length - 1;
  }
}

function timesLog(count: number): number {
  return count === 0 ? 0 : count * Math.log(count);
}
