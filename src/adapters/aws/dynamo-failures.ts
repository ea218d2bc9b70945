import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { PortThrottled, PortUnavailable } from '../../ports/failures.js';
import { ConditionFailed, WriteConflict } from '../../ports/tables.js';
import { decodeItem } from './dynamo-items.js';
import { isNamed, portError } from './failures.js';

/** Worth another attempt although the service refused: nothing was written, for now. */
export function isPassing(refusal: Error): boolean {
  return refusal instanceof WriteConflict || refusal instanceof PortThrottled || refusal instanceof PortUnavailable;
}

/** What an error of a write means to the port. */
export function refusalOf(error: unknown, what = 'the table'): Error {
  if (error instanceof TransactionCanceledException) return cancellation(error);
  if (isNamed(error, 'TransactionConflictException')) return new WriteConflict(error.message, { cause: error });
  if (isNamed(error, 'TransactionInProgressException')) return new PortUnavailable(error.message, { cause: error });
  return portError(error, what);
}

const THROTTLE_REASONS: ReadonlySet<string> = new Set(['ThrottlingError', 'ProvisionedThroughputExceeded']);

function cancellation(error: TransactionCanceledException): Error {
  const reasons = error.CancellationReasons ?? [];
  const codes = reasons.map(({ Code }) => Code ?? 'None');
  // A condition that does not hold says more than a conflict beside it.
  const failed = new Map(
    reasons.flatMap(({ Code, Item: attributes }, index) =>
      Code === 'ConditionalCheckFailed' ? [[index, attributes && decodeItem(attributes)] as const] : [],
    ),
  );
  if (failed.size > 0) return new ConditionFailed(failed);
  if (codes.includes('TransactionConflict')) return new WriteConflict(error.message, { cause: error });
  if (codes.some((code) => THROTTLE_REASONS.has(code))) return new PortThrottled(error.message, { cause: error });
  const details = reasons.flatMap(({ Code, Message }) => (Code === 'None' ? [] : `${Code}: ${Message ?? ''}`));
  return new Error(`the table refuses the transaction: ${details.join('; ')}`, { cause: error });
}

export function unknownOutcome(what: string, cause: unknown): PortUnavailable {
  return cause instanceof PortUnavailable
    ? cause
    : new PortUnavailable(`${what}: an attempt of unknown outcome went before`, { cause });
}
