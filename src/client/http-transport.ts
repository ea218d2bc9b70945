/** The REST contract over HTTP. */
import type { BeginAnswer, Fault, StreamAnswer } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { httpSender } from './http-sender.js';
import type { HttpOptions, Sender, SendOptions } from './http-sender.js';
import type { LocalApi, SiteApi, Transport } from './transport.js';

export interface HttpTransportOptions extends HttpOptions {
  /**
   * Base URLs, one per site, the nearest first; the next one is tried when one fails. Where only one is given, the others
   * are learned from the deployment, with one request behind the first answer.
   */
  readonly endpoints: readonly string[];
}

/**
 * Requests over HTTP with `fetch`, which keeps connections alive.
 *
 * @throws LockstepError InvalidRequest where an endpoint is no http(s) URL
 * @example
 * httpTransport({ endpoints: ['http://127.0.0.1:8080/sites/east', 'http://127.0.0.1:8080/sites/west'] })
 */
export function httpTransport(options: HttpTransportOptions): Transport {
  const known = new Map<string, SiteApi>();
  const at = (endpoint: string): SiteApi | undefined => {
    if (!isHttp(endpoint)) return undefined;
    const base = endpoint.replace(/\/+$/, '');
    let site = known.get(base);
    if (site === undefined) known.set(base, (site = siteApi(httpSender(base, options))));
    return site;
  };
  const given = (endpoint: string | undefined): SiteApi => {
    const site = at(endpoint ?? '');
    if (site === undefined) {
      throw new LockstepError('InvalidRequest', `endpoints: ${endpoint ?? 'none'} is no http or https URL`);
    }
    return site;
  };
  const [first, ...others] = options.endpoints;
  const sites: [SiteApi, ...SiteApi[]] = [given(first), ...others.map(given)];
  const learn = (endpoints: readonly string[]): void => {
    for (const endpoint of endpoints) {
      const site = isElsewhere(endpoint, first) ? at(endpoint) : undefined;
      if (site !== undefined && !sites.includes(site)) sites.push(site);
    }
  };
  // The switches stand in front of the sites, not under one.
  const front = (first ?? '').replace(/(\/sites\/[^/]+)?\/*$/, '');
  return { sites, at, ...(others.length === 0 ? { learn } : {}), local: localApi(httpSender(front, options)) };
}

/** What lies under an endpoint is reached through it; and none leads from a secure one to one that is not. */
function isElsewhere(endpoint: string, given = ''): boolean {
  if (!isHttp(endpoint)) return false;
  return (
    !endpoint.startsWith(`${given.replace(/\/+$/, '')}/`) && new URL(endpoint).protocol === new URL(given).protocol
  );
}

function isHttp(endpoint: string): boolean {
  return URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol);
}

type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

function search(query: object): string {
  const pairs = Object.entries(query as Query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

const segment = encodeURIComponent;

/** The table of the contract, from the client's side. What a deployment answers is taken to be as the contract says. */
function siteApi(send: Sender): SiteApi {
  const get = async <T>(path: string, options?: SendOptions): Promise<T> =>
    (await send('GET', path, options)).body as T;
  const post = async <T>(path: string, body: unknown): Promise<T> => (await send('POST', path, { body })).body as T;
  return {
    begin: async (request) => {
      const { status, body } = await send('POST', '/transactions', { body: request });
      return { ...(body as BeginAnswer), created: status === 201 };
    },
    write: (id, request) => post(`/transactions/${segment(id)}/events`, request),
    getTransaction: (id) => get(`/transactions/${segment(id)}`),
    listTransactions: (request) => get(`/transactions${search(request)}`),
    commit: (id, request) => post(`/transactions/${segment(id)}/commit`, request),
    abort: (id, request) => post(`/transactions/${segment(id)}/abort`, request),
    commitOnce: (request) => post('/commits', request),
    commitBatch: (request) => post('/commits/batch', request),
    getRoute: () => get('/route'),
    listStreams: () => get('/streams'),
    getStream: (name) => get(`/streams/${segment(name)}`),
    putStream: async (name, policy) =>
      (await send('PUT', `/streams/${segment(name)}`, { body: policy })).body as StreamAnswer,
    getScaling: (name) => get(`/streams/${segment(name)}/scaling`),
    planScaling: (name, request) => post(`/streams/${segment(name)}/scaling/plan`, request),
    readEvents: ({ stream, ...query }, signal) =>
      get(`/streams/${segment(stream)}/events${search(query)}`, { signal, waitMs: query.waitMs }),
    readTransactions: (query, signal) => get(`/transactions/stream${search(query)}`, { signal, waitMs: query.waitMs }),
    switchover: (stream, request) => post(`/streams/${segment(stream)}/switchover`, request),
    moveHome: (request) => post('/route/home', request),
    reconcile: (request) => post('/reconciliations', request),
    getReconciliation: (id) => get(`/reconciliations/${segment(id)}`),
    audit: (request) => post('/audits', request),
    getAudit: (id) => get(`/audits/${segment(id)}`),
    listIncidents: (request) => get(`/incidents${search(request)}`),
    listConflicts: (request) => get(`/conflicts${search(request)}`),
    getConflict: (id) => get(`/conflicts/${segment(id)}`),
    resolveConflict: (id, request) => post(`/conflicts/${segment(id)}/resolution`, request),
    getPredictions: () => get('/predictions'),
    // A deployment that is down says so with 503 and is well able to tell how.
    getHealth: () => get('/health', { accept: 503 }),
  };
}

function localApi(send: Sender): LocalApi {
  const path = '/local/faults';
  const faultsOf = (answer: { readonly body: unknown }) =>
    (answer.body as { readonly faults: readonly Fault[] }).faults;
  return {
    getFaults: async () => faultsOf(await send('GET', path)),
    setFaults: async (faults) => faultsOf(await send('PUT', path, { body: { faults } })),
    setNetwork: async (network) => {
      await send('PUT', '/local/network', { body: network });
    },
  };
}
