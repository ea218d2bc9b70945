import type { Problem } from '../../src/core/api.js';
import { isLockstepError } from '../../src/core/errors.js';
import { problemOf } from '../../src/core/problem.js';
import { codeOf, messageOf } from '../errors.js';
import type { Io } from './terminal.js';
import { plain } from './text.js';

/** What to do about errors that come from the machine rather than from Lockstep. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free some space, or choose another directory with --data',
  EDQUOT: 'the disk quota is used up: free some space, or choose another directory with --data',
  EROFS: 'the disk is read-only: choose another directory with --data',
  EACCES: 'no right to do that',
  ENOENT: 'no such file or directory',
  EISDIR: 'that is a directory',
};

const UNREACHABLE = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EHOSTUNREACH', 'ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT'];

/** Tells an error on stderr: one line for a person, the problem document for a program. */
export function reportError(
  error: unknown,
  session: { readonly io: Io; readonly json: boolean; readonly endpoints: readonly string[] },
): void {
  const problem = describeError(error, session.endpoints);
  const line = session.json ? JSON.stringify(problem) : `lockstep: ${problem.code}: ${plain(problem.detail)}`;
  session.io.stderr.write(`${line}\n`);
}

/** The RFC 9457 form of any error, with the code of the contract where it has one. */
function describeError(error: unknown, endpoints: readonly string[]): Problem {
  const code = causes(error)
    .map(codeOf)
    .findLast((each) => each !== undefined);
  const bare = { type: 'about:blank', title: 'The command failed', status: 0, retryable: false };
  if (code !== undefined && UNREACHABLE.includes(code)) {
    const where = endpoints.join(', ');
    const detail = `nothing answers at ${where}: start \`lockstep serve\` there, or name another with --endpoint`;
    return { ...bare, code: 'Unreachable', detail, retryable: true };
  }
  if (isLockstepError(error)) return problemOf(error);
  if (isDiskFull(error, code)) return { ...bare, code: 'ENOSPC', detail: withAdvice(error, 'ENOSPC') };
  // An error of our own says what to do; one of the system does not.
  const own = codeOf(error) ?? nameOf(error);
  return { ...bare, code: own, detail: withAdvice(error, own) };
}

function withAdvice(error: unknown, code: string): string {
  const advice = ADVICE[code];
  return advice === undefined ? messageOf(error) : `${messageOf(error)}: ${advice}`;
}

/** The storage library tells this by its message alone. */
function isDiskFull(error: unknown, code: string | undefined): boolean {
  return code === 'ENOSPC' || /no space left on device/i.test(causes(error).map(messageOf).join('\n'));
}

function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let next = error; next !== undefined && chain.length < 5; next = (next as { cause?: unknown }).cause) {
    chain.push(next);
    if (typeof next !== 'object' || next === null) break;
  }
  return chain;
}

function nameOf(error: unknown): string {
  return error instanceof Error && error.name !== 'Error' ? error.name : 'Failed';
}
