/** What a predictor behind HTTP is asked and answers: `POST /invocations`, JSON. docs/PREDICTION.md tells it to users. */
import * as z from 'zod/mini';
import { STREAM_NAME } from '../ids.js';
import type { FinishedContext, ForeseenEvent, OpenContext } from './context.js';

/** In one request. */
export const MAX_CONTEXTS = 256;
const MAX_EVENTS = 500;
const MAX_CANDIDATES = 64;
const MAX_KEY_CHARACTERS = 256;

export interface InvocationRequest {
  /** Open transactions of which the next events are wanted. */
  readonly contexts: readonly OpenContext[];
  /** Committed ones to learn from. Whoever does not learn while it serves ignores them. */
  readonly finished?: readonly FinishedContext[];
}

interface InvocationAnswer {
  /** For each context, in the same order: candidates, the most probable first. */
  readonly candidates: readonly (readonly ForeseenEvent[])[];
  /** Names the model that answered. */
  readonly version?: string;
}

const name = (max: number) => z.string().check(z.minLength(1), z.maxLength(max));
const time = z.number();
const payload = { data: z.optional(z.unknown()), dataBase64: z.optional(z.string()) };

const seenEvent = z.object({ stream: z.string(), key: z.string(), type: z.string(), ...payload, atMs: time });
const events = z.array(seenEvent).check(z.maxLength(MAX_EVENTS));
const openContext = z.object({
  id: name(MAX_KEY_CHARACTERS),
  streams: z.array(z.string()),
  startedAtMs: time,
  nowMs: time,
  events,
});
const finishedContext = z.object({ id: name(MAX_KEY_CHARACTERS), startedAtMs: time, endedAtMs: time, events });

const request = z.strictObject({
  contexts: z.array(openContext).check(z.maxLength(MAX_CONTEXTS)),
  finished: z.optional(z.array(finishedContext).check(z.maxLength(MAX_CONTEXTS))),
});

const candidate = z.object({
  stream: z.string().check(z.regex(STREAM_NAME)),
  key: name(MAX_KEY_CHARACTERS),
  type: z.string(),
  ...payload,
  step: z.int().check(z.minimum(1), z.maximum(MAX_EVENTS)),
  probability: z.number().check(z.minimum(0), z.maximum(1)),
  expectedInMs: z.optional(z.number().check(z.minimum(0))),
});

/** @returns what is wrong with it where it is none */
export function parseInvocation(body: unknown): InvocationRequest | string {
  const parsed = request.safeParse(body);
  if (parsed.success) return parsed.data as InvocationRequest;
  const [issue] = parsed.error.issues;
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'wrong'}`;
}

/** One line of training data. @returns undefined where it is none */
export function parseFinished(line: unknown): FinishedContext | undefined {
  const parsed = finishedContext.safeParse(line);
  return parsed.success ? (parsed.data as FinishedContext) : undefined;
}

/**
 * What an answer is good for: a predictor may say anything.
 *
 * @param asked how many contexts were asked about
 * @returns the candidates that are well formed and how many were not; undefined where the answer as a whole is not
 */
export function parseAnswer(
  body: unknown,
  asked: number,
): (InvocationAnswer & { readonly dropped: number }) | undefined {
  const { candidates, version } = (body ?? {}) as { readonly candidates?: unknown; readonly version?: unknown };
  if (!Array.isArray(candidates) || candidates.length !== asked || !candidates.every(Array.isArray)) return undefined;
  let dropped = 0;
  const lists = (candidates as unknown[][]).map((list) => {
    const good = list.slice(0, MAX_CANDIDATES).filter(isCandidate);
    dropped += list.length - good.length;
    return good;
  });
  return { candidates: lists, dropped, ...(typeof version === 'string' ? { version } : {}) };
}

/** With exactly one of the two kinds of payload, as an event has it. */
function isCandidate(each: unknown): each is ForeseenEvent {
  if (!candidate.safeParse(each).success) return false;
  const { data, dataBase64 } = each as ForeseenEvent;
  return (data === undefined) !== (dataBase64 === undefined);
}
