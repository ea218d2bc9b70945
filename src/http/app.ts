/** The API as one Hono app: served by the local server, and by Lambda. */
import { Hono } from 'hono';
import type { LocalControls, Service } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { SILENT } from '../ports/environment.js';
import type { Observer } from '../ports/environment.js';
import { bindings, ClientGone, readBody } from './body.js';
import type { ApiContext, Bindings } from './body.js';
import { LOCAL_ROUTES } from './local-routes.js';
import { openApiDocument } from './openapi.js';
import type { ApiInfo } from './openapi.js';
import { parse, parseJson, parseQuery } from './parse.js';
import { methodNotAllowed, problemResponse, toProblem } from './problems.js';
import type { Answer, Route } from './route.js';
import { ROUTES } from './routes.js';
import { noQuery } from './schemas.js';

export interface AppOptions {
  /** Answers what comes in without a site: it finds home by itself. */
  readonly service: Service;
  /** Enters at one site: the same requests under `/sites/{site}`. */
  readonly siteServices?: Readonly<Record<string, Service>>;
  /** Switches for faults and distance, under `/local`; only on a local server. */
  readonly controls?: LocalControls;
  /** Is told of exceptions that nobody foresaw. */
  readonly observer?: Observer;
  /** For the OpenAPI document. */
  readonly info?: ApiInfo;
  /** Longer bodies are refused with `TransactionTooLarge`, bytes. @default 8388608 */
  readonly maxBodyBytes?: number;
}

export type App = Hono<{ Bindings: Bindings }>;

const MAX_BODY_BYTES = 8 * 1024 * 1024;
const JSON_HEADERS = { 'content-type': 'application/json' };

/**
 * The whole REST contract over a service.
 *
 * @example
 * const app = createApp({ service });
 * const answer = await app.request('/health');
 */
export function createApp(options: AppOptions): App {
  const app: App = new Hono();
  const paths = new Map<string, Set<string>>();
  const observer = options.observer ?? SILENT;
  const maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;

  function mount<T>(prefix: string, routes: readonly Route<T>[], target: T): void {
    for (const route of routes) {
      const path = prefix + route.path.replaceAll(/\{(\w+)\}/g, ':$1');
      paths.set(path, (paths.get(path) ?? new Set()).add(route.method));
      app.on(route.method, path, handler(route, target, { observer, maxBodyBytes }));
    }
  }

  const siteServices = options.siteServices ?? {};
  mount('', ROUTES, options.service);
  for (const [site, service] of Object.entries(siteServices)) mount(`/sites/${site}`, ROUTES, service);
  if (options.controls !== undefined) mount('', LOCAL_ROUTES, options.controls);
  mountDocuments(app, paths, options);

  const allowed = allowedMethods(paths);
  app.notFound((c) => notFound(c, allowed(c.req.path)));
  app.onError((error) => refuse(error, 'outside of any route', observer));
  return app;
}

/** What the app itself answers: the OpenAPI document, and links for who comes without a path. */
function mountDocuments(app: App, paths: Map<string, Set<string>>, options: AppOptions): void {
  const info = options.info ?? { title: 'Lockstep', version: '0.1.0' };
  const sites = Object.keys(options.siteServices ?? {});
  let openApi: string | undefined;
  const documents: Record<string, () => string> = {
    '/': () =>
      JSON.stringify({
        name: info.title,
        version: info.version,
        links: { openapi: '/openapi.json', health: '/health', route: '/route', streams: '/streams' },
      }),
    '/openapi.json': () =>
      (openApi ??= JSON.stringify(openApiDocument({ info, sites, local: options.controls !== undefined }))),
  };
  for (const [path, text] of Object.entries(documents)) {
    paths.set(path, new Set(['GET']));
    app.get(path, () => new Response(text(), { headers: JSON_HEADERS }));
  }
}

interface Surroundings {
  readonly observer: Observer;
  readonly maxBodyBytes: number;
}

/** One handler per route, without middleware: this is the hot path. */
function handler<T>(route: Route<T>, target: T, { observer, maxBodyBytes }: Surroundings) {
  const maxBytes = Math.min(route.maxBodyBytes ?? maxBodyBytes, maxBodyBytes);
  return async (c: ApiContext): Promise<Response> => {
    try {
      const params = route.params && parse(route.params, c.req.param(), 'path');
      const query = parseQuery(route.query ?? noQuery, c.req.url);
      const body = route.body && parse(route.body, await readJson(c, maxBytes), 'body');
      const answer = route.longPoll
        ? await pollUntilClosing(c, query as Polling, (polling) => route.run(target, { params, query: polling, body }))
        : await route.run(target, { params, query, body });
      return new Response(JSON.stringify(answer.body), { status: answer.status, headers: JSON_HEADERS });
    } catch (error) {
      return refuse(error, route.operation, observer);
    }
  };
}

/** No body at all stands for `{}`: all members of some requests are optional. */
async function readJson(c: ApiContext, maxBytes: number): Promise<unknown> {
  const bytes = await readBody(c, maxBytes);
  return bytes.length === 0 ? {} : parseJson(bytes);
}

interface Polling {
  readonly waitMs?: number;
}

/** A long poll that does not keep a closing server waiting: it is then asked again without waiting. */
async function pollUntilClosing(
  c: ApiContext,
  query: Polling,
  run: (query: Polling) => Promise<Answer>,
): Promise<Answer> {
  const { closing } = bindings(c);
  if (closing === undefined || !query.waitMs) return run(query);
  let stop = (): void => undefined;
  const closed = new Promise<void>((resolve) => {
    // Not `resolve` itself, which would take the event for the answer.
    stop = () => resolve();
    if (closing.aborted) stop();
    else closing.addEventListener('abort', stop, { once: true });
  });
  try {
    const first = run(query);
    const answer = await Promise.race([first, closed]);
    if (answer !== undefined) return answer;
    first.catch(() => undefined);
    return await run({ ...query, waitMs: 0 });
  } finally {
    closing.removeEventListener('abort', stop);
  }
}

function refuse(error: unknown, operation: string, observer: Observer): Response {
  if (error instanceof ClientGone) {
    return problemResponse(toProblem(new LockstepError('InvalidRequest', 'The body ended half-way')));
  }
  if (!(error instanceof LockstepError)) {
    const facts = error instanceof Error ? { name: error.name, message: error.message, stack: error.stack } : {};
    observer.note('http.unexpected', { operation, ...facts });
  }
  return problemResponse(toProblem(error));
}

function notFound(c: ApiContext, allow: string | undefined): Response {
  const { method, path } = c.req;
  if (allow === undefined) {
    return problemResponse(toProblem(new LockstepError('NotFound', `There is no ${path}; see /openapi.json`)));
  }
  if (method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow } });
  return problemResponse(methodNotAllowed(method, path, allow), { allow });
}

/** For a path, what `Allow` says; undefined where there is no such path. */
function allowedMethods(paths: ReadonlyMap<string, ReadonlySet<string>>): (path: string) => string | undefined {
  const patterns = [...paths].map(([path, methods]) => ({
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`),
    methods: [...methods, ...(methods.has('GET') ? ['HEAD'] : []), 'OPTIONS'],
  }));
  return (path) => {
    const methods = patterns.filter(({ pattern }) => pattern.test(path)).flatMap((each) => each.methods);
    return methods.length === 0 ? undefined : [...new Set(methods)].sort().join(', ');
  };
}
