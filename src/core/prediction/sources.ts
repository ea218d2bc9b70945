import type { Leaf, Leaves } from './leaves.js';
import type { Story } from './story.js';

/**
 * Where the value of a field may come from, as text:
 *
 * - `usual`: the value that it has most often
 * - `usual-after`: the same, among events that followed on the same kind of event
 * - `transaction`: the transaction's id
 * - `position`: how many events went before
 * - `latest`: what stood at this path last in this transaction
 * - `next`: the same, counted on by the usual step
 * - `first:{path}`, `previous:{path}`: what stands there in the transaction's first event, or in the one before
 */
export type Source = string;

/** Those that every field may have. */
export const COMMON_SOURCES: readonly Source[] = ['usual', 'usual-after', 'latest', 'next', 'transaction', 'position'];

/** The places in earlier events where this very value stands. Nothing is known from a value that stands everywhere. */
export function copiesOf(value: Leaf, story: Story): Source[] {
  if (value === null || typeof value === 'boolean') return [];
  return [...placesOf('first', story.first, value), ...placesOf('previous', story.previous, value)];
}

/** What a source that copies says; undefined where there is nothing to copy. */
export function copied(source: Source, story: Story): Leaf | undefined {
  const colon = source.indexOf(':');
  const from = source.slice(0, colon) === 'first' ? story.first : story.previous;
  const index = from?.shape.paths.indexOf(source.slice(colon + 1)) ?? -1;
  return index < 0 ? undefined : from?.values[index];
}

/** By how much a value is counted on from another: `7` from `6`, `item-10` from `item-9`. Undefined where it is not. */
export function stepBetween(before: Leaf | undefined, after: Leaf): number | undefined {
  if (typeof before === 'number' && typeof after === 'number') return after - before;
  if (typeof before !== 'string' || typeof after !== 'string') return undefined;
  const [a, b] = [splitCounter(before), splitCounter(after)];
  return a && a.prefix === b?.prefix ? b.count - a.count : undefined;
}

/** Counts a value on. Undefined for one that does not end in a number. */
export function stepped(before: Leaf | undefined, step: number): Leaf | undefined {
  if (typeof before === 'number') return before + step;
  if (typeof before !== 'string') return undefined;
  const split = splitCounter(before);
  if (split === undefined || split.count + step < 0) return undefined;
  return split.prefix + String(split.count + step).padStart(split.width, '0');
}

function placesOf(anchor: string, event: Leaves | undefined, value: Leaf): Source[] {
  if (event === undefined) return [];
  return event.shape.paths.filter((_, index) => event.values[index] === value).map((path) => `${anchor}:${path}`);
}

/** `item-09` is `item-` and 9 in two digits. Without leading zeros the width does not bind. */
function splitCounter(text: string): { prefix: string; count: number; width: number } | undefined {
  const digits = /\d{1,15}$/.exec(text)?.[0];
  if (digits === undefined) return undefined;
  const width = digits.startsWith('0') ? digits.length : 1;
  return { prefix: text.slice(0, text.length - digits.length), count: Number(digits), width };
}
