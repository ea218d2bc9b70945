/** The OpenAPI 3.1 document, generated from the table of routes and its schemas. */
import * as z from 'zod';
import { PROBLEMS } from '../core/errors.js';
import type { ProblemCode } from '../core/errors.js';
import { problem } from './answer-schemas.js';
import { LOCAL_ROUTES } from './local-routes.js';
import { PROBLEM_JSON } from './problems.js';
import type { Described } from './route.js';
import { ROUTES } from './routes.js';
import { components } from './schemas.js';

export interface ApiInfo {
  readonly title: string;
  readonly version: string;
}

export interface OpenApiOptions {
  readonly info: ApiInfo;
  /** Sites at which a client may enter. */
  readonly sites?: readonly string[];
  /** With the switches of the local server. */
  readonly local?: boolean;
}

type JsonObject = Readonly<Record<string, unknown>>;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** Any request may be refused with these. */
const ALWAYS: readonly ProblemCode[] = ['InvalidRequest', 'NotHome', 'Throttled', 'Unavailable'];

const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: 'Done',
  201: 'Begun',
  202: 'Started',
  503: 'The deployment is down',
};

export function openApiDocument(options: OpenApiOptions): JsonObject {
  const paths: Record<string, Record<string, unknown>> = {};
  const routes: readonly Described[] = [...ROUTES, ...(options.local ? LOCAL_ROUTES : [])];
  for (const route of routes) {
    const item = (paths[route.path] ??= {});
    item[route.method.toLowerCase()] = operation(route);
  }
  paths['/openapi.json'] = {
    get: { operationId: 'getOpenApi', summary: 'This document', responses: { 200: { description: 'Done' } } },
  };
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: DIALECT,
    info: { ...options.info, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: servers(options.sites ?? []),
    paths,
    components: { schemas: componentSchemas() },
  };
}

function servers(sites: readonly string[]): readonly JsonObject[] {
  const front = { url: '/', description: 'In front of all sites' };
  const [first] = sites;
  if (first === undefined) return [front];
  const variables = { site: { default: first, enum: sites } };
  return [front, { url: '/sites/{site}', description: 'At one site', variables }];
}

function operation(route: Described): JsonObject {
  const parameters = [...parametersOf('path', route.params), ...parametersOf('query', route.query)];
  return {
    operationId: route.operation,
    summary: route.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && { requestBody: { required: isRequired(route.body), content: content(route.body) } }),
    responses: { ...answers(route), ...refusals(route) },
  };
}

/** What a client has to send: a body of optional members only may be left out. */
function isRequired(body: z.ZodType): boolean {
  return !body.safeParse({}).success;
}

function content(schema: z.ZodType): JsonObject {
  return { 'application/json': { schema: reference(schema) } };
}

function reference(schema: z.ZodType): JsonObject {
  const id = components.get(schema)?.id;
  return id === undefined ? inline(schema) : { $ref: `#/components/schemas/${id}` };
}

function inline(schema: z.ZodType): JsonObject {
  return without(z.toJSONSchema(schema), '$schema');
}

function parametersOf(where: 'path' | 'query', schema: z.ZodType | undefined): readonly JsonObject[] {
  if (schema === undefined) return [];
  const { properties, required } = inline(schema) as { properties?: Record<string, JsonObject>; required?: string[] };
  return Object.entries(properties ?? {}).map(([name, property]) => {
    const { description, ...rest } = property;
    return {
      name,
      in: where,
      required: required?.includes(name) ?? false,
      ...(description !== undefined && { description }),
      // Lists are given as `a,b`.
      ...(rest['type'] === 'array' && { style: 'form', explode: false }),
      schema: rest,
    };
  });
}

function answers(route: Described): Record<string, JsonObject> {
  return Object.fromEntries(
    Object.entries(route.answers).map(([status, schema]) => [
      status,
      { description: STATUS_TEXT[Number(status)] ?? 'Done', content: content(schema) },
    ]),
  );
}

/** One response per status, with the codes that it may carry. A status that also has an answer keeps that one. */
function refusals(route: Described): Record<string, JsonObject> {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set([...ALWAYS, ...(route.problems ?? [])])) {
    const { status } = PROBLEMS[code];
    if (status in route.answers) continue;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const described = [...byStatus].map(([status, codes]) => [String(status), problemAnswer(codes.join(', '))] as const);
  return { ...Object.fromEntries(described), default: problemAnswer('Any other problem') };
}

function problemAnswer(description: string): JsonObject {
  return { description, content: { [PROBLEM_JSON]: { schema: reference(problem) } } };
}

function componentSchemas(): JsonObject {
  const { schemas } = z.toJSONSchema(components, { uri: (id) => `#/components/schemas/${id}` });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [id, without(schema as JsonObject, '$schema', '$id')]),
  );
}

function without(object: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}
