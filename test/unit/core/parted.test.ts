import { type Term, missedFrom, partedAt, stillClosed } from '../../../src/core/route.js';
import { timestamp } from '../../../src/core/timestamp.js';

/** A term, and for an unclean one what its home knew: the term of it, and the clock. Each has a home of its own. */
const term = (number: number, knownUpTo?: readonly [number, number], home = `home of ${number}`): Term => ({
  term: number,
  home,
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
    const missed = (terms: readonly Term[]) => terms.map(({ term: earlier }) => missedFrom(terms, earlier));
    const [none, parted] = [undefined, timestamp(1, 50)];
    // Term 4 knows of term 2, not of term 3.
    expect(missed([term(1), term(2), term(3, [1, 50]), term(4, [2, 90])])).toEqual([none, none, parted, none]);
    expect(missed([term(1), term(2, [1, 50]), term(3), term(4, [3, 90])])).toEqual([none, none, none, none]);
    // A clean takeover has left something of term 1, which the home of that term may bring back.
    expect(missed([term(1), term(2), term(3, [1, 50])])).toEqual([none, parted, none]);
    // Nothing was closed at the forced home since, and it was home.
    expect(missed([term(1), term(2, [1, 50], 'west'), term(3, [1, 50], 'west')])).toEqual([none, none, none]);
    expect(missed([term(1), term(2, [0, 0])])).toEqual([none, none]);
  });
});
