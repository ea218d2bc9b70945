import { predictorsInTurn } from '../../src/app/predictors-in-turn.js';
import type { ForeseenEvent, Predictor } from '../../src/ports/predictor.js';

const wish = (type: string): ForeseenEvent => ({ stream: 's', key: 'k', type, data: 1, step: 1, probability: 0.5 });
const context = (id: string) => ({ id, streams: ['s'], startedAtMs: 0, nowMs: 0, events: [] });

function knowing(name: string, known: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const taught: string[] = [];
  const predictor: Predictor = {
    predict: async (contexts) => {
      asked.push(...contexts.map(({ id }) => id));
      return contexts.map(({ id }) => (known[id] === undefined ? [] : [wish(known[id])]));
    },
    learn: async (finished) => void taught.push(...finished.map(({ id }) => id)),
    describe: async () => ({ version: name, metrics: { [name]: asked.length, both: name.length } }),
  };
  return { predictor, asked, taught };
}

describe('two predictors in turn', () => {
  test('the second is asked of that alone of which the first has nothing to say', async () => {
    const first = knowing('first', { b: 'of the first' });
    const second = knowing('second', { a: 'of the second', b: 'never', d: 'of the second' });
    const both = predictorsInTurn(first.predictor, second.predictor);
    const answers = await both.predict(['a', 'b', 'c', 'd'].map(context));
    expect(answers.map((list) => list.map(({ type }) => type))).toEqual([
      ['of the second'],
      ['of the first'],
      [],
      ['of the second'],
    ]);
    expect([first.asked, second.asked]).toEqual([
      ['a', 'b', 'c', 'd'],
      ['a', 'c', 'd'],
    ]);
  });

  test('both learn, and the first gives its name', async () => {
    const [first, second] = [knowing('first', {}), knowing('second', {})];
    const both = predictorsInTurn(first.predictor, second.predictor);
    await both.learn([{ id: 'x', startedAtMs: 0, endedAtMs: 1, events: [] }]);
    expect([first.taught, second.taught]).toEqual([['x'], ['x']]);
    expect(await both.describe()).toEqual({ version: 'first', metrics: { first: 0, second: 0, both: 5 } });
  });
});
