/** Problem documents, back to errors. */
import { LockstepError, PROBLEMS } from '../core/errors.js';
import type { ProblemCode } from '../core/errors.js';

const STANDARD = new Set(['type', 'title', 'status', 'detail', 'code', 'retryable']);

/**
 * The error that a problem document stands for. A code that this version does not know becomes the nearest one that it
 * does, with the code and status in its extras.
 *
 * @param retryAfter the header, in seconds; becomes `retryAfterMs` of the extras
 */
export function problemToError(problem: unknown, status: number, retryAfter: string | null = null): LockstepError {
  const members = typeof problem === 'object' && problem !== null ? (problem as Record<string, unknown>) : {};
  const extras: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(members)) if (!STANDARD.has(name)) extras[name] = value;
  if (retryAfter !== null && /^\d{1,5}$/.test(retryAfter)) extras['retryAfterMs'] = Number(retryAfter) * 1_000;
  const { code, detail } = members;
  const text = typeof detail === 'string' ? detail : `The server answered with status ${status}`;
  if (typeof code === 'string' && Object.hasOwn(PROBLEMS, code))
    return new LockstepError(code as ProblemCode, text, extras);
  return new LockstepError(nearest(status), text, { ...extras, status, ...(code !== undefined && { code }) });
}

function nearest(status: number): ProblemCode {
  if (status === 429) return 'Throttled';
  if (status >= 500 || status === 408) return 'Unavailable';
  return status === 404 ? 'NotFound' : 'InvalidRequest';
}
