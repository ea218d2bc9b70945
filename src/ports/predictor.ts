import type { FinishedContext, ForeseenEvent, OpenContext, PredictorDescription } from '../core/prediction/context.js';

export type { FinishedContext, ForeseenEvent, OpenContext, PredictorDescription } from '../core/prediction/context.js';

/**
 * Foresees events. Nothing depends on its answers: it may be slow, wrong or away, and every caller bounds its time.
 */
export interface Predictor {
  /** A list for each context, the most probable first; empty where nothing is worth saying. */
  predict(contexts: readonly OpenContext[]): Promise<readonly (readonly ForeseenEvent[])[]>;

  /** Learns from transactions that were committed, in the order of their commits. */
  learn(finished: readonly FinishedContext[]): Promise<void>;

  describe(): Promise<PredictorDescription>;
}

/**
 * Sends a request of the contract in docs/PREDICTION.md to an endpoint, and answers what that answered: JSON both.
 *
 * @throws whatever kept it from a whole answer in time
 */
export type Invoke = (body: string) => Promise<string>;
