import { Forecaster } from '../core/prediction/forecaster.js';
import type { Predictor } from '../ports/predictor.js';

/** A predictor in this process. It begins with nothing and learns from what is committed. */
export function ownPredictor(forecaster: Forecaster = new Forecaster()): Predictor {
  return {
    predict: async (contexts) => contexts.map((context) => forecaster.foresee(context)),
    learn: async (finished) => {
      for (const each of finished) forecaster.learn(each);
    },
    describe: async () => forecaster.describe(),
  };
}
