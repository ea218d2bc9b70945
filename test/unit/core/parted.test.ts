import { type Term, missedFrom, partedAt, stillClosed } from '../../../src/core/route.js';
import { timestamp } from '../../../src/core/timestamp.js';

/** A term, and for an unclean one what its home knew: the term of it, and the clock. */
const term = (number: number, knownUpTo?: readonly [number, number]): Term => ({
  term: number,
  home: 'east',
  startedAtMs: number,
  ...(knownUpTo ? { unclean: true, knownUpTo: timestamp(...knownUpTo) } : {}),
});

describe('where histories part', () => {
  it('nowhere without an unclean takeover since', () => {
    expect(partedAt([term(1), term(2), term(3)], 1)).toBeUndefined();
    expect(partedAt([term(1), term(2, [1, 50]), term(3)], 2)).toBeUndefined();
    expect(stillClosed([term(1), term(2, [1, 50]), term(3)], timestamp(2, 7))).toBe(timestamp(2, 7));
  });

  it('where the new home knew no more', () => {
    const terms = [term(1), term(2), term(3, [1, 50])];
    expect(partedAt(terms, 2)).toBe(timestamp(1, 50));
    expect(stillClosed(terms, timestamp(2, 7))).toBe(timestamp(1, 50));
    expect(stillClosed(terms, timestamp(1, 40))).toBe(timestamp(1, 40));
  });

  it('also at those between, where the newest home goes on from a history before them', () => {
    // Term 4 knows of term 2, not of term 3, which had parted from term 2 earlier.
    const terms = [term(1), term(2), term(3, [1, 50]), term(4, [2, 90])];
    expect(stillClosed(terms, timestamp(3, 10))).toBe(timestamp(1, 50));
    // Of term 2 it is said too early rather than too late.
    expect(stillClosed(terms, timestamp(2, 95))).toBe(timestamp(1, 50));
  });

  it('not at those that both have in common', () => {
    const terms = [term(1), term(2, [1, 50]), term(3), term(4, [3, 90])];
    expect(stillClosed(terms, timestamp(3, 95))).toBe(timestamp(3, 90));
  });

  it('is missed only by who stood in a history that the newest one does not go on from', () => {
    const skipped = [term(1), term(2), term(3, [1, 50]), term(4, [2, 90])];
    expect(missedFrom(skipped, 3)).toBe(timestamp(1, 50));
    expect([1, 2, 4].map((earlier) => missedFrom(skipped, earlier))).toEqual([undefined, undefined, undefined]);
    const inTurn = [term(1), term(2, [1, 50]), term(3), term(4, [3, 90])];
    expect([1, 2, 3, 4].map((earlier) => missedFrom(inTurn, earlier))).toEqual(inTurn.map(() => undefined));
  });
});
