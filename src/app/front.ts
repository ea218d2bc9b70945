import type { HealthAnswer, Service } from '../core/api.js';
import { SiteUnavailable, isLockstepError } from '../core/errors.js';

/** A site as a front sees it. */
export interface Entrance {
  readonly name: string;
  readonly service: Service;
  /** False where a client cannot even reach it. */
  isReachable(): boolean;
}

type Method = (...args: unknown[]) => Promise<unknown>;

const OPERATIONS: readonly (keyof Service)[] = [
  'begin',
  'write',
  'getTransaction',
  'listTransactions',
  'commit',
  'abort',
  'commitOnce',
  'commitBatch',
  'getRoute',
  'listStreams',
  'getStream',
  'putStream',
  'getScaling',
  'planScaling',
  'readEvents',
  'readTransactions',
  'switchover',
  'moveHome',
  'reconcile',
  'getReconciliation',
  'audit',
  'getAudit',
  'listIncidents',
  'listConflicts',
  'getConflict',
  'resolveConflict',
  'getPredictions',
  'getHealth',
];

/**
 * One service over all sites, as a client with all their endpoints has it: a request goes to home and, when home does
 * not answer, to the next site in the same request, which takes over or passes it on.
 *
 * @param order the names of the sites, home first
 * @param name gives requests that lack one an id, so that going on to the next site repeats nothing
 */
export function createFront(
  entrances: readonly Entrance[],
  order: () => readonly string[],
  name: () => string,
): Service {
  const front: Record<string, Method> = {};
  for (const operation of OPERATIONS) {
    front[operation] = (...args) => throughAny(entrances, order(), operation, identified(operation, args, name));
  }
  const service = front as unknown as Service;
  return { ...service, getHealth: () => service.getHealth().catch((error: unknown) => allFailed(entrances, error)) };
}

/** Of sites that cannot even be asked one knows all the same how they are. */
function allFailed(entrances: readonly Entrance[], error: unknown): HealthAnswer {
  if (!(error instanceof SiteUnavailable)) throw error;
  return { status: 'down', sites: entrances.map(({ name }) => ({ site: name, state: 'failed', streams: [] })) };
}

async function throughAny(
  entrances: readonly Entrance[],
  order: readonly string[],
  operation: keyof Service,
  args: readonly unknown[],
): Promise<unknown> {
  const ranked = [...entrances].sort((a, b) => rank(order, a.name) - rank(order, b.name));
  let last: unknown;
  for (const entrance of ranked) {
    if (!entrance.isReachable()) {
      last ??= new SiteUnavailable(`${entrance.name} does not answer`);
      continue;
    }
    try {
      return await (entrance.service as unknown as Record<string, Method>)[operation]?.(...args);
    } catch (error) {
      if (!(error instanceof SiteUnavailable) && !isLockstepError(error, 'NotHome')) throw error;
      last = error;
    }
  }
  throw last;
}

function rank(order: readonly string[], name: string): number {
  const at = order.indexOf(name);
  return at < 0 ? order.length : at;
}

/** The same request at another site must be the same request. */
function identified(operation: keyof Service, args: readonly unknown[], name: () => string): readonly unknown[] {
  if (operation === 'write') return [...args, name()];
  if (operation === 'commitBatch') {
    const [{ commits }] = args as [{ commits: readonly object[] }];
    return [{ commits: commits.map((commit) => ({ id: name(), ...commit })) }];
  }
  if (operation !== 'begin' && operation !== 'commitOnce') return args;
  const [request] = args as [{ readonly id?: string }];
  return request.id === undefined ? [{ ...request, id: name() }] : args;
}
