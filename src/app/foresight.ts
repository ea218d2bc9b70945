import type {
  FinishedContext,
  ForeseenEvent,
  OpenContext,
  Predictor,
  PredictorDescription,
} from '../ports/predictor.js';
import type { Site } from './site.js';

/** Under this name its health is kept. */
const PREDICTOR = 'predictor';
/** Questions that it has not answered, in time or ever: it is asked no more until it does. */
const MAX_UNANSWERED = 4;

/**
 * A predictor as one may rely on it: it answers in time, or it has nothing to say. Whatever it does otherwise (throw,
 * hang, answer something else) is counted by its breaker, and hurts nobody.
 */
export class Foresight {
  readonly #site: Site;
  readonly #predictor: Predictor;
  #unanswered = 0;

  constructor(site: Site, predictor: Predictor) {
    this.#site = site;
    this.#predictor = predictor;
  }

  /** A list for each context; empty lists where the predictor fails. */
  async predict(contexts: readonly OpenContext[]): Promise<readonly (readonly ForeseenEvent[])[]> {
    const lists = await this.#ask('predict', () => this.#predictor.predict(contexts), isListOfLists(contexts.length));
    return lists ?? contexts.map(() => []);
  }

  async learn(finished: readonly FinishedContext[]): Promise<void> {
    await this.#ask('learn', () => this.#predictor.learn(finished), isAnything);
  }

  describe(): Promise<PredictorDescription | undefined> {
    return this.#ask('describe', () => this.#predictor.describe(), isDescription);
  }

  async #ask<T>(what: string, ask: () => Promise<T>, isRight: (answer: unknown) => boolean): Promise<T | undefined> {
    const { clock, options } = this.#site;
    if (this.#unanswered >= MAX_UNANSWERED || !this.#site.admits(PREDICTOR)) return undefined;
    this.#unanswered += 1;
    const answered = (async () => ask())().finally(() => (this.#unanswered -= 1));
    const late = clock.sleep(options.predictionTimeoutMs).then(() => {
      throw new Error(`no answer within ${options.predictionTimeoutMs} ms`);
    });
    // Whichever comes second is nobody's business any more.
    for (const one of [answered, late]) one.catch(() => undefined);
    try {
      const answer = await Promise.race([answered, late]);
      if (!isRight(answer)) throw new Error('an answer of another shape');
      this.#site.observe(PREDICTOR, 'well');
      return answer;
    } catch (error) {
      this.#site.observe(PREDICTOR, 'failed');
      this.#site.note('predictor failed', { what, why: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }
}

const isAnything = (): boolean => true;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** What is in the lists is looked at one by one. */
const isListOfLists =
  (length: number) =>
  (answer: unknown): boolean =>
    Array.isArray(answer) &&
    answer.length === length &&
    answer.every((list: unknown) => Array.isArray(list) && list.every(isObject));

function isDescription(answer: unknown): boolean {
  if (!isObject(answer) || typeof answer['version'] !== 'string' || !isObject(answer['metrics'])) return false;
  const window = answer['trainingWindow'];
  const isTime = (time: unknown) => typeof time === 'string' && !Number.isNaN(Date.parse(time));
  return (
    Object.values(answer['metrics']).every((value) => Number.isFinite(value)) &&
    (window === undefined || (isObject(window) && isTime(window['from']) && isTime(window['to'])))
  );
}
