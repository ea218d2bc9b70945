import fc from 'fast-check';
import { mayBecome } from '../../../src/core/entry.js';
import { HEALTHY, admits, errorRate, observe } from '../../../src/core/health.js';
import { contains, evenRanges, hashOf, keyWithin } from '../../../src/core/hash-range.js';
import { generationOf, logicalNameOf, newId, physicalNameOf } from '../../../src/core/ids.js';
import { optionsSchema } from '../../../src/core/options.js';
import { clockOf, latest, msOf, termOf, tick, timestamp } from '../../../src/core/timestamp.js';

describe('commit timestamps', () => {
  const part = fc.record({ term: fc.nat(99_999_999), clock: fc.maxSafeNat() });

  it('compare as the pair (term, clock) does', () => {
    fc.assert(
      fc.property(part, part, (a, b) => {
        const pair = a.term - b.term || a.clock - b.clock;
        const [x, y] = [timestamp(a.term, a.clock), timestamp(b.term, b.clock)];
        expect(x < y ? -1 : x > y ? 1 : 0).toBe(Math.sign(pair));
        expect([termOf(x), clockOf(x)]).toEqual([a.term, a.clock]);
        expect(latest(x, y)).toBe(pair < 0 ? y : x);
      }),
    );
  });

  it('grow with every tick, and follow physical time where it moves on', () => {
    const nowMs = Date.UTC(2026, 0, 1);
    const first = tick(0, nowMs);
    expect(tick(first, nowMs)).toBe(first + 1);
    expect(tick(first, nowMs - 5000)).toBe(first + 1);
    expect(msOf(timestamp(1, tick(first, nowMs + 7)))).toBe(nowMs + 7);
  });
});

describe('the life cycle of a transaction', () => {
  it('leads to a decision from new and open, and from a decision nowhere', () => {
    const open = [{ attribute: 'status', is: '=', value: 'open' }];
    expect(mayBecome('committed')).toEqual(['absent', open]);
    expect(mayBecome('aborted')).toEqual(['absent', open]);
  });
});

describe('ids', () => {
  it('sort by time and hold enough randomness', () => {
    const random = Uint8Array.from({ length: 16 }, (_, index) => index * 7);
    expect(newId(1000, random) < newId(1001, random)).toBe(true);
    expect(newId(1000, random)).toMatch(/^[0-9A-Z]{26}$/);
  });

  it('name a replica so that its stream is found again, whatever it is called', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-zA-Z0-9_.-]{1,64}$/),
        fc.integer({ min: 1, max: 99 }),
        (stream, generation) => {
          const name = physicalNameOf('shop', 'east', stream, generation);
          expect(logicalNameOf('shop', 'east', name)).toBe(stream);
          expect(generationOf('shop', 'east', name)).toBe(generation);
        },
      ),
    );
  });
});

describe('hash ranges', () => {
  it('cover the whole space once', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 4, 16, 256), fc.string(), (count, key) => {
        expect(evenRanges(count).filter((range) => contains(range, hashOf(key)))).toHaveLength(1);
      }),
    );
  });

  it('have a key for a heartbeat each', () => {
    for (const range of evenRanges(16)) expect(contains(range, hashOf(keyWithin(range)))).toBe(true);
  });
});

describe('the breaker', () => {
  const settings = { failuresToOpen: 3, errorRateToOpen: 0.5, healthWindowMs: 10_000, halfOpenAfterMs: 500 };
  const after = (...ended: readonly ('well' | 'failed')[]) =>
    ended.reduce((health, one, index) => observe(health, one, 1000 + index, settings), HEALTHY);

  it('opens on failures in a row, not on fewer', () => {
    expect(after('failed', 'failed').state).toBe('closed');
    expect(after('failed', 'failed', 'well', 'failed', 'failed').state).toBe('closed');
    expect(after('failed', 'failed', 'failed').state).toBe('open');
  });

  it('opens on the rate of failures where none follow each other long enough', () => {
    const half = Array.from({ length: 39 }, (_, index) => (index % 2 === 0 ? 'failed' : 'well'));
    const states = half.map((_, index) => after(...half.slice(0, index + 1)).state);
    expect(states).toContain('open');
    const few = Array.from({ length: 400 }, (_, index) => (index % 100 === 0 ? 'failed' : 'well'));
    expect(after(...few).state).toBe('closed');
    expect(errorRate(after(...few))).toBeLessThan(0.02);
  });

  it('lets a probe through after a while, and closes on a good answer', () => {
    const open = after('failed', 'failed', 'failed');
    expect(admits(open, 1100, settings)).toBe(false);
    expect(admits(open, 1600, settings)).toBe(true);
    expect(observe(open, 'well', 1600, settings)).toMatchObject({ state: 'closed', failuresInARow: 0 });
    expect(observe(open, 'failed', 1600, settings).openedAtMs).toBe(1600);
  });
});

describe('options', () => {
  it('have defaults, and refuse what is unknown or out of bounds', () => {
    expect(optionsSchema.parse({})).toMatchObject({ guardCopies: 16, minInSync: 1, logRetentionMs: 86_400_000 });
    expect(() => optionsSchema.parse({ guards: 3 })).toThrow();
    expect(() => optionsSchema.parse({ guardCopies: 0 })).toThrow();
  });
});
