import { LockstepError } from '../core/errors.js';
import type { Route, RouteChange } from '../core/route.js';
import type { ControlStore } from '../ports/control-store.js';

const NAME = 'route';
/** Each lost race means that somebody else changed the route; nobody changes it this often. */
const MAX_RACES = 64;

/** What became of an attempt to change the route. */
export type ChangeOutcome =
  | { readonly kind: 'changed'; readonly route: Route }
  | { readonly kind: 'refused'; readonly route: Route; readonly why: string };

/**
 * The route as this process last saw it, and the only way to change it.
 *
 * A stale copy is harmless: guards refuse what was decided on an outdated one. So it is read again only when something
 * says that it is outdated, and on the site's own tick.
 */
export class Routes {
  readonly #control: ControlStore;
  #known: { route: Route; version: number } | undefined;
  #reading: Promise<Route> | undefined;
  #next: Promise<Route> | undefined;
  readonly #listeners = new Set<(route: Route) => void>();

  constructor(control: ControlStore) {
    this.#control = control;
  }

  /** Calls the listener with every newer route that this process learns of. @returns what ends that */
  onChange(listener: (route: Route) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The route as last seen; reads it when none was seen yet. */
  async current(): Promise<Route> {
    return this.#known?.route ?? this.refresh();
  }

  /** The route as last seen, without waiting. */
  get known(): Route {
    if (!this.#known)
      throw new LockstepError('Unavailable', 'the deployment is not initialised: no route was read yet');
    return this.#known.route;
  }

  /**
   * Reads the route as it is after this call: calls that come while it is being read share the read after that one.
   *
   * @throws PortUnavailable
   */
  refresh(): Promise<Route> {
    if (this.#next) return this.#next;
    const start = (): Promise<Route> => {
      this.#next = undefined;
      const run = this.#read().finally(() => {
        if (this.#reading === run) this.#reading = undefined;
      });
      this.#reading = run;
      return run;
    };
    if (!this.#reading) return start();
    this.#next = this.#reading.then(start, start);
    return this.#next;
  }

  async #read(): Promise<Route> {
    const record = await this.#control.get(NAME);
    if (!record) throw new LockstepError('Unavailable', 'the deployment is not initialised: it has no route');
    return this.#learn(record.value as Route, record.version);
  }

  #learn(route: Route, version: number): Route {
    if (!this.#known || version > this.#known.version) {
      this.#known = { route, version };
      for (const listener of this.#listeners) listener(route);
    }
    return this.#known.route;
  }

  /** Writes the first route unless there is one. */
  async initialise(route: Route): Promise<Route> {
    // Nearly always there is one: reading is the cheaper way to find out.
    if (!(await this.#control.get(NAME))) await this.#control.compareAndSet(NAME, 0, route);
    return this.refresh();
  }

  /**
   * Changes the route by compare-and-set: reads, asks `change` for the next one, writes, and begins again where somebody
   * was faster.
   *
   * @throws PortUnavailable nobody knows whether it was changed
   */
  async change(change: (route: Route) => RouteChange): Promise<ChangeOutcome> {
    for (let race = 0; race < MAX_RACES; race += 1) {
      const route = await this.#read();
      const next = change(route);
      if ('refused' in next) return { kind: 'refused', route, why: next.refused };
      const version = this.#known?.version ?? 0;
      // #read may answer a newer route than the one just read: what is compared is what was asked about.
      if (this.#known?.route !== route) continue;
      if (await this.#control.compareAndSet(NAME, version, next.route)) {
        return { kind: 'changed', route: this.#learn(next.route, version + 1) };
      }
    }
    throw new LockstepError('Unavailable', 'the route changes too often; try again');
  }
}
