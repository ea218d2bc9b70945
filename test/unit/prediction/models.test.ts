import fc from 'fast-check';
import { Calibration } from '../../../src/core/prediction/calibration.js';
import { DriftDetector } from '../../../src/core/prediction/drift.js';
import { Forecaster } from '../../../src/core/prediction/forecaster.js';
import { KneserNey } from '../../../src/core/prediction/kneser-ney.js';
import { Mixture } from '../../../src/core/prediction/mixture.js';
import { lowerBound } from '../../../src/core/prediction/numbers.js';
import { Pauses } from '../../../src/core/prediction/pauses.js';
import { seeded } from '../../../src/core/prediction/seeded.js';
import { similarity } from '../../../src/core/prediction/suffix.js';
import { MAX_SYMBOLS, Symbols } from '../../../src/core/prediction/symbols.js';
import { farReaching, made, outlook, trained } from './support.js';

const sum = (values: Float64Array, size: number): number =>
  values.subarray(0, size).reduce((all, each) => all + each, 0);

describe('Kneser–Ney', () => {
  const SIZE = 6;
  const chains = fc.array(
    fc.tuple(fc.nat(3), fc.nat(3), fc.nat(SIZE - 1), fc.double({ min: 0.5, max: 1, noNaN: true })),
  );

  it('gives probabilities that are positive and sum to one, whatever it has seen', () => {
    fc.assert(
      fc.property(chains, fc.nat(4), fc.nat(4), (seen, a, b) => {
        const model = new KneserNey();
        const chain = (x: number, y: number): Uint32Array => Uint32Array.of(x + 1, 1000 + x * 10 + y);
        for (const [x, y, symbol, keep] of seen) model.learn(chain(x, y), symbol, keep);
        const out = new Float64Array(MAX_SYMBOLS);
        model.predict(chain(a, b), out, SIZE);
        expect(sum(out, SIZE)).toBeCloseTo(1, 9);
        expect(Math.min(...out.subarray(0, SIZE))).toBeGreaterThan(0);
      }),
    );
  });

  it('counts for a shorter context in how many longer ones a symbol was seen, not how often', () => {
    const model = new KneserNey();
    // Symbol 2 comes often, after one thing only; symbol 3 as often as there are things before it.
    for (let i = 0; i < 50; i += 1) model.learn(Uint32Array.of(7, 100), 2, 1);
    for (let i = 0; i < 8; i += 1) model.learn(Uint32Array.of(7, 200 + i), 3, 1);
    const out = new Float64Array(MAX_SYMBOLS);
    model.predict(Uint32Array.of(7, 999), out, 4);
    expect(out[3]).toBeGreaterThan(out[2]!);
  });

  it('keeps what comes again, however much passes by', () => {
    const model = new KneserNey();
    for (let i = 0; i < 200_000; i += 1) {
      model.learn(Uint32Array.of(1, 1_000_000 + i), 4, 1);
      if (i % 100 === 0) model.learn(Uint32Array.of(1, 77), 5, 1);
    }
    const out = new Float64Array(MAX_SYMBOLS);
    model.predict(Uint32Array.of(1, 77), out, 6);
    expect(out[5]).toBeGreaterThan(0.9);
    expect(model.save().table.contexts.length).toBeLessThanOrEqual(65_536);
  });
});

describe('the mixture', () => {
  const good = Float64Array.of(0.9, 0.1);
  const bad = Float64Array.of(0.2, 0.8);
  const firstAfter = (mixture: Mixture, context: number): number => {
    const out = new Float64Array(2);
    mixture.mix(context, [good, bad], out, 2);
    expect(sum(out, 2)).toBeCloseTo(1, 12);
    return out[0]!;
  };

  it('follows the expert that is right, in each context by itself', () => {
    const mixture = new Mixture(2, 10);
    for (let i = 0; i < 50; i += 1) {
      mixture.learn(1, [good, bad], 0);
      mixture.learn(2, [good, bad], 1);
    }
    expect(firstAfter(mixture, 1)).toBeGreaterThan(0.88);
    expect(firstAfter(mixture, 2)).toBeLessThan(0.22);
  });

  it('lets one that was wrong for long come back soon, since a share is given out again', () => {
    const mixture = new Mixture(2, 10);
    for (let i = 0; i < 5000; i += 1) mixture.learn(1, [good, bad], 0);
    for (let i = 0; i < 30; i += 1) mixture.learn(1, [good, bad], 1);
    expect(firstAfter(mixture, 1)).toBeLessThan(0.25);
  });

  it('keeps weights for so many contexts and no more', () => {
    const mixture = new Mixture(2, 10);
    for (let context = 0; context < 1000; context += 1) mixture.learn(context, [good, bad], 0);
    expect(mixture.save().length).toBeLessThanOrEqual(11);
    expect(firstAfter(mixture, 5000)).toBeGreaterThan(0.85);
  });
});

