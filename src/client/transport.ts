/** How a client reaches a deployment: one way in per site. */
import type {
  EventPage,
  Fault,
  LocalControls,
  ReadEvents,
  ReadTransactions,
  Service,
  WholeTransactionPage,
} from '../core/api.js';

/**
 * One way in: a single attempt at each request of the contract. Reads can be cancelled, since they may wait long.
 *
 * Throws `LockstepError` only; `Unavailable` where no answer came, after which the outcome is unknown.
 */
export interface SiteApi extends Omit<Service, 'readEvents' | 'readTransactions'> {
  readEvents(request: ReadEvents, signal?: AbortSignal): Promise<EventPage>;
  readTransactions(request: ReadTransactions, signal?: AbortSignal): Promise<WholeTransactionPage>;
}

/** The switches for faults and distance of a local server. */
export interface LocalApi {
  getFaults(): Promise<readonly Fault[]>;
  setFaults(faults: readonly Fault[]): Promise<readonly Fault[]>;
  setNetwork(network: { readonly roundTripMs: number }): Promise<void>;
}

export interface Transport {
  /** In the order in which they are tried; at least one. */
  readonly sites: readonly [SiteApi, ...SiteApi[]];
  /** The way in at an endpoint that an answer named; undefined where this transport knows no endpoints. */
  at(endpoint: string): SiteApi | undefined;
  /** Adds ways in that the deployment named, behind those in `sites`. Absent where they are all known. */
  learn?(endpoints: readonly string[]): void;
  /** Only of a local server. */
  readonly local?: LocalApi;
}

/**
 * The same client in the process of the engine, without HTTP.
 *
 * @param service gets what the client gives it unparsed: wrap it (`checkedService`) where that may be anything
 * @example
 * const client = new LockstepClient({ transport: directTransport(service) });
 */
export function directTransport(service: Service, controls?: LocalControls): Transport {
  const transport: Transport = { sites: [service], at: () => undefined };
  if (controls === undefined) return transport;
  const local: LocalApi = {
    getFaults: async () => controls.getFaults(),
    setFaults: async (faults) => controls.setFaults(faults),
    setNetwork: async (network) => controls.setNetwork(network),
  };
  return { ...transport, local };
}
