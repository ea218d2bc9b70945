import type { ListAppendOperation, ListAppendTransaction } from './checkers/list-append.js';

/** What one client will do. */
export interface Script {
  readonly operations: readonly { readonly kind: 'append' | 'read'; readonly key: string }[];
  readonly ending: 'commit' | 'abort';
  /** Without it the client never learns how it ended, and it ends some time later. */
  readonly isAnswered: boolean;
  /** By how many commits the replica is late from which this is read, where the database has such replicas. */
  readonly lag: number;
}

export interface Plan {
  readonly scripts: readonly Script[];
  /** Whose turn it is, over and over again. */
  readonly turns: readonly number[];
}

interface Session {
  read(key: string): readonly string[];
  /** False where it was refused: then it can only abort. */
  append(key: string, value: string): boolean;
  /** False where it was aborted instead. */
  commit(): boolean;
  abort(): void;
}

export type Database = (script: Script) => Session;

/** The versions of all lists, from the first on. */
class Lists {
  #version = 0;
  readonly #entries = new Map<string, { value: string; version: number }[]>();

  get version(): number {
    return this.#version;
  }

  at(key: string, version: number): string[] {
    return this.#of(key).flatMap((entry) => (entry.version <= version ? [entry.value] : []));
  }

  changedAt(key: string): number {
    return this.#of(key).at(-1)?.version ?? 0;
  }

  append(appends: Iterable<readonly [string, string]>): void {
    this.#version += 1;
    for (const [key, value] of appends) this.#entries.set(key, [...this.#of(key), { value, version: this.#version }]);
  }

  #of(key: string): readonly { value: string; version: number }[] {
    return this.#entries.get(key) ?? [];
  }
}

type Appends = readonly (readonly [string, string])[];

interface Optimism {
  /** Which keys must not have changed since the snapshot when what was appended is written. */
  readonly guards?: 'read' | 'appended';
  /** Who reads a late snapshot. */
  readonly late?: 'nobody' | 'readers' | 'all';
  /** A late reader gets each key from a replica of its own. */
  readonly tornSnapshots?: boolean;
  readonly leaksAborted?: boolean;
  /** What becomes of what is written. */
  readonly writes?: (appends: Appends) => Appends;
}

/** Reads a snapshot, keeps what it appends to itself, and writes it at once if nothing has changed that it guards. */
function optimistic(optimism: Optimism): () => Database {
  const {
    guards = 'read',
    late = 'nobody',
    tornSnapshots = false,
    leaksAborted = false,
    writes = (all) => all,
  } = optimism;
  return () => {
    const lists = new Lists();
    return ({ operations, lag, isAnswered }) => {
      const onlyReads = operations.every(({ kind }) => kind === 'read');
      const isLate = late === 'all' || (late === 'readers' && onlyReads);
      const snapshot = Math.max(lists.version - (isLate ? lag : 0), 0);
      const current = lists.version;
      const appended: [string, string][] = [];
      const read = new Set<string>();
      const abort = () => {
        if (leaksAborted && isAnswered) lists.append(appended);
      };
      return {
        read: (key) => {
          read.add(key);
          const own = appended.flatMap(([other, value]) => (other === key ? [value] : []));
          return [...lists.at(key, tornSnapshots && key < 'y' ? current : snapshot), ...own];
        },
        append: (key, value) => appended.push([key, value]) > 0,
        commit: () => {
          const guarded = guards === 'read' ? [...read] : appended.map(([key]) => key);
          if (!onlyReads && guarded.some((key) => lists.changedAt(key) > snapshot)) {
            abort();
            return false;
          }
          if (!onlyReads) lists.append(writes(appended));
          return true;
        },
        abort,
      };
    };
  };
}

/** Reads what is committed now; a key that somebody appends to is locked for others' appends until he ends. */
function readCommitted(): Database {
  const lists = new Lists();
  const locks = new Map<string, object>();
  return (script) => {
    const appended: [string, string][] = [];
    const unlock = () => {
      for (const [key] of appended) if (locks.get(key) === script) locks.delete(key);
    };
    return {
      read: (key) => [
        ...lists.at(key, lists.version),
        ...appended.flatMap(([other, value]) => (other === key ? [value] : [])),
      ],
      append: (key, value) => {
        if ((locks.get(key) ?? script) !== script) return false;
        locks.set(key, script);
        return appended.push([key, value]) > 0;
      },
      commit: () => {
        lists.append(appended);
        unlock();
        return true;
      },
      abort: unlock,
    };
  };
}

