import type { Leaf, Leaves } from './leaves.js';

/** What the events of a transaction said so far, for values that are copied from them. */
export class Story {
  readonly id: string;
  readonly latest: Map<string, Leaf>;
  length = 0;
  first: Leaves | undefined;
  previous: Leaves | undefined;

  constructor(id: string, latest: ReadonlyMap<string, Leaf> = new Map()) {
    this.id = id;
    this.latest = new Map(latest);
  }

  /** @param leaves undefined for an event that was too large to be taken apart: it counts, and nothing is copied from it */
  append(leaves: Leaves | undefined): void {
    this.length += 1;
    this.previous = leaves;
    if (leaves === undefined) return;
    this.first ??= leaves;
    for (const [index, path] of leaves.shape.paths.entries()) {
      if (this.latest.size < MAX_PATHS || this.latest.has(path)) this.latest.set(path, leaves.values[index] ?? null);
    }
  }

  fork(): Story {
    const copy = new Story(this.id, this.latest);
    copy.length = this.length;
    copy.first = this.first;
    copy.previous = this.previous;
    return copy;
  }
}

/** A transaction whose events share no paths is not remembered in full. */
const MAX_PATHS = 512;
