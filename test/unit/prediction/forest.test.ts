import { Forest, type SavedForest } from '../../../src/core/prediction/forest.js';
import { type ForestLesson, growForest } from '../../../src/core/prediction/forest-training.js';
import { pack } from '../../../src/core/prediction/packing.js';
import { ModelRefused } from '../../../src/core/prediction/refused.js';
import { END } from '../../../src/core/prediction/symbols.js';
import { Track } from '../../../src/core/prediction/track.js';

const [A, B, C] = [2, 3, 4];
const SIZE = 5;
const HOUR_MS = 3_600_000;
const schema = { classes: SIZE, attributes: [] };
const settings = { seed: 3, trees: 8, sample: 4000, leaf: 5, depth: 10, tries: 8 };

/** Events an hour apart; before `C` it takes two. */
function trackOf(symbols: readonly number[]): Track {
  const track = new Track(0);
  let atMs = 0;
  for (const symbol of symbols) {
    atMs += symbol === C ? 2 * HOUR_MS : HOUR_MS;
    track.append(symbol, atMs);
  }
  return track;
}

/** Any number of `B` between, but when the third `A` has come, `C` follows. */
function lessons(): ForestLesson[] {
  return Array.from({ length: 300 }, (_, n) => {
    const symbols = [A, ...Array(n % 7).fill(B), A, ...Array(n % 5).fill(B), A, C] as number[];
    const track = trackOf(symbols);
    const classes = [...symbols.slice(1), END];
    const pausesMs = classes.map((symbol, i) => (symbol === END ? Number.NaN : track.gapMs(i + 1)));
    return { track, classes, pausesMs };
  });
}

function grown(seed = settings.seed): SavedForest {
  const growing = growForest(schema, lessons(), { ...settings, seed });
  let step = growing.next();
  while (step.done !== true) step = growing.next();
  return step.value;
}

const foreseen = (forest: Forest, symbols: readonly number[]): Float64Array => {
  const out = new Float64Array(SIZE);
  forest.predict(trackOf(symbols), out, SIZE);
  return out;
};

describe('a forest', () => {
  const saved = grown();
  const forest = new Forest(schema, saved);

  it('asks how often a kind was there, however far back', () => {
    const third = [A, ...Array<number>(6).fill(B), A, ...Array<number>(4).fill(B), A];
    expect(foreseen(forest, third)[C]).toBeGreaterThan(0.9);
    expect(foreseen(forest, [A, B, B, A, B])[C]).toBeLessThan(0.1);
  });

  it('gives probabilities that sum to one, and nothing to what never followed', () => {
    const out = foreseen(forest, [A, B]);
    expect(out.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1);
    expect(out[END]).toBe(0);
  });

  it('says when, and nothing where no event ever followed', () => {
    expect(forest.pause(trackOf([A, A, A]), 0.5)).toBe(2 * HOUR_MS);
    expect(forest.pause(trackOf([A, B, A, B]), 0.5)).toBe(HOUR_MS);
    expect(forest.pause(trackOf([A, A, A, C]), 0.5)).toBeUndefined();
  });

  it('is the same from the same seed, another one from another', () => {
    const text = (one: SavedForest): string => JSON.stringify(pack(one));
    expect(text(grown()) === text(saved)).toBe(true);
    expect(text(grown(4)) === text(saved)).toBe(false);
  });

  it('is refused where a way through it leads back, or nowhere', () => {
    const back = saved.next.slice().fill(0, 0, 1);
    const nowhere = saved.next.map((to, node) => (saved.asks[node] === 0xffff ? saved.from.length : to));
    for (const next of [back, nowhere, saved.next.slice(1)]) {
      expect(() => new Forest(schema, { ...saved, next })).toThrow(ModelRefused);
    }
    expect(() => new Forest(schema, { ...saved, roots: new Uint32Array(0) })).toThrow(ModelRefused);
    expect(() => new Forest(schema, { ...saved, asks: saved.asks.map((ask) => (ask === 0xffff ? ask : 500)) })).toThrow(
      ModelRefused,
    );
  });
});