/** One list for all, and nothing is taken back. */
function readUncommitted(): Database {
  const lists = new Lists();
  return () => ({
    read: (key) => lists.at(key, lists.version),
    append: (key, value) => {
      lists.append([[key, value]]);
      return true;
    },
    commit: () => true,
    abort: () => undefined,
  });
}

export const DATABASES = {
  serial: optimistic({}),
  'late readers of one order': optimistic({ late: 'readers' }),
  'snapshot isolation': optimistic({ guards: 'appended' }),
  'snapshot isolation, late': optimistic({ guards: 'appended', late: 'all' }),
  'read committed': readCommitted,
  'read uncommitted': readUncommitted,
  'stale reader': optimistic({ late: 'readers', tornSnapshots: true }),
  'aborts leak': optimistic({ leaksAborted: true }),
  'appends get lost': optimistic({ writes: (appends) => appends.filter(([, value]) => Number(value) % 5 !== 0) }),
  'writes twice': optimistic({ writes: (appends) => [...appends, ...appends] }),
} as const satisfies Record<string, () => Database>;

const CLIENTS = 3;

interface Running {
  readonly script: Script;
  readonly id: string;
  readonly process: string;
  readonly invokedAt: number;
  readonly session: Session;
  readonly operations: ListAppendOperation[];
  outcome: ListAppendTransaction['outcome'] | undefined;
  completedAt: number | undefined;
}

/** Some clients take the scripts one after the other, and the turns interleave them. */
export function run(database: Database, { scripts, turns }: Plan): ListAppendTransaction[] {
  let clock = 0;
  let value = 0;
  const waiting = [...scripts.entries()];
  const idle = Array.from({ length: CLIENTS }, (_, client) => `client ${client + 1}`);
  const running: Running[] = [];
  const all: Running[] = [];

  const begin = (): void => {
    while (idle.length > 0) {
      const [index, script] = waiting.shift() ?? [];
      const process = script && idle.shift();
      if (index === undefined || script === undefined || process === undefined) return;
      const times = { invokedAt: ++clock, completedAt: undefined };
      const one = { script, id: `T${index + 1}`, process, ...times, session: database(script), operations: [] };
      all[index] = { ...one, outcome: undefined };
      running.push(all[index]);
    }
  };
  const answer = (one: Running, outcome: Running['outcome']): void => {
    one.outcome = outcome;
    one.completedAt = ++clock;
    idle.push(one.process);
  };
  const end = (one: Running, ending: Script['ending']): void => {
    if (!one.script.isAnswered && one.outcome === undefined) {
      answer(one, 'unknown');
      return;
    }
    if (ending === 'abort') one.session.abort();
    const isCommitted = ending === 'commit' && one.session.commit();
    running.splice(running.indexOf(one), 1);
    if (one.outcome === undefined) answer(one, isCommitted ? 'committed' : 'aborted');
  };
  const step = (one: Running): void => {
    const next = one.script.operations[one.operations.length];
    if (next === undefined) {
      end(one, one.script.ending);
    } else if (next.kind === 'read') {
      one.operations.push({ kind: 'read', key: next.key, values: one.session.read(next.key) });
    } else {
      const append = { kind: 'append', key: next.key, value: String(++value) } as const;
      if (one.session.append(append.key, append.value)) one.operations.push(append);
      else end(one, 'abort');
    }
  };

  begin();
  for (let turn = 0; running.length > 0; turn += 1) {
    const one = running[(turns[turn % turns.length] ?? 0) % running.length];
    if (one !== undefined) step(one);
    begin();
  }
  return all.map(({ id, process, invokedAt, completedAt, outcome, operations }) => {
    return { id, process, invokedAt, completedAt, outcome: outcome ?? 'unknown', operations };
  });
}
