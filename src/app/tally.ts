import type { Chosen } from '../core/candidate.js';
import { type DecidedEntry, isDecided } from '../core/entry.js';
import { TALLIED, TALLY_KEY, candidateKey, entryKey, talliedKey } from '../core/items.js';
import type { Clause, Item, Write } from '../core/table.js';
import { ConditionFailed } from '../ports/tables.js';
import { readEntries } from './log.js';
import type { Site } from './site.js';

/** What became of candidates. */
export interface Tally {
  /** Staged; a write or commit named it; the transaction was committed without it; it ended in another way. */
  readonly written: number;
  readonly confirmed: number;
  readonly wrong: number;
  readonly expired: number;
  readonly bytesWritten: number;
  readonly bytesWasted: number;
  /** Round trips to this site that writes did not wait for. */
  readonly waitSavedMs: number;
}

export const NO_TALLY: Tally = {
  ...{ written: 0, confirmed: 0, wrong: 0, expired: 0 },
  ...{ bytesWritten: 0, bytesWasted: 0, waitSavedMs: 0 },
};

export const addTally = (a: Tally, b: Tally): Tally =>
  Object.fromEntries(Object.keys(NO_TALLY).map((name) => [name, a[name as keyof Tally] + b[name as keyof Tally]])) as {
    [Name in keyof Tally]: number;
  };

/** The candidates that were staged of one transaction, by the agent's processes together. */
export interface Staged {
  /** Bytes by digest. */
  readonly bytes: Readonly<Record<string, number>>;
  /** The round trip to home as measured last. */
  readonly savedMs: number;
}

const NONE_STAGED: Staged = { bytes: {}, savedMs: 0 };

const RACES = 16;
const PAGE = 200;

export async function readStaged(site: Site, ids: readonly string[]): Promise<readonly Staged[]> {
  const items = await site.tables.get(ids.map(talliedKey));
  return items.map((item) => (item ? stagedOf(item) : NONE_STAGED));
}

const stagedOf = (item: Item): Staged => ({
  bytes: JSON.parse(String(item['bytes'])) as Staged['bytes'],
  savedMs: Number(item['savedMs']),
});

const countOf = ({ bytes }: Staged): number => Object.keys(bytes).length;

/** Nobody else has staged candidates since these were read: so their number has a bound, whoever stages. */
const isStill = (staged: Staged): Clause =>
  countOf(staged) === 0 ? 'absent' : [{ attribute: 'count', is: '=', value: countOf(staged) }];

/** Written with the candidates. */
export function tallyWrite(id: string, before: Staged, chosen: readonly Chosen[], savedMs: number): Write {
  const bytes = { ...before.bytes, ...Object.fromEntries(chosen.map((one) => [one.digest, one.bytes])) };
  const item = { bytes: JSON.stringify(bytes), count: Object.keys(bytes).length, savedMs };
  return { kind: 'put', key: talliedKey(id), item, when: [isStill(before)] };
}

export async function readTally(site: Site): Promise<Tally> {
  const [item] = await site.tables.get([TALLY_KEY]);
  return item ? tallyOf(item) : NO_TALLY;
}

const tallyOf = (item: Item): Tally => {
  const { tally } = item;
  return { ...NO_TALLY, ...(JSON.parse(String(tally)) as Partial<Tally>) };
};

/**
 * Counts what became of the candidates of transactions that have ended, each once, and takes away what is left of them
 * where a process met its end before it could.
 */
export async function settleTallies(site: Site): Promise<void> {
  let after: string | undefined;
  do {
    const page = await site.tables.query({ pk: TALLIED, limit: PAGE, ...(after === undefined ? {} : { after }) });
    const entries = await readEntries(
      site,
      page.rows.map(({ key }) => key.sk),
    );
    for (const [index, { key, item }] of page.rows.entries()) {
      const entry = entries[index];
      if (entry && !isDecided(entry)) continue;
      await settleOne(site, key.sk, stagedOf(item), entry);
    }
    after = page.next;
  } while (after !== undefined);
}

async function settleOne(site: Site, id: string, staged: Staged, entry: DecidedEntry | undefined): Promise<void> {
  const ended = outcomeOf(site, staged, entry);
  for (let race = 0; race < RACES; race += 1) {
    const [before] = await site.tables.get([TALLY_KEY]);
    const revision = Number(before?.['revision'] ?? 0);
    const tally = addTally(before ? tallyOf(before) : NO_TALLY, ended);
    try {
      await site.tables.transact([
        ...leftovers(id, staged, entry),
        { kind: 'delete', key: talliedKey(id), when: [isStill(staged)] },
        {
          kind: 'put',
          key: TALLY_KEY,
          item: { tally: JSON.stringify(tally), revision: revision + 1 },
          when: [before ? [{ attribute: 'revision', is: '=', value: revision }] : 'absent'],
        },
      ]);
      return;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      // Counted by another process, or staged to meanwhile: looked at again with the next round.
      if ([...error.failed.keys()].some((index) => index < leftovers(id, staged, entry).length + 1)) return;
    }
  }
}

/** Candidates of a decision that stands: an id that is begun anew may have others. */
function leftovers(id: string, { bytes }: Staged, entry: DecidedEntry | undefined): readonly Write[] {
  if (!entry) return [];
  return [
    { kind: 'check', key: entryKey(id), when: [[{ attribute: 'at', is: '=', value: entry.at }]] },
    ...Object.keys(bytes).map((digest): Write => ({ kind: 'delete', key: candidateKey(id, digest) })),
  ];
}

function outcomeOf(site: Site, { bytes, savedMs }: Staged, entry: DecidedEntry | undefined): Tally {
  const sizes = Object.entries(bytes);
  const written = sizes.length;
  const used = new Set(entry?.events.map(({ digest }) => digest));
  const confirmed = sizes.filter(([digest]) => used.has(digest)).length;
  const sum = (of: typeof sizes) => of.reduce((total, [, size]) => total + size, 0);
  const rest = written - confirmed;
  const isCommitted = entry?.status === 'committed';
  // With several followers a wait is saved where all of them foresaw the write: the first of them counts it.
  const spared = entry?.events.filter(
    ({ foreseen = [] }) => foreseen[0] === site.name && foreseen.length >= site.others.length,
  );
  return {
    written,
    confirmed,
    wrong: isCommitted ? rest : 0,
    expired: isCommitted ? 0 : rest,
    bytesWritten: sum(sizes),
    bytesWasted: sum(sizes.filter(([digest]) => !used.has(digest))),
    waitSavedMs: (spared?.length ?? 0) * savedMs,
  };
}
