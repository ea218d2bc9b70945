/** From text to checked values: JSON, path parameters, query strings; all refusals are `LockstepError`s. */
import type * as z from 'zod';
import { LockstepError } from '../core/errors.js';

const MAX_ISSUES = 3;

type Issue = z.core.$ZodIssue;

/** @param where what is parsed, for the error's detail: `body`, `query` or `path` */
export function parse<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw refusal(result.error.issues, where);
}

/** JSON objects that came as bytes. Bytes that are no UTF-8 are refused rather than replaced: digests rest on them. */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new LockstepError('InvalidRequest', 'body: is not valid UTF-8', {}, { cause });
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which may be somebody's data.
    throw new LockstepError('InvalidRequest', 'body: is not valid JSON');
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The parameters of a URL's query string. Each may be given once. */
export function parseQuery<S extends z.ZodType>(schema: S, url: string): z.output<S> {
  const start = url.indexOf('?');
  const values: Record<string, string> = {};
  for (const pair of start < 0 ? [] : url.slice(start + 1).split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeQuery(equals < 0 ? pair : pair.slice(0, equals));
    if (Object.hasOwn(values, name)) throw new LockstepError('InvalidRequest', `query: ${name} is given twice`);
    // Not an assignment: `__proto__` has to become a member like any other, so that the schema can refuse it.
    Object.defineProperty(values, name, {
      value: equals < 0 ? '' : decodeQuery(pair.slice(equals + 1)),
      enumerable: true,
    });
  }
  return parse(schema, values, 'query');
}

function decodeQuery(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw new LockstepError('InvalidRequest', 'query: is not valid percent-encoded UTF-8', {}, { cause });
  }
}

function refusal(issues: readonly Issue[], where: string): LockstepError {
  const tooMany = issues.find((issue) => issue.code === 'too_big' && issue.path.at(-1) === 'events');
  if (tooMany !== undefined) {
    return new LockstepError('TransactionTooLarge', `${describe(tooMany, where)}; split the transaction`);
  }
  const told = issues.slice(0, MAX_ISSUES).map((issue) => describe(issue, where));
  const more = issues.length > MAX_ISSUES ? [`and ${issues.length - MAX_ISSUES} more`] : [];
  const code = issues.some((issue) => issue.path[0] === 'checkpoint') ? 'InvalidCheckpoint' : 'InvalidRequest';
  return new LockstepError(code, [...told, ...more].join('; '));
}

function describe(issue: Issue, where: string): string {
  const at = issue.path.length === 0 ? '' : ` ${issue.path.join('.')}`;
  return `${where}${at}: ${issue.message.slice(0, 200)}`;
}
