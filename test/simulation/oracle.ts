import type { EventIn } from '../../src/core/api.js';
import type { Clock } from '../../src/ports/environment.js';
import type { ForeseenEvent, OpenContext, Predictor } from '../../src/ports/predictor.js';
import { Dice } from './dice.js';
import type { History } from './history.js';

/** How a predictor may fail; each counts among the faults of a seed when it did. */
export const PREDICTION_FAULTS = [
  'prediction wrong',
  'predictor slow',
  'predictor down',
  'predictor silent',
  'predictor answers garbage',
] as const;

type PredictionFault = (typeof PREDICTION_FAULTS)[number];

export interface OracleOptions {
  readonly history: History;
  readonly clock: Clock;
  /** How long an answer may take, milliseconds. */
  readonly timeoutMs: number;
  readonly count: (fault: PredictionFault) => void;
}

/** Apart from what else chance decides in a seed. */
const SALT = 0x5eed;

/**
 * Foresees what clients will write, since it knows: and errs as often as the seed says. Some seeds have none, some one
 * that is nearly always right, some one that is nearly always wrong or away.
 */
export class Oracle {
  readonly #dice: Dice;
  readonly #options: OracleOptions;
  /** Whether this seed has one, how often it fails, and how often what it says is wrong. */
  readonly isThere: boolean;
  readonly #failing: number;
  readonly #wrong: number;
  /** Share of transactions whose events have ids of their own. */
  readonly #enveloped: number;

  constructor(seed: number, options: OracleOptions) {
    this.#dice = new Dice(seed + SALT);
    this.#options = options;
    this.isThere = this.#dice.chance(0.75);
    this.#failing = this.#dice.pick([0, 0.05, 0.5]);
    this.#wrong = this.#dice.pick([0, 0.1, 0.3, 0.9]);
    this.#enveloped = this.#dice.pick([0, 0.5, 1]);
  }

  /** For one process. */
  get predictor(): Predictor {
    return {
      predict: (contexts) => this.#predict(contexts),
      learn: async () => this.#maybeFail(),
      describe: async () => ({ version: 'oracle', metrics: {} }),
    };
  }

  /** As a client writes them that names its writes, or one that does not. */
  enveloped(events: readonly EventIn[]): readonly EventIn[] {
    if (!this.isThere || !this.#dice.chance(this.#enveloped)) return events;
    return events.map((event, n) => ({ ...event, id: `event-${n}` }));
  }

  async #predict(contexts: readonly OpenContext[]): Promise<readonly (readonly ForeseenEvent[])[]> {
    if (this.#dice.chance(this.#failing)) {
      if (this.#dice.chance(0.3)) {
        this.#options.count('predictor answers garbage');
        return [[{ stream: 'orders', probability: 2 }, null], 'nonsense'] as never;
      }
      await this.#maybeFail(1);
    }
    return contexts.map((context) => this.#coming(context));
  }

  #coming({ id, events }: OpenContext): readonly ForeseenEvent[] {
    const told = this.#options.history.told.get(id)?.events ?? [];
    return told.slice(events.length).map(({ stream, key, type, data = null }, index): ForeseenEvent => {
      const isWrong = this.#dice.chance(this.#wrong);
      if (isWrong) this.#options.count('prediction wrong');
      const probability = 0.6 + this.#dice.below(40) / 100;
      return {
        stream,
        key,
        type,
        data: isWrong ? `${id} foresees what nobody writes` : data,
        step: index + 1,
        probability,
      };
    });
  }

  async #maybeFail(probability = this.#failing): Promise<void> {
    if (!this.#dice.chance(probability)) return;
    const fault = this.#dice.pick(['predictor slow', 'predictor down', 'predictor silent'] as const);
    this.#options.count(fault);
    if (fault === 'predictor down') throw new Error('the predictor is down');
    if (fault === 'predictor silent') await new Promise<never>(() => undefined);
    await this.#options.clock.sleep(this.#options.timeoutMs * this.#dice.between(2, 20));
  }
}
