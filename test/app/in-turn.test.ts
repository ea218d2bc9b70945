import { inTurn } from '../../src/app/in-turn.js';

describe('inTurn', () => {
  const works = (...outcomes: readonly (Error | undefined)[]) => {
    const begun: number[] = [];
    const all = outcomes.map((outcome, index) => async () => {
      begun.push(index);
      if (outcome) throw outcome;
    });
    return { begun, all };
  };

  it('does all of it in order, whatever fails, and then throws what failed first', async () => {
    const first = new Error('first');
    const { begun, all } = works(undefined, first, undefined, new Error('second'), undefined);
    await expect(inTurn(...all)).rejects.toBe(first);
    expect(begun).toEqual([0, 1, 2, 3, 4]);
  });

  it('ends when nothing fails', async () => {
    const { begun, all } = works(undefined, undefined);
    await inTurn(...all);
    expect(begun).toEqual([0, 1]);
  });
});
