import type { Leaf } from './leaves.js';
import { type Majority, vote } from './majority.js';
import { lowerBound } from './numbers.js';
import { COMMON_SOURCES, copied, copiesOf, type Source, stepBetween, stepped } from './sources.js';
import type { Story } from './story.js';

/** The sources that are compared for one field. */
const MAX_SOURCES = 12;
/** Kinds of events before, for which the usual value is kept apart. */
const MAX_AFTER = 64;
/** What an older observation weighs after a newer one. */
const KEEP = 0.99;

/** A value, where it is from, and how often that source was right at least: 0 to 1. */
export interface Said {
  readonly source: Source;
  readonly value: Leaf;
  readonly bound: number;
}

interface Record {
  readonly source: Source;
  hits: number;
  trials: number;
}

/** One path of one kind of event: which source has its value been from? */
export class Field {
  private readonly path: string;
  private records: Record[];
  private readonly usualAfter: Map<number, Majority>;
  private usual: Majority | undefined;
  private step: Majority | undefined;

  constructor(path: string, saved?: SavedField) {
    this.path = path;
    this.records = saved
      ? saved.records.map(([source, hits, trials]) => ({ source, hits, trials }))
      : COMMON_SOURCES.map((source) => ({ source, hits: 0, trials: 0 }));
    this.usualAfter = new Map(saved?.usualAfter.map(([after, value, lead]) => [after, { value, lead }]));
    if (saved?.usual) this.usual = { value: saved.usual[0], lead: saved.usual[1] };
    if (saved?.step) this.step = { value: saved.step[0], lead: saved.step[1] };
  }

  /** What the most reliable source says. @param after the kind of event before, a symbol */
  predict(story: Story, after: number): Said | undefined {
    let best: Said | undefined;
    for (const { source, hits, trials } of this.records) {
      const bound = lowerBound(hits, trials);
      if (best !== undefined && bound <= best.bound) continue;
      const value = this.valueOf(source, story, after);
      if (value !== undefined) best = { source, value, bound };
    }
    return best;
  }

  learn(value: Leaf, story: Story, after: number): void {
    const found = copiesOf(value, story);
    for (const record of this.records) {
      const right = record.source.includes(':')
        ? found.includes(record.source)
        : this.valueOf(record.source, story, after) === value;
      record.hits = record.hits * KEEP + (right ? 1 : 0);
      record.trials = record.trials * KEEP + 1;
    }
    for (const source of found) this.admit(source);
    this.usual = vote(this.usual, value);
    if (this.usualAfter.size < MAX_AFTER || this.usualAfter.has(after)) {
      this.usualAfter.set(after, vote(this.usualAfter.get(after), value));
    }
    const step = stepBetween(story.latest.get(this.path), value);
    if (step !== undefined) this.step = vote(this.step, step);
  }

  save(): SavedField {
    return {
      records: this.records.map(({ source, hits, trials }) => [source, hits, trials]),
      usualAfter: [...this.usualAfter].map(([after, { value, lead }]) => [after, value, lead]),
      usual: this.usual ? [this.usual.value, this.usual.lead] : null,
      step: this.step ? [this.step.value, this.step.lead] : null,
    };
  }

  /** Gives a place where the value was found a try, instead of the one that was wrong most. */
  private admit(source: Source): void {
    if (this.records.some((record) => record.source === source)) return;
    const fresh = { source, hits: 1, trials: 1 };
    if (this.records.length < MAX_SOURCES) {
      this.records.push(fresh);
      return;
    }
    let worst = -1;
    for (const [index, record] of this.records.entries()) {
      if (!record.source.includes(':')) continue;
      const rate = record.hits / record.trials;
      const worstSoFar = this.records[worst];
      if (!worstSoFar || rate < worstSoFar.hits / worstSoFar.trials) worst = index;
    }
    const loser = this.records[worst];
    if (loser && loser.hits / loser.trials < 0.5) this.records[worst] = fresh;
  }

  private valueOf(source: Source, story: Story, after: number): Leaf | undefined {
    switch (source) {
      case 'usual':
        return this.usual?.value;
      case 'usual-after':
        return this.usualAfter.get(after)?.value;
      case 'latest':
        return story.latest.get(this.path);
      case 'next':
        return typeof this.step?.value === 'number' ? stepped(story.latest.get(this.path), this.step.value) : undefined;
      case 'transaction':
        return story.id;
      case 'position':
        return story.length;
      default:
        return copied(source, story);
    }
  }
}

export interface SavedField {
  readonly records: readonly (readonly [Source, number, number])[];
  readonly usualAfter: readonly (readonly [number, Leaf, number])[];
  readonly usual: readonly [Leaf, number] | null;
  readonly step: readonly [Leaf, number] | null;
}
