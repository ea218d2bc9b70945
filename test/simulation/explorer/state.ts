import type { DecidedEntry } from '../../../src/core/entry.js';
import type { Guard, Mark, VersionItem } from '../../../src/core/items.js';
import {
  chunkKeys,
  decodeEntry,
  encodeDecided,
  entryKey,
  guardItem,
  guardKey,
  markKey,
  readGuard,
  readMark,
  readVersion,
  transactionPk,
  versionKey,
} from '../../../src/core/items.js';
import { isDecided } from '../../../src/core/entry.js';
import { type Route, firstRoute } from '../../../src/core/route.js';
import type { Key } from '../../../src/core/table.js';
import { termOf, timestamp } from '../../../src/core/timestamp.js';
import { COPIES, type Items, itemAt, nameOf } from './tables.js';

/** Small enough that every entry has chunks: what is written in more than one item is explored too. */
const MAX_ITEM_BYTES = 2048 + 64;
export const STREAM = 'orders';
export const KEY = 'k';

/** What is explored: the same constants as those of docs/spec/Lockstep.tla. */
export interface Bounds {
  readonly sites: readonly string[];
  readonly inSync: readonly string[];
  readonly transactions: readonly string[];
  readonly versioned: boolean;
  readonly coordinators: number;
  readonly helpers: number;
  readonly returners: number;
  readonly maxTerm: number;
  readonly maxEpoch: number;
  readonly moves: boolean;
}

/** A process that decides and applies. `route` is the one that it read when it began, or later: its cache. */
export type Coordinator =
  | { readonly at: 'idle' }
  | { readonly at: 'start'; readonly id: string; readonly route: Route }
  | {
      readonly at: 'decided' | 'applied';
      readonly id: string;
      readonly route: Route;
      readonly entry: DecidedEntry;
      readonly markEpoch: number;
      readonly logged: readonly string[];
    };

/** A process that finishes a takeover, in the round of the route that it read. */
export type Helper =
  | { readonly at: 'idle' }
  | {
      readonly at: 'fence' | 'collect' | 'adopt';
      readonly route: Route;
      readonly done: readonly string[];
      readonly best: Readonly<Record<string, DecidedEntry>>;
    };

/** A process that brings a site back. */
export type Returner =
  | { readonly at: 'idle' }
  | {
      readonly at: 'fence' | 'look' | 'clean' | 'fenceJoin' | 'join' | 'raise' | 'copy';
      readonly site: string;
      readonly home: string;
      readonly term: number;
      readonly epoch: number;
      readonly since: number;
      readonly alone: Readonly<Record<string, DecidedEntry>>;
      readonly rest: readonly string[];
      readonly done: readonly string[];
    };

export interface State {
  readonly route: Route;
  /** The epoch with which this term began to serve. */
  readonly served: number;
  readonly tables: Readonly<Record<string, Items>>;
  /** `id@timestamp` of what stands on some stream of some site, and of what a client was told. */
  readonly out: readonly string[];
  readonly acked: readonly string[];
  readonly coordinators: readonly Coordinator[];
  readonly helpers: readonly Helper[];
  readonly returners: readonly Returner[];
}

export const IDLE = { at: 'idle' } as const;

export function firstState(bounds: Bounds): State {
  const [home = ''] = bounds.sites;
  const guardOf = (site: string): Guard => ({
    term: 1,
    epoch: site === home ? 1 : 0,
    bar: timestamp(1, 0),
    open: site === home,
  });
  return {
    route: firstRoute(home, bounds.inSync, 0),
    served: 1,
    tables: Object.fromEntries(bounds.sites.map((site) => [site, { [nameOf(guardKey(0))]: guardItem(guardOf(site)) }])),
    out: [],
    acked: [],
    coordinators: Array.from({ length: bounds.coordinators }, () => IDLE),
    helpers: Array.from({ length: bounds.helpers }, () => IDLE),
    returners: Array.from({ length: bounds.returners }, () => IDLE),
  };
}

// --------------------------------------------------------------------------------------------- what stands at a site

