import type { SeenEvent } from './context.js';
import { Field, type Said, type SavedField } from './field.js';
import { type Leaf, type Leaves, putTogether, type Shape } from './leaves.js';
import { lowerBound } from './numbers.js';
import type { Story } from './story.js';

/** Payloads of one kind of event have one shape, nearly always. */
const MAX_SHAPES = 4;
const MAX_FIELDS = 128;
/** Kinds of events before, for which it is counted apart how often the whole payload was right. */
const MAX_AFTER = 64;
/** What an older observation weighs after a newer one. */
const KEEP = 0.99;
/** Fewer observations than this after one kind of event: all are asked. */
const ENOUGH = 8;

/** A key and a payload, and how sure it is that both are exactly these. */
export interface Draft extends Pick<SeenEvent, 'key' | 'data' | 'dataBase64'> {
  readonly leaves: Leaves;
  /** A lower bound of the probability, given that an event of this kind comes: 0 to 1. */
  readonly exact: number;
}

interface Exactness {
  hits: number;
  trials: number;
}

/** The keys and payloads of one kind of event. */
export class Template {
  private readonly shapes: { shape: Shape; count: number }[] = [];
  private readonly fields = new Map<string, Field>();
  private readonly exact: Exactness = { hits: 0, trials: 0 };
  private readonly exactAfter = new Map<number, Exactness>();

  /** What an event of this kind would hold now. @param after the kind of the event before, a symbol */
  draft(story: Story, after: number): Draft | undefined {
    const leaves = this.fill(story, after);
    if (leaves === undefined) return undefined;
    const event = putTogether(leaves.shape, leaves.values);
    if (event === undefined) return undefined;
    const own = this.exactAfter.get(after);
    const { hits, trials } = own && own.trials >= ENOUGH ? own : this.exact;
    return { ...event, leaves, exact: lowerBound(hits, trials) };
  }

  /** @param leaves what came, undefined where it was too large */
  learn(leaves: Leaves | undefined, story: Story, after: number): void {
    const draft = this.fill(story, after);
    this.score(draft !== undefined && leaves !== undefined && isSame(draft, leaves), after);
    if (leaves === undefined) return;
    this.seeShape(leaves.shape);
    for (const [index, path] of leaves.shape.paths.entries()) {
      let field = this.fields.get(path);
      if (field === undefined) {
        if (this.fields.size >= MAX_FIELDS) continue;
        field = new Field(path);
        this.fields.set(path, field);
      }
      field.learn(leaves.values[index] ?? null, story, after);
    }
  }

  save(): SavedTemplate {
    return {
      shapes: this.shapes,
      fields: [...this.fields].map(([path, field]) => [path, field.save()]),
      exact: { ...this.exact },
      exactAfter: [...this.exactAfter],
    };
  }

  static load({ shapes, fields, exact, exactAfter }: SavedTemplate): Template {
    const template = new Template();
    template.shapes.push(...shapes.map((each) => ({ ...each })));
    for (const [path, saved] of fields) template.fields.set(path, new Field(path, saved));
    Object.assign(template.exact, exact);
    for (const [after, counts] of exactAfter) template.exactAfter.set(after, { ...counts });
    return template;
  }

  /** Where each value of a draft is from, by path. */
  sources(story: Story, after: number): ReadonlyMap<string, Said> {
    const said = new Map<string, Said>();
    for (const path of this.shapes[0]?.shape.paths ?? []) {
      const best = this.fields.get(path)?.predict(story, after);
      if (best !== undefined) said.set(path, best);
    }
    return said;
  }

  private fill(story: Story, after: number): Leaves | undefined {
    const shape = this.shapes[0]?.shape;
    if (shape === undefined) return undefined;
    const values: Leaf[] = [];
    for (const path of shape.paths) {
      const said = this.fields.get(path)?.predict(story, after);
      if (said === undefined) return undefined;
      values.push(said.value);
    }
    return { shape, values };
  }

  private score(right: boolean, after: number): void {
    const counts = [this.exact];
    const own = this.exactAfter.get(after) ?? (this.exactAfter.size < MAX_AFTER ? { hits: 0, trials: 0 } : undefined);
    if (own !== undefined) {
      this.exactAfter.set(after, own);
      counts.push(own);
    }
    for (const count of counts) {
      count.hits = count.hits * KEEP + (right ? 1 : 0);
      count.trials = count.trials * KEEP + 1;
    }
  }

  /** The most frequent shape stands first. */
  private seeShape(shape: Shape): void {
    for (const each of this.shapes) each.count *= KEEP;
    const known = this.shapes.find((each) => each.shape.signature === shape.signature);
    if (known !== undefined) known.count += 1;
    else {
      if (this.shapes.length === MAX_SHAPES) this.shapes.pop();
      this.shapes.push({ shape, count: 1 });
    }
    this.shapes.sort((a, b) => b.count - a.count);
  }
}

export interface SavedTemplate {
  readonly shapes: readonly { readonly shape: Shape; readonly count: number }[];
  readonly fields: readonly (readonly [string, SavedField])[];
  readonly exact: Exactness;
  readonly exactAfter: readonly (readonly [number, Exactness])[];
}

function isSame(a: Leaves, b: Leaves): boolean {
  return a.shape.signature === b.shape.signature && a.values.every((value, index) => value === b.values[index]);
}
