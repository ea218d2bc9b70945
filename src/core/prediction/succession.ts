/** Which model serves next: the one in use, one that was just trained, or the one before. */
import * as z from 'zod/mini';
import type { FinishedContext } from './context.js';
import { evaluate } from './evaluation.js';
import { decodeModel } from './model-file.js';
import { ModelRefused } from './refused.js';

/** How a model did on later data than it was trained on. */
export interface Verdict {
  /** Nats per event. */
  readonly logLoss: number;
  readonly accuracy: number;
  /** How often, on these data, its loss rose for good. */
  readonly drifts: number;
}

/** What a training run left behind, judged; without a verdict it is no model. */
export interface Contender {
  readonly run: string;
  readonly verdict: Verdict | undefined;
}

export const SUCCESSIONS = ['first', 'promoted', 'rolled-back', 'kept', 'none'] as const;
export type Succession = (typeof SUCCESSIONS)[number];

/** A challenger has to be so much better: what is within the noise is not worth a change. */
const BETTER = 0.995;

/**
 * Judges a model as it would be used: it foresees, and learns from what ends.
 *
 * @param text as `encodeModel` wrote it @param later committed after everything that it was trained on
 * @returns undefined for what is no model of this version
 */
export function judgeModel(text: string, later: readonly FinishedContext[]): Verdict | undefined {
  const forecaster = decoded(text);
  if (forecaster === undefined) return undefined;
  const before = forecaster.sequence.drifts;
  const work = evaluate(forecaster, { train: [], test: later }, 'chronological', () => 0);
  for (;;) {
    const { done, value } = work.next();
    if (done !== true) continue;
    return { logLoss: value.logLoss, accuracy: value.accuracy, drifts: value.drifts - before };
  }
}

function decoded(text: string) {
  try {
    return decodeModel(text).forecaster;
  } catch (error) {
    if (error instanceof ModelRefused) return undefined;
    throw error;
  }
}

/**
 * The challenger comes after the champion only when it is better on later data; the one before comes back when the
 * champion has drifted there and is worse. Of two that might, the better one.
 *
 * @returns the run that is to serve; none where there is no model at all
 */
export function succeed(
  challenger: Contender | undefined,
  champion: Contender | undefined,
  previous: Contender | undefined,
): { readonly run?: string; readonly why: Succession } {
  const standing = champion?.verdict;
  if (champion === undefined || standing === undefined) {
    if (challenger?.verdict) return { run: challenger.run, why: champion ? 'promoted' : 'first' };
    return previous?.verdict ? { run: previous.run, why: 'rolled-back' } : { why: 'none' };
  }
  const wanted = [
    { contender: challenger, why: 'promoted' as const, below: standing.logLoss * BETTER },
    { contender: previous, why: 'rolled-back' as const, below: standing.drifts > 0 ? standing.logLoss * BETTER : 0 },
  ].flatMap(({ contender, why, below }) => {
    const loss = contender?.verdict?.logLoss ?? Infinity;
    return contender && loss < below ? [{ run: contender.run, why, loss }] : [];
  });
  const [best] = wanted.sort((a, b) => a.loss - b.loss);
  return best ? { run: best.run, why: best.why } : { run: champion.run, why: 'kept' };
}

const recordSchema = z.object({
  /** Everything up to here in the log was gathered. */
  gatheredTo: z.string(),
  /** What was gathered and is still kept, the oldest first. */
  windows: z.array(
    z.object({ run: z.string(), endedAtMs: z.number(), early: z.number(), late: z.number(), transactions: z.number() }),
  ),
  champion: z.optional(z.string()),
  previous: z.optional(z.string()),
});

/** What the runs of a site's training hand on to the next ones. */
export type TrainingRecord = z.infer<typeof recordSchema>;

export const NO_RECORD: TrainingRecord = { gatheredTo: '', windows: [] };

/** One that cannot be read is none: training then begins anew. */
export function parseRecord(text: string | undefined): TrainingRecord {
  try {
    return text === undefined ? NO_RECORD : recordSchema.parse(JSON.parse(text));
  } catch {
    return NO_RECORD;
  }
}

/** The record once this run serves. What was rolled back does not come again. */
export function servedNow(record: TrainingRecord, run: string, why: Succession): TrainingRecord {
  const { champion, previous: _previous, ...rest } = record;
  const previous = why === 'rolled-back' || champion === undefined ? {} : { previous: champion };
  return champion === run ? record : { ...rest, ...previous, champion: run };
}
