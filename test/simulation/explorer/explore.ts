import { stepsFrom } from './actions.js';
import { violated } from './invariants.js';
import { RULES, type Rules } from './rules.js';
import { type Bounds, type State, firstState, keyOf } from './state.js';

export interface Exploration {
  readonly states: number;
  readonly depth: number;
  /** The first invariant that does not hold, and the shortest way there. */
  readonly violation?: { readonly invariant: string; readonly steps: readonly string[] };
  /** Set when the exploration ended at the limit. */
  readonly unfinished?: true;
}

interface Seen {
  readonly state: State;
  readonly step: string;
  readonly before?: Seen;
}

/**
 * Breadth-first over every state that the code's own transitions reach within the bounds: the first violation found has
 * the fewest steps.
 */
export async function explore(
  bounds: Bounds,
  rules: Rules = RULES,
  limit = Number.MAX_SAFE_INTEGER,
): Promise<Exploration> {
  const first = firstState(bounds);
  const known = new Set([keyOf(first)]);
  let level: Seen[] = [{ state: first, step: '' }];
  let depth = 0;
  for (; level.length > 0; depth += 1) {
    const next: Seen[] = [];
    for (const seen of level) {
      for (const { name, state } of await stepsFrom(seen.state, rules, bounds)) {
        const key = keyOf(state);
        if (known.has(key)) continue;
        known.add(key);
        const reached = { state, step: name, before: seen };
        const invariant = violated(state, bounds);
        if (invariant !== undefined) {
          return { states: known.size, depth, violation: { invariant, steps: stepsTo(reached) } };
        }
        next.push(reached);
      }
      if (known.size > limit) return { states: known.size, depth, unfinished: true };
    }
    level = next;
  }
  return { states: known.size, depth };
}

function stepsTo({ step, before }: Seen): readonly string[] {
  return before ? [...stepsTo(before), step] : [];
}
