import type { Json } from '../api.js';

/** An event of a transaction as its client wrote it. Exactly one of `data` and `dataBase64`. */
export interface SeenEvent {
  readonly stream: string;
  readonly key: string;
  readonly type: string;
  readonly data?: Json;
  readonly dataBase64?: string;
  /** When it was written, or, where the client said so, when it happened: milliseconds since 1970. */
  readonly atMs: number;
}

/** What is known of a transaction that is still open. */
export interface OpenContext {
  readonly id: string;
  /** The streams that begin named: nothing else can follow. */
  readonly streams: readonly string[];
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** Written so far, by number. */
  readonly events: readonly SeenEvent[];
}

/** A transaction that was committed, with all of its events: what the predictor learns from. */
export interface FinishedContext {
  readonly id: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly events: readonly SeenEvent[];
}

/** An event that an open transaction will probably contain. */
export interface ForeseenEvent {
  readonly stream: string;
  readonly key: string;
  readonly type: string;
  readonly data?: Json;
  readonly dataBase64?: string;
  /** 1: the next one, 2: the one after it, … */
  readonly step: number;
  /** A calibrated lower bound of the probability that the client writes exactly this, payload included: 0 to 1. */
  readonly probability: number;
  /** The median time from now until it is written, milliseconds. */
  readonly expectedInMs?: number;
}

/** Which model answers. */
export interface PredictorDescription {
  readonly version: string;
  /** Of its last evaluation or of what it has seen since: name and value. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What it was trained on; absent while it has learned nothing. */
  readonly trainingWindow?: { readonly from: string; readonly to: string };
}
