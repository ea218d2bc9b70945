import type { SequenceModel } from './sequence.js';
import { END, OTHER } from './symbols.js';
import type { Track } from './track.js';

/** Ways that are followed at a time. */
const WIDTH = 4;
/** What is longer is cut here. */
const MAX_LENGTH = 64;

interface Way {
  readonly track: Track;
  readonly symbols: readonly number[];
  readonly logProbability: number;
}

/**
 * How a transaction goes on until its end, as symbols: a beam search for the most probable ways, and of these the one
 * that is most like all others (their medoid). The single most probable way is often a short and odd one.
 */
export function foreseeSuffix(sequence: SequenceModel, from: Track, size: number, maxLength = MAX_LENGTH): number[] {
  let open: Way[] = [{ track: from, symbols: [], logProbability: 0 }];
  const ended: Way[] = [];
  for (let length = 0; length < maxLength && open.length > 0 && ended.length < WIDTH; length += 1) {
    const next = open.flatMap((way) => steps(sequence, way, size)).sort((a, b) => b.logProbability - a.logProbability);
    const kept = next.slice(0, WIDTH);
    ended.push(...kept.filter(({ symbols }) => symbols.at(-1) === END));
    open = kept.filter(({ symbols }) => symbols.at(-1) !== END).map((way) => grow(sequence, way));
  }
  const ways = [...ended, ...open].map(({ symbols, logProbability }) => ({
    symbols: symbols.filter((symbol) => symbol !== END),
    weight: Math.exp(logProbability),
  }));
  return medoid(ways);
}

function steps(sequence: SequenceModel, way: Way, size: number): Way[] {
  const { probabilities } = sequence.predict(way.track, size);
  return Array.from({ length: size }, (_, symbol) => ({ symbol, probability: probabilities[symbol]! }))
    .filter(({ symbol, probability }) => symbol !== OTHER && probability > 0)
    .sort((a, b) => b.probability - a.probability)
    .slice(0, WIDTH)
    .map(({ symbol, probability }) => ({
      track: way.track,
      symbols: [...way.symbols, symbol],
      logProbability: way.logProbability + Math.log(probability),
    }));
}

/** Only the ways that are kept get a track of their own. */
function grow(sequence: SequenceModel, way: Way): Way {
  const track = way.track.fork();
  track.append(way.symbols.at(-1)!, track.lastAtMs + (sequence.pause(track) ?? 0), track.attributes.at(-1));
  return { ...way, track };
}

function medoid(ways: readonly { readonly symbols: number[]; readonly weight: number }[]): number[] {
  let best: number[] = [];
  let bestLikeness = -1;
  for (const { symbols } of ways) {
    let likeness = 0;
    for (const other of ways) likeness += other.weight * similarity(symbols, other.symbols);
    if (likeness > bestLikeness) [best, bestLikeness] = [symbols, likeness];
  }
  return best;
}

/** One less the share of places that have to be changed: 1 for equal sequences, 0 for entirely different ones. */
export function similarity(a: readonly number[], b: readonly number[]): number {
  const longest = Math.max(a.length, b.length);
  return longest === 0 ? 1 : 1 - distance(a, b) / longest;
}

/** Damerau's and Levenshtein's distance (optimal string alignment): insertions, deletions, substitutions, swaps. */
function distance(a: readonly number[], b: readonly number[]): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