export const itemsOf = (state: State, site: string): Items => state.tables[site] ?? {};

/** An entry without its events where a chunk of it is missing. */
export function entryAt(items: Items, id: string): DecidedEntry | undefined {
  const item = itemAt(items, entryKey(id));
  if (!item) return undefined;
  const chunks = chunkKeys(id, item).map((key) => itemAt(items, key));
  if (chunks.includes(undefined)) return decodeEntry(id, { ...item, events: '[]' }) as DecidedEntry;
  const entry = decodeEntry(id, item, chunks);
  return isDecided(entry) ? entry : undefined;
}

/** Whatever chunks stand under an id, as the code's `dropRest` finds them. */
export function chunksAt(items: Items, id: string): readonly Key[] {
  const pk = transactionPk(id);
  const names = Object.keys(items).filter((name) => name.startsWith(`${pk}|chunk#`));
  return names.map((name) => ({ pk, sk: name.slice(pk.length + 1) }));
}

export function isWhole(items: Items, id: string): boolean {
  const item = itemAt(items, entryKey(id));
  return !item || chunkKeys(id, item).every((key) => itemAt(items, key) !== undefined);
}

export function markAt(items: Items, id: string): (Mark & { readonly state: 'pending' }) | undefined {
  const item = itemAt(items, markKey(id, COPIES));
  const mark = item && readMark(id, item);
  return mark?.state === 'pending' ? mark : undefined;
}

export function versionAt(items: Items): VersionItem | undefined {
  const item = itemAt(items, versionKey(STREAM, KEY));
  return item && readVersion(item);
}

export function guardAt(items: Items): Guard {
  const item = itemAt(items, guardKey(0));
  if (!item) throw new Error('a site without a guard');
  return readGuard(item);
}

export const encoded = (entry: DecidedEntry) => encodeDecided(entry, COPIES, MAX_ITEM_BYTES);

/** One decision, told apart from any other of the same id. */
export const tokenOf = (entry: DecidedEntry): string => `${entry.id}@${entry.at}`;

// ---------------------------------------------------------------------------------------------------- when are two equal

/** What of a cached route a process goes by. */
const viewOf = ({ term, epoch, home, inSync, joining }: Route) => [
  term,
  epoch,
  home,
  [...inSync].sort(),
  Object.keys(joining).sort(),
];

const sorted = <T>(record: Readonly<Record<string, T>>) => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));

/** Equal for states that nothing can tell apart. */
export function keyOf(state: State): string {
  const { route } = state;
  return JSON.stringify([
    [route.phase, viewOf(route), sorted(route.joining), [...route.deposed].sort(), route.terms.map(({ home }) => home)],
    state.served,
    sorted(state.tables).map(([, items]) => sorted(items).map(([name, item]) => [name, itemKey(item)])),
    state.out,
    state.acked,
    state.coordinators.map((it) =>
      it.at === 'idle'
        ? 0
        : it.at === 'start'
          ? [it.id, viewOf(it.route)]
          : [it.at, viewOf(it.route), tokenOf(it.entry), it.markEpoch, it.logged],
    ),
    state.helpers.map((it) =>
      it.at === 'idle' ? 0 : [it.at, viewOf(it.route), it.done, sorted(it.best).map(([, entry]) => tokenOf(entry))],
    ),
    state.returners.map((it) =>
      it.at === 'idle' ? 0 : { ...it, alone: sorted(it.alone).map(([, entry]) => tokenOf(entry)) },
    ),
  ]);
}

const itemKey = (item: Readonly<Record<string, unknown>>): unknown =>
  'bytes' in item ? 1 : ['status', 'at', 'epoch', 'term', 'open', 'version'].map((name) => item[name] ?? 0);

/** The decision of a site on an id in one line; undecided is empty. */
export function decisionAt(items: Items, id: string): string {
  const entry = entryAt(items, id);
  return entry ? tokenOf(entry) : '';
}

export const termOfEntry = (entry: DecidedEntry | undefined): number => (entry ? termOf(entry.at) : 0);