describe('calibration', () => {
  it('learns what a confidence is worth, and gives a bound below it', () => {
    const calibration = new Calibration();
    const random = seeded(3);
    // Says 0.95 and is right in 7 of 10.
    for (let i = 0; i < 4000; i += 1) calibration.learn(0.95, random() < 0.7);
    expect(calibration.calibrated(0.975)).toBeCloseTo(0.7, 1);
    expect(calibration.lower(0.975)).toBeLessThan(calibration.calibrated(0.975));
    expect(calibration.lower(0.975)).toBeGreaterThan(0.6);
  });

  it('never thinks less of more confidence', () => {
    const outcomes = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()), { minLength: 64 });
    fc.assert(
      fc.property(outcomes, (all) => {
        const calibration = new Calibration();
        for (const [confidence, cameTrue] of all) calibration.learn(confidence, cameTrue);
        const worth = Array.from({ length: 101 }, (_, i) => calibration.calibrated(i / 100));
        expect(worth).toEqual([...worth].sort((a, b) => a - b));
      }),
    );
  });

  it('believes few trials little', () => {
    expect(lowerBound(0, 0)).toBe(0);
    expect(lowerBound(3, 3)).toBeLessThan(0.6);
    expect(lowerBound(300, 300)).toBeGreaterThan(0.98);
    expect(lowerBound(50, 100)).toBeLessThan(0.5);
  });
});

describe('drift', () => {
  it('is noticed soon after the loss rises, once, and not before', () => {
    const random = seeded(9);
    const detector = new DriftDetector();
    const noise = (level: number): number => level * -Math.log(1 - random());
    for (let i = 0; i < 5000; i += 1) expect(detector.observe(noise(0.5))).toBe(false);
    let noticed = 0;
    while (!detector.observe(noise(2))) noticed += 1;
    expect(noticed).toBeLessThan(60);
    expect(detector.alarms).toBe(1);
  });

  it('makes the forecaster follow what has changed', () => {
    const forecaster = new Forecaster();
    for (let n = 0; n < 400; n += 1) forecaster.learn(made(n, ['a', 'b', 'c']));
    expect(forecaster.sequence.drifts).toBe(0);
    for (let n = 0; n < 60; n += 1) forecaster.learn(made(n, ['a', 'c', 'b']));
    expect(forecaster.sequence.drifts).toBe(1);
    // 400 to 60, and yet.
    expect(outlook(forecaster, made(1, ['a']))('c')).toBeGreaterThan(0.6);
  });
});

describe('pauses', () => {
  const chain = Uint32Array.of(1, 2);

  it('are given as quantiles of the latest ones alike', () => {
    const pauses = new Pauses(100);
    expect(pauses.quantile(chain, 0.5)).toBeUndefined();
    for (let i = 0; i <= 100; i += 1) pauses.learn(chain, i);
    expect([0, 0.5, 0.9].map((quantile) => pauses.quantile(chain, quantile))).toEqual([0, 50, 90]);
    for (let i = 0; i < 512; i += 1) pauses.learn(chain, 7);
    expect(pauses.quantile(chain, 0.5)).toBe(7);
  });

  it('of few events alike are those of more events less alike', () => {
    const pauses = new Pauses(100);
    for (let i = 0; i < 50; i += 1) pauses.learn(Uint32Array.of(1, 3), 1000);
    pauses.learn(chain, 1);
    expect(pauses.quantile(chain, 0.5)).toBe(1000);
  });

  it('take clocks that ran backwards, and remember so many contexts', () => {
    const pauses = new Pauses(10);
    pauses.learn(Uint32Array.of(5), -100);
    pauses.learn(Uint32Array.of(5), Number.NaN);
    expect(pauses.quantile(Uint32Array.of(5), 0.5)).toBe(0);
    for (let i = 0; i < 1000; i += 1) pauses.learn(Uint32Array.of(i), i);
    expect(pauses.save().length).toBe(10);
  });
});

