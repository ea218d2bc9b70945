/**
 * Every refusal a client can meet, as one typed hierarchy.
 *
 * A code is stable; `retryable` means that the identical request may succeed later; `detail` says what to do. The HTTP
 * layer turns these into RFC 9457 problem documents without knowing any of them by name.
 */

/** Stable codes with their HTTP status, whether the identical request may succeed later, and a short title. */
export const PROBLEMS = {
  InvalidRequest: { status: 400, retryable: false, title: 'The request is not valid' },
  InvalidCheckpoint: { status: 400, retryable: false, title: 'The checkpoint is not one of ours' },
  UnknownStream: { status: 404, retryable: false, title: 'No such stream' },
  UnknownTransaction: { status: 404, retryable: false, title: 'No such transaction' },
  NotFound: { status: 404, retryable: false, title: 'No such resource' },
  TransactionAborted: { status: 409, retryable: false, title: 'The transaction was aborted' },
  TransactionExpired: { status: 409, retryable: false, title: 'The transaction expired and was aborted' },
  TransactionCommitted: { status: 409, retryable: false, title: 'The transaction is committed already' },
  VersionConflict: { status: 409, retryable: false, title: 'The key has another version' },
  EventsMissing: { status: 409, retryable: false, title: 'Some events have to be sent again' },
  ConflictResolved: { status: 409, retryable: false, title: 'The conflict was resolved otherwise' },
  SiteNotInSync: { status: 409, retryable: true, title: 'The site is not in sync' },
  ReconciliationRunning: { status: 409, retryable: true, title: 'A reconciliation is running' },
  ReplicaBehind: { status: 409, retryable: true, title: 'No replica is level' },
  Gap: { status: 410, retryable: false, title: 'A part of this range is no longer kept' },
  EventTooLarge: { status: 413, retryable: false, title: 'The event is too large' },
  TransactionTooLarge: { status: 413, retryable: false, title: 'The transaction is too large' },
  NotHome: { status: 421, retryable: true, title: 'Another site is home' },
  IdempotencyMismatch: { status: 422, retryable: false, title: 'Same id, other content' },
  Throttled: { status: 429, retryable: true, title: 'Too many requests' },
  NotEnoughReplicas: { status: 503, retryable: true, title: 'Too few sites are in sync; nothing was decided' },
  Undetermined: { status: 503, retryable: true, title: 'Decided, not yet everywhere: ask again with the same id' },
  Unavailable: { status: 503, retryable: true, title: 'Not available right now' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** Members that a problem carries beside its code, e.g. `{missing: [2]}` for `EventsMissing`. */
export type ProblemExtras = Readonly<Record<string, unknown>>;

export class LockstepError extends Error {
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;

  /** @param detail one sentence that says what happened and what to do */
  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'LockstepError';
    this.code = code;
    this.extras = extras;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  get retryable(): boolean {
    return PROBLEMS[this.code].retryable;
  }

  get title(): string {
    return PROBLEMS[this.code].title;
  }
}

/** This site cannot answer, but another one may: whoever fronts several sites goes on to the next. */
export class SiteUnavailable extends LockstepError {
  constructor(detail: string, options?: ErrorOptions) {
    super('Unavailable', detail, {}, options);
  }
}

export function isLockstepError(error: unknown, ...codes: ProblemCode[]): error is LockstepError {
  return error instanceof LockstepError && (codes.length === 0 || codes.includes(error.code));
}
