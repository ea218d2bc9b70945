/** Errors as RFC 9457 problem documents. */
import type { Problem } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import type { ProblemExtras } from '../core/errors.js';
import { problemOf } from '../core/problem.js';

export const PROBLEM_JSON = 'application/problem+json';
const RETRY_AFTER_SECONDS = 1;
const MAX_DETAIL_CHARS = 600;

/** Codes that only the HTTP layer knows. */
const HTTP_PROBLEMS = {
  MethodNotAllowed: { status: 405, retryable: false, title: 'This resource does not do that' },
  // What went wrong is not known, so the request may have had its effect: the same id tells.
  Internal: { status: 500, retryable: true, title: 'Something unexpected went wrong' },
} as const;

const shortened = (detail: string): string =>
  detail.length > MAX_DETAIL_CHARS ? `${detail.slice(0, MAX_DETAIL_CHARS)}…` : detail;

/** @param extras further members; they never replace the standard ones */
function document(
  code: string,
  kind: { readonly status: number; readonly retryable: boolean; readonly title: string },
  detail: string,
  extras: ProblemExtras = {},
): Problem {
  return {
    ...extras,
    type: `urn:lockstep:problem:${code}`,
    title: kind.title,
    status: kind.status,
    detail: shortened(detail),
    code,
    retryable: kind.retryable,
  };
}

/**
 * The problem document of an error. Of an error that is not a `LockstepError` nothing is told: its message could hold
 * what a client sent.
 */
export function toProblem(error: unknown): Problem {
  if (error instanceof LockstepError) {
    const problem = problemOf(error);
    return { ...problem, detail: shortened(problem.detail) };
  }
  return document(
    'Internal',
    HTTP_PROBLEMS.Internal,
    'The request may or may not have had its effect. Send it again with the same id; if that does not help, see the server’s notes',
  );
}

export function methodNotAllowed(method: string, path: string, allow: string): Problem {
  const detail = `${method} ${path} is not possible; use ${allow}`;
  return document('MethodNotAllowed', HTTP_PROBLEMS.MethodNotAllowed, detail, { allow });
}

/** A problem as a response. `Throttled` says when to come back: `retryAfterMs` of its extras, else a second. */
export function problemResponse(problem: Problem, headers: Readonly<Record<string, string>> = {}): Response {
  const all: Record<string, string> = { 'content-type': PROBLEM_JSON, ...headers };
  if (problem.code === 'Throttled') all['retry-after'] = String(retryAfterSeconds(problem['retryAfterMs']));
  return new Response(JSON.stringify(problem), { status: problem.status, headers: all });
}

function retryAfterSeconds(ms: unknown): number {
  return typeof ms === 'number' && ms > 0 ? Math.ceil(ms / 1_000) : RETRY_AFTER_SECONDS;
}
