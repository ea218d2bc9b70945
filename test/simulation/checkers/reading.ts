import { type DecidedEntry, isDecided } from '../../../src/core/entry.js';
import type { EventOut } from '../../../src/core/api.js';
import type { Timestamp } from '../../../src/core/timestamp.js';
import type { Standing } from '../../support/standing.js';
import type { History } from '../history.js';
import type { ReaderGroup } from '../readers.js';

/** What is told of a clean history; after an unclean takeover what was read may have been lost since. */
export interface Reading {
  readonly history: History;
  /** Home's log at rest. */
  readonly log: Standing;
  /** Ids that were lost, and listed as such. */
  readonly lost: ReadonlySet<string>;
  /** See `Moments.takenFrom`. */
  readonly takenFrom: ReadonlyMap<string, string>;
  readonly clean: boolean;
  /** Whether what was decided then has to be there yet. */
  readonly isKept: (at: Timestamp) => boolean;
  /** Ids that were acknowledged, of which retention may have taken everything away since. */
  readonly forgotten: readonly string[];
}

/** Lost, duplicated, unseen, reordered, torn: all that a reader group may never meet, over all that it was given. */
export function misread(group: ReaderGroup, reading: Reading): readonly string[] {
  const wrong = [
    ...duplicated(group, reading),
    ...torn(group, reading),
    ...strange(group, reading),
    ...(reading.clean ? [...reordered(group), ...staleCatchUp(group, reading)] : []),
    ...(group.gap ? [] : [...unseen(group, reading), ...missedUntold(group, reading)]),
  ];
  return wrong.map((line) => `I8: ${group.name}: ${line}`);
}

/** It owes its place to nobody: it had kept nothing when retention passed. */
const beganLate = (group: ReaderGroup): boolean =>
  group.kept.find(({ events, transactions, caughtUp }) => caughtUp || events.length + transactions.length > 0)
    ?.isLate !== false;

const eventsOf = (group: ReaderGroup): readonly EventOut[] =>
  group.kept.flatMap(({ events, transactions }) => [...events, ...transactions.flatMap((one) => one.events)]);

/**
 * Nothing is given twice, nor what took it over after an unclean takeover. What a client's retry decided anew there is
 * another matter: nobody in that history knows of the first time, and the reader keeps no ids of what is closed.
 */
function duplicated(group: ReaderGroup, { takenFrom }: Reading): readonly string[] {
  const seen = new Map<string, Set<string>>();
  return eventsOf(group).flatMap(({ id, transactionid, clock }) => {
    const before = seen.get(id) ?? new Set();
    seen.set(id, before);
    let isKnown = false;
    for (let at: string | undefined = clock; at !== undefined; at = takenFrom.get(`${transactionid}@${at}`))
      isKnown ||= before.has(at);
    before.add(clock);
    return isKnown ? [`${id} was given twice`] : [];
  });
}

/** Versions of a key come in their order, and whole transactions in the order of commits on each versioned key. */
function reordered(group: ReaderGroup): readonly string[] {
  const last = new Map<string, number>();
  return eventsOf(group).flatMap(({ stream, subject, version, id }) => {
    if (version === undefined) return [];
    const name = `${stream}/${subject}`;
    const before = last.get(name) ?? (beganLate(group) ? version - 1 : 0);
    last.set(name, version);
    return version === before + 1 || group.gap ? [] : [`version ${version} of ${name} (${id}) came after ${before}`];
  });
}

/** `transactions(…)` gives each with all its events on these streams, in one piece. */
function torn(group: ReaderGroup, { log }: Reading): readonly string[] {
  return group.kept.flatMap(({ transactions }) =>
    transactions.flatMap(({ id, events }) => {
      const entry = log.decided(id);
      if (!entry) return [];
      const whole = numbersOf(entry, group.streams);
      const given = events.map(({ number }) => number);
      return given.join() === whole.join() ? [] : [`${id} came with ${given.join()} of ${whole.join()}`];
    }),
  );
}

const numbersOf = (entry: DecidedEntry, streams: readonly string[]): readonly number[] =>
  entry.events.filter(({ stream }) => streams.includes(stream)).map(({ number }) => number);

/** What is not in the log was never committed. */
function strange(group: ReaderGroup, { log, lost, isKept }: Reading): readonly string[] {
  return eventsOf(group).flatMap(({ id, transactionid, data, stream, subject, number, clock }) => {
    if (lost.has(transactionid) || !isKept(clock)) return [];
    const entry = log.decided(transactionid);
    const event = entry?.status === 'committed' ? entry.events.find((one) => one.number === number) : undefined;
    if (!event) return [`${id} was given, and is not committed`];
    const same = event.stream === stream && event.key === subject && event.data === JSON.stringify(data);
    return same ? [] : [`${id} was given with other contents`];
  });
}

function unseen(group: ReaderGroup, { log }: Reading): readonly string[] {
  const seen = new Set(eventsOf(group).map(({ id }) => id));
  const wrong: string[] = [];
  for (const entry of log.entries.values()) {
    if (!isDecided(entry) || entry.status !== 'committed') continue;
    for (const number of numbersOf(entry, group.streams)) {
      if (!seen.has(`${entry.id}:${number}`)) wrong.push(`${entry.id}:${number} was never given`);
    }
  }
  return wrong;
}

/** Whoever had begun to read before retention passed has seen what it took away, or was told of the gap. */
function missedUntold(group: ReaderGroup, { history, forgotten }: Reading): readonly string[] {
  if (beganLate(group)) return [];
  const seen = new Set(eventsOf(group).map(({ id }) => id));
  return forgotten.flatMap((id) =>
    (history.told.get(id)?.events ?? []).flatMap(({ stream }, number) =>
      group.streams.includes(stream) && !seen.has(`${id}:${number}`)
        ? [`${id}:${number} is not kept any more, was never given, and no gap was told`]
        : [],
    ),
  );
}

/** A page that says `caughtUp` leaves out nothing that had been acknowledged before it was asked for. */
function staleCatchUp(group: ReaderGroup, { history, forgotten }: Reading): readonly string[] {
  const gone = new Set(beganLate(group) ? forgotten : []);
  const seen = new Set<string>();
  const wrong: string[] = [];
  let checked = 0;
  for (const { events, transactions, caughtUp, acknowledgedBefore, at } of group.kept) {
    for (const { id } of events) seen.add(id);
    for (const one of transactions) for (const { id } of one.events) seen.add(id);
    if (!caughtUp || group.gap) continue;
    for (; checked < acknowledgedBefore; checked += 1) {
      const id = history.acknowledged[checked] ?? '';
      history.told.get(id)?.events.forEach(({ stream }, number) => {
        if (group.streams.includes(stream) && !gone.has(id) && !seen.has(`${id}:${number}`))
          wrong.push(`${at} said caught up without ${id}:${number}`);
      });
    }
  }
  return wrong;
}
