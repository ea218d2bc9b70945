/** What a row of the table of routes says. */
import type * as z from 'zod';
import type { ProblemCode } from '../core/errors.js';

export type Method = 'GET' | 'POST' | 'PUT';

/** What a request brought, parsed. */
export interface Input<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Declaration<T, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly method: Method;
  /** With parameters as `{name}`. */
  readonly path: string;
  /** The name in the OpenAPI document. */
  readonly operation: string;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  /** Its query has `waitMs`, and it may be asked again with none when the server wants to close. */
  readonly longPoll?: true;
  readonly body?: B;
  /** @default MAX_BODY_BYTES of the app */
  readonly maxBodyBytes?: number;
  readonly answers: Readonly<Record<number, z.ZodType>>;
  /** What it may refuse with, beside what any request may. */
  readonly problems?: readonly ProblemCode[];
  readonly run: (target: T, input: Input<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Answer>;
}

/** A route without what does the work: all that the OpenAPI document tells. */
export type Described = Omit<Declaration<never, z.ZodType, z.ZodType, z.ZodType>, 'run'>;

/** A route of `T`, the object that does the work. */
export interface Route<T> extends Described {
  readonly run: (target: T, input: Input<unknown, unknown, unknown>) => Promise<Answer>;
}

/** Declares routes of `T`; the compiler checks that the schemas of a route give what its `run` takes. */
export function routesOf<T>() {
  return function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
    declaration: Declaration<T, P, Q, B>,
  ): Route<T> {
    // Safe: the app gives `run` only what these very schemas have parsed.
    return { ...declaration, run: declaration.run as Route<T>['run'] };
  };
}

export function ok(body: unknown): Answer {
  return { status: 200, body };
}
