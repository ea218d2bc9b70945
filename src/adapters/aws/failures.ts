import { PortThrottled, PortUnavailable } from '../../ports/failures.js';

/**
 * What an error of the SDK means: nothing was done for load (`throttled`), nobody knows what was done (`unknown`), the
 * service refuses what was asked (`refused`).
 */
export type Failure = 'throttled' | 'unknown' | 'refused';

const THROTTLED: ReadonlySet<string> = new Set([
  'ExecutionLimitExceeded',
  'KMSThrottlingException',
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottledException',
  'SubscriberLimitExceeded',
  'Throttling',
  'ThrottlingError',
  'ThrottlingException',
  'TooManyRequestsException',
]);

/** Refusals that say nothing of the request, but that this site's service cannot be used. */
const NOT_WORKING: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'ExpiredTokenException',
  'IncompleteSignatureException',
  'InvalidSignatureException',
  'RequestExpired',
  'ResourceNotFoundException',
  'StateMachineDeleting',
  'StateMachineDoesNotExist',
  'TableNotFoundException',
  'UnrecognizedClientException',
]);

interface SdkError {
  readonly name?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Whether the error has one of these names: those of the service's model. */
export function isNamed(error: unknown, ...names: readonly string[]): error is Error {
  return error instanceof Error && names.includes(error.name);
}

export function failureOf(error: unknown): Failure {
  const { name, $metadata } = (typeof error === 'object' ? (error ?? {}) : {}) as SdkError;
  if (typeof name === 'string' && THROTTLED.has(name)) return 'throttled';
  if (typeof name === 'string' && NOT_WORKING.has(name)) return 'unknown';
  const status = $metadata?.httpStatusCode;
  if (status === 429) return 'throttled';
  // Without a status there was no answer: refused connection, reset, time-out.
  return status !== undefined && status >= 400 && status < 500 ? 'refused' : 'unknown';
}

/** The error as ports tell it. What the service refused is a mistake of the caller and stays as it is. */
export function portError(error: unknown, what: string): Error {
  if (error instanceof PortThrottled || error instanceof PortUnavailable) return error;
  const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const failure = failureOf(error);
  if (failure === 'throttled') return new PortThrottled(`${what} is throttled: ${why}`, { cause: error });
  if (failure === 'unknown') return new PortUnavailable(`${what} does not answer: ${why}`, { cause: error });
  return error instanceof Error ? error : new Error(why);
}
