import { admits, HEALTHY, type HealthSettings, observe } from '../core/health.js';
import { type InvocationRequest, MAX_CONTEXTS, parseAnswer } from '../core/prediction/contract.js';
import type { Clock } from '../ports/environment.js';
import type { ForeseenEvent, Invoke, Predictor } from '../ports/predictor.js';

export interface RemotePredictorOptions {
  /** When to stop asking, and when to try again. */
  readonly health?: HealthSettings;
  /** Whether committed transactions are sent for learning. Each instance of an endpoint learns by itself. @default false */
  readonly learns?: boolean;
}

const HEALTH: HealthSettings = {
  failuresToOpen: 3,
  errorRateToOpen: 0.5,
  healthWindowMs: 10_000,
  halfOpenAfterMs: 5_000,
};

/**
 * A predictor behind an endpoint that answers the contract of docs/PREDICTION.md. It never fails: whatever goes wrong is
 * counted, and nothing is foreseen.
 */
export function remotePredictor(
  invoke: Invoke,
  clock: Pick<Clock, 'now'>,
  { health = HEALTH, learns = false }: RemotePredictorOptions = {},
): Predictor {
  const counts = { asked: 0, answered: 0, failed: 0, garbage: 0, dropped: 0, skipped: 0 };
  let state = HEALTHY;
  let version = 'unknown';

  /** @returns undefined for no answer, or one that is of no use */
  async function ask(request: InvocationRequest): Promise<readonly (readonly ForeseenEvent[])[] | undefined> {
    if (!admits(state, clock.now(), health)) {
      counts.skipped += 1;
      return undefined;
    }
    counts.asked += 1;
    const body = await invoke(JSON.stringify(request)).catch(() => undefined);
    if (body === undefined) counts.failed += 1;
    const answer = body === undefined ? undefined : parseAnswer(jsonOf(body), request.contexts.length);
    if (body !== undefined && answer === undefined) counts.garbage += 1;
    state = observe(state, answer === undefined ? 'failed' : 'well', clock.now(), health);
    if (answer === undefined) return undefined;
    counts.answered += 1;
    counts.dropped += answer.dropped;
    version = answer.version ?? version;
    return answer.candidates;
  }

  return {
    predict: async (contexts) => {
      const slices = Array.from({ length: Math.ceil(contexts.length / MAX_CONTEXTS) }, (_, i) =>
        contexts.slice(i * MAX_CONTEXTS, (i + 1) * MAX_CONTEXTS),
      );
      const answers = await Promise.all(
        slices.map(async (slice) => (await ask({ contexts: slice })) ?? slice.map(() => [])),
      );
      return answers.flat();
    },
    learn: async (finished) => {
      for (let i = 0; learns && i < finished.length; i += MAX_CONTEXTS) {
        await ask({ contexts: [], finished: finished.slice(i, i + MAX_CONTEXTS) });
      }
    },
    describe: async () => ({ version, metrics: { ...counts } }),
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
