import type { DecidedEntry, OpenEntry } from '../core/entry.js';
import { type DecidedEvent, type PreparedEvent, toEventIn } from '../core/event.js';
import { msOf } from '../core/timestamp.js';
import type { FinishedContext, OpenContext } from '../ports/predictor.js';
import type { TransactionState } from './log.js';

type SeenEvent = OpenContext['events'][number];

/** An open transaction as a predictor sees it. */
export function openContext(entry: OpenEntry, { staged }: TransactionState, nowMs: number): OpenContext {
  const { id, streams, startedAtMs } = entry;
  return { id, streams, startedAtMs, nowMs, events: staged.map((event) => seenOf(event, startedAtMs)) };
}

/** A committed one. */
export function finishedContext({ id, at, startedAtMs, events }: DecidedEntry): FinishedContext {
  const endedAtMs = msOf(at);
  return { id, startedAtMs, endedAtMs, events: events.map((event) => seenOf(event, endedAtMs)) };
}

/** @param otherwiseMs when it was written, where nobody said so */
function seenOf(event: PreparedEvent & Pick<DecidedEvent, 'writtenAtMs'>, otherwiseMs: number): SeenEvent {
  const { stream, key, type, data, dataBase64, time } = toEventIn(event);
  return {
    ...{ stream, key, type },
    ...(data === undefined ? {} : { data }),
    ...(dataBase64 === undefined ? {} : { dataBase64 }),
    atMs: time === undefined ? (event.writtenAtMs ?? otherwiseMs) : Date.parse(time),
  };
}