describe('symbols', () => {
  it('outlive a flood of 100,000 names that come once', () => {
    const symbols = new Symbols();
    for (let i = 0; i < 5; i += 1) symbols.learn({ stream: 'orders', type: 'placed' });
    const known = symbols.find({ stream: 'orders', type: 'placed' });
    for (let i = 0; i < 100_000; i += 1) symbols.learn({ stream: 'orders', type: `once-${i}` });
    expect(symbols.size).toBeLessThanOrEqual(MAX_SYMBOLS);
    expect(symbols.find({ stream: 'orders', type: 'placed' })).toBe(known);
    expect(symbols.kindOf(known)).toEqual({ stream: 'orders', type: 'placed' });
    // And something new gets in afterwards.
    symbols.learn({ stream: 'orders', type: 'new' });
    expect(symbols.kindOf(symbols.find({ stream: 'orders', type: 'new' }))).toEqual({ stream: 'orders', type: 'new' });
  });

  it('that a network was trained on are never given away', () => {
    const symbols = new Symbols();
    symbols.learn({ stream: 's', type: 'rare' });
    symbols.pin();
    for (let i = 0; i < 5000; i += 1) symbols.learn({ stream: 's', type: `once-${i}` });
    expect(symbols.kindOf(2)).toEqual({ stream: 's', type: 'rare' });
  });
});

describe('suffix similarity', () => {
  it('is one less the share of changed places; a swap is one change', () => {
    expect(similarity([], [])).toBe(1);
    expect(similarity([1, 2, 3], [1, 2, 3])).toBe(1);
    expect(similarity([1, 2, 3, 4], [1, 3, 2, 4])).toBe(0.75);
    expect(similarity([1, 2], [3, 4, 5, 6])).toBe(0);
    expect(similarity([1, 2, 3, 4], [1, 2, 4])).toBe(0.75);
  });
});

describe('a trained network', () => {
  const log = Array.from({ length: 300 }, (_, n) => farReaching(n));
  const ahead = (n: number) => {
    const whole = farReaching(n);
    return { seen: { ...whole, events: whole.events.slice(0, -1) }, last: whole.events.at(-1)!.type };
  };
  const meanOfTruth = (forecaster: Forecaster): number => {
    const said = Array.from({ length: 20 }, (_, i) => ahead(5000 + i)).map(({ seen, last }) =>
      outlook(forecaster, seen)(last),
    );
    return said.reduce((all, each) => all + each, 0) / said.length;
  };

  it('sees further back than what counts, and the mixture believes it', () => {
    const counting = meanOfTruth(trained(log, { networks: 0 }));
    const learned = meanOfTruth(trained(log, { networks: 1, hidden: 8, maxEpochs: 60 }));
    expect(counting).toBeLessThan(0.6);
    expect(learned).toBeGreaterThan(0.75);
  });

  it('looks at the fields of payloads that tell most', () => {
    const tells = (n: number) =>
      made(n, ['a', seeded(n)() < 0.5 ? 'x' : 'y'], () => ({ colour: seeded(n)() < 0.5 ? 'red' : 'blue', n }));
    const forecaster = trained(
      Array.from({ length: 300 }, (_, n) => tells(n)),
      { hidden: 8, maxEpochs: 20 },
    );
    expect(forecaster.sequence.networks?.schema.attributes).toEqual([
      { path: 'data/colour', values: expect.arrayContaining(['red', 'blue']) },
    ]);
    const whole = tells(999);
    expect(outlook(forecaster, { ...whole, events: whole.events.slice(0, 1) })(whole.events[1]!.type)).toBeGreaterThan(
      0.7,
    );
  });

  it('of logs with gaps, without events, or with one, is made all the same', () => {
    const odd = [
      ...Array.from({ length: 60 }, (_, n) => made(n, n % 3 === 0 ? [] : ['a'])),
      made(1, ['a', 'b']),
      { ...made(2, ['b', 'a']), startedAtMs: Number.NaN },
    ];
    const forecaster = trained(odd, { hidden: 4, maxEpochs: 2 });
    expect(outlook(forecaster, made(9, ['never seen']))('a')).toBeGreaterThan(0);
    expect(trained([made(1, ['a'])]).describe().metrics['steps']).toBe(2);
    expect(trained([]).describe().metrics).toEqual({});
  });
});
