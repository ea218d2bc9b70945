import { Forecaster } from '../core/prediction/forecaster.js';
import type { Predictor } from '../ports/predictor.js';

export interface OwnPredictorOptions {
  /** @default one that has learned nothing yet */
  readonly forecaster?: Forecaster;
  /** So many events ahead, 0 to 32. @default 3 */
  readonly steps?: number;
}

/** A predictor in this process, that learns from what is committed. */
export function ownPredictor({ forecaster = new Forecaster(), steps }: OwnPredictorOptions = {}): Predictor {
  return {
    predict: async (contexts) => contexts.map((context) => forecaster.foresee(context, steps)),
    learn: async (finished) => {
      for (const each of finished) forecaster.learn(each);
    },
    describe: async () => forecaster.describe(),
  };
}
