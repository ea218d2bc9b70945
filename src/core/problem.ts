import type { Problem } from './api.js';
import type { LockstepError } from './errors.js';

/** The RFC 9457 document of a refusal; its extras never replace the standard members. */
export function problemOf(error: LockstepError): Problem {
  return {
    ...error.extras,
    type: `urn:lockstep:problem:${error.code}`,
    title: error.title,
    status: error.status,
    detail: error.message,
    code: error.code,
    retryable: error.retryable,
  };
}
