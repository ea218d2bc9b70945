import { isDeepStrictEqual } from 'node:util';
import type { LockstepClient } from '../../../src/client/index.js';
import type { EventOut } from '../../../src/core/api.js';
import type { Attempt, Journal } from './journal.js';

/** All of a site's replicas, each from its beginning until everything that is committed by now was given. */
export async function readAll(
  client: LockstepClient,
  streams: readonly string[],
  site: string,
): Promise<readonly EventOut[]> {
  const read = async (stream: string): Promise<readonly EventOut[]> => {
    const events: EventOut[] = [];
    for await (const event of client.events({ stream, site, until: 'caught-up', limit: 500 })) events.push(event);
    return events;
  };
  return (await Promise.all(streams.map(read))).flat();
}

/**
 * What is wrong with a delivery, by what the clients were told: lost, doubled, torn, foreign, or out of version order.
 * A delivery covers whole streams; `events` are in the order in which they came.
 */
export function findingsIn(where: string, events: readonly EventOut[], streams: readonly string[], journal: Journal) {
  const findings: string[] = [];
  const byTransaction = new Map<string, EventOut[]>();
  const seen = new Set<string>();
  for (const event of events) {
    if (seen.has(event.id)) findings.push(`${where}: ${event.id} came twice`);
    seen.add(event.id);
    const known = byTransaction.get(event.transactionid);
    if (known) known.push(event);
    else byTransaction.set(event.transactionid, [event]);
  }
  for (const attempt of journal.attempts.values()) {
    findings.push(...findingsOf(where, attempt, byTransaction.get(attempt.id) ?? [], streams));
    byTransaction.delete(attempt.id);
  }
  for (const id of byTransaction.keys()) findings.push(`${where}: nobody ever wrote ${id}`);
  return [...findings, ...versionFindings(where, events)];
}

function findingsOf(where: string, attempt: Attempt, found: readonly EventOut[], streams: readonly string[]): string[] {
  const expected = attempt.events.filter(({ stream }) => streams.includes(stream)).map(contentOf);
  const actual = [...found].sort((a, b) => a.number - b.number).map(contentOf);
  const isWhole = isDeepStrictEqual(actual, expected);
  if (attempt.knowledge === 'committed' ? isWhole : actual.length === 0) return [];
  if (attempt.knowledge === 'begun' && isWhole) return [];
  return [`${where}: ${attempt.id} is ${attempt.knowledge}, has ${expected.length} events, ${actual.length} came`];
}

/** Each key's versions come one after the other, from 1. */
function versionFindings(where: string, events: readonly EventOut[]): readonly string[] {
  const last = new Map<string, number>();
  return events.flatMap(({ stream, subject, version }) => {
    if (version === undefined) return [];
    const key = `${stream}/${subject}`;
    const expected = (last.get(key) ?? 0) + 1;
    last.set(key, version);
    return version === expected ? [] : [`${where}: ${key} has version ${version} where ${expected} comes next`];
  });
}

function contentOf(event: { readonly stream: string; readonly data?: unknown } & Partial<EventOut & { key: string }>) {
  return [event.stream, event.subject ?? event.key, event.type, event.data];
}

/** `GET /transactions/{id}` says what the clients were told, and for the rest what stands on the streams. */
export async function logFindings(
  client: LockstepClient,
  journal: Journal,
  onStreams: ReadonlySet<string>,
): Promise<readonly string[]> {
  const findings: string[] = [];
  const attempts = [...journal.attempts.values()];
  const check = async (): Promise<void> => {
    for (let next = attempts.pop(); next !== undefined; next = attempts.pop()) {
      const status = await statusOf(client, next.id);
      const isCommitted = status === 'committed';
      const agrees = next.knowledge === 'begun' || isCommitted === (next.knowledge === 'committed');
      if (!agrees || isCommitted !== onStreams.has(next.id) || status === 'open') {
        findings.push(`${next.id} is ${next.knowledge} to its client, ${status} in the log`);
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, check));
  return findings;
}

async function statusOf(client: LockstepClient, id: string): Promise<string> {
  try {
    return (await client.getTransaction(id)).status;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'UnknownTransaction') return 'unknown';
    throw error;
  }
}

/** Waits until something holds. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 15_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
