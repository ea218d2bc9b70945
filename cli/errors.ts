/** What a person is told of an error: its message alone. Errors of other realms and thrown strings included. */
export function messageOf(error: unknown): string {
  return hasText(error, 'message') ? error.message : String(error);
}

/** The code of a system error (`ENOSPC`), if it has one. */
export function codeOf(error: unknown): string | undefined {
  return hasText(error, 'code') ? error.code : undefined;
}

function hasText<Name extends string>(error: unknown, name: Name): error is Readonly<Record<Name, string>> {
  return typeof error === 'object' && error !== null && name in error && typeof error[name as never] === 'string';
}
