import type { Clock } from '../../../src/ports/environment.js';
import type { OpenContext, Predictor } from '../../../src/ports/predictor.js';

/** Predictors as bad as they come: none of them may cost a client anything. */
export const FAILING = ['wrong', 'slow', 'dead'] as const;
type Failing = (typeof FAILING)[number];

const SLOW_MS = 10_000;

export const failing =
  (how: Failing) =>
  (clock: Clock): Predictor => {
    const describe = async () => ({ version: how, metrics: {} });
    const nothing = async () => undefined;
    const lists = (contexts: readonly OpenContext[]) => contexts.map(nonsense);
    if (how === 'wrong') return { predict: async (contexts) => lists(contexts), learn: nothing, describe };
    const fail = async (): Promise<never> => {
      if (how === 'slow') await clock.sleep(SLOW_MS);
      throw new Error(`a predictor that is ${how}`);
    };
    return { predict: fail, learn: fail, describe: fail };
  };

/** As sure as can be of what nobody writes. */
const nonsense = ({ streams: [stream = ''], events }: OpenContext) =>
  [1, 2, 3].map((step) => ({
    ...{ stream, key: 'nobody', type: 'nothing', step, probability: 1 },
    data: { never: events.length + step },
  }));
