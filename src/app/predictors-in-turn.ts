import type { Predictor } from '../ports/predictor.js';

/**
 * Two predictors as one: of each transaction of which the first has nothing to say, the second is asked. So it does not
 * matter whether the first is away, not trained yet, or has not seen anything like it. Both learn.
 */
export function predictorsInTurn(first: Predictor, second: Predictor): Predictor {
  return {
    async predict(contexts) {
      const answers = await first.predict(contexts);
      const left = contexts.filter((_, index) => answers[index]?.length === 0);
      const further = left.length === 0 ? [] : await second.predict(left);
      let taken = 0;
      return answers.map((answer) => (answer.length > 0 ? answer : (further[taken++] ?? [])));
    },
    async learn(finished) {
      await Promise.all([first.learn(finished), second.learn(finished)]);
    },
    async describe() {
      const [described, behind] = await Promise.all([first.describe(), second.describe()]);
      return { ...behind, ...described, metrics: { ...behind.metrics, ...described.metrics } };
    },
  };
}
