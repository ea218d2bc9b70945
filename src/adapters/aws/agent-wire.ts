import { gunzipSync, gzipSync } from 'node:zlib';
import { LockstepError, type ProblemCode, PROBLEMS, SiteUnavailable } from '../../core/errors.js';
import { PortFull, PortThrottled, PortUnavailable } from '../../ports/failures.js';
import { HomeFails, NotHomeAnyMore } from '../../ports/signals.js';
import { ConditionFailed, WriteConflict } from '../../ports/tables.js';

/**
 * What two sites say to each other, as the JSON of a Lambda invocation: values as they were, and errors as what they are.
 * Long texts are packed: that halves them, and keeps one whole transaction below what an invocation takes.
 */

/** A value; one that is long as the gzipped text of its JSON, in base64. */
export type Wire = { readonly plain: unknown } | { readonly gzip: string };

export interface WireRequest {
  readonly method: string;
  readonly request?: Wire;
}

export type WireAnswer = { readonly answer: Wire } | { readonly error: WireError };

export interface WireError {
  readonly kind: string;
  readonly message: string;
  readonly code?: ProblemCode;
  readonly extras?: Wire;
}

/** An invocation takes 6 MB, and so does its answer; the rest is left to the names around the value. */
const MAX_WIRE_BYTES = 6 * 1024 * 1024 - 64 * 1024;
/** Shorter texts are not worth the time that packing takes. */
const PACK_BYTES = 128 * 1024;
/** What a packed text may grow to: more than any request or answer has. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

/** Marks what JSON has no word for, and objects that happen to have a member of this name. */
const MARK = '~';

/** @throws PortUnavailable where the value is too long for one call */
export function toWire(value: unknown): Wire {
  const plain = marked(value);
  const text = JSON.stringify(plain);
  if (text.length < PACK_BYTES) return { plain };
  const gzip = gzipSync(text, { level: 1 }).toString('base64');
  if (gzip.length > MAX_WIRE_BYTES) {
    throw new PortUnavailable(`${gzip.length} bytes do not fit one call between sites, at most ${MAX_WIRE_BYTES}`);
  }
  return { gzip };
}

export function fromWire(wire: Wire): unknown {
  if ('plain' in wire) return unmarked(wire.plain);
  const text = gunzipSync(Buffer.from(wire.gzip, 'base64'), { maxOutputLength: MAX_UNPACKED_BYTES }).toString();
  return unmarked(JSON.parse(text));
}

/** Members without a value are left out, as JSON does; in a list each keeps its place. */
function marked(value: unknown): unknown {
  if (value === undefined) return { [MARK]: 'undefined' };
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return Array.from(value, marked);
  const copy = Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (member === undefined ? [] : [[name, marked(member)] as const])),
  );
  return Object.hasOwn(copy, MARK) ? { [MARK]: 'object', of: copy } : copy;
}

function unmarked(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(unmarked);
  const mark = Object.hasOwn(value, MARK) ? (value as Record<string, unknown>)[MARK] : undefined;
  if (mark === 'undefined') return undefined;
  const of = mark === 'object' ? (value as { readonly of: object }).of : value;
  return Object.fromEntries(Object.entries(of).map(([name, member]) => [name, unmarked(member)]));
}

// ------------------------------------------------------------------------------------------------------------- errors

/** Each of them means something to the caller, who asks with `instanceof`. */
const KINDS = {
  PortUnavailable,
  PortThrottled,
  PortFull,
  WriteConflict,
  NotHomeAnyMore,
  HomeFails,
} as const;

export function toWireError(error: unknown): WireError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof LockstepError) {
    const kind = error instanceof SiteUnavailable ? 'SiteUnavailable' : 'LockstepError';
    return { kind, message, code: error.code, extras: toWire(error.extras) };
  }
  if (error instanceof ConditionFailed) return { kind: 'ConditionFailed', message };
  const known = Object.entries(KINDS).find(([, type]) => error instanceof type);
  return { kind: known?.[0] ?? 'Error', message };
}

/** A mistake over there stays a plain Error: it says nothing of whether that site works. */
export function fromWireError({ kind, message, code, extras }: WireError): Error {
  if (kind === 'SiteUnavailable') return new SiteUnavailable(message);
  if (kind === 'LockstepError' && code !== undefined && Object.hasOwn(PROBLEMS, code)) {
    return new LockstepError(code, message, extras ? (fromWire(extras) as Record<string, unknown>) : {});
  }
  // Which conditions, is that site's own matter.
  if (kind === 'ConditionFailed') return new ConditionFailed(new Map());
  if (Object.hasOwn(KINDS, kind)) return new KINDS[kind as keyof typeof KINDS](message);
  return new Error(message);
}
