import { type Entry, isDecided, sumOf } from '../core/entry.js';
import { PortThrottled } from '../ports/failures.js';
import type { LogLine, MarkedEntry, MirrorAgent, OpenTransaction } from '../ports/mirror-agent.js';
import { recallBacklogs } from './applier.js';
import { announceHere } from './candidates.js';
import { behindHere, closeHere, type Closer } from './close.js';
import { moveHere } from './consumers.js';
import { digestsHere } from './digests.js';
import { fencedTo } from './guards.js';
import { bucketsHere, linesHere } from './log-compare.js';
import { firstFree, openEntryOf, readEntries, readMarked, readTransaction } from './log.js';
import { type Mark, markPk, readMark } from '../core/items.js';
import type { EventContent } from '../core/event.js';
import { tend } from './provision.js';
import { putSettled, takeDecisions } from './replicate.js';
import type { Site } from './site.js';
import { stageHere } from './stage.js';
import { decideAnew } from './decide-anew.js';
import { adoptHere, fenceHere, raiseHere } from './takeover.js';

/** About as much as one answer of a function may hold. */
const MAX_ANSWER_BYTES = 3 * 1024 * 1024;

const PROVISION = 'provision-';

/** The mirror agent of a site: what other sites can ask of it. Each method is a use case, local work only. */
export function createAgent(site: Site, closer: Closer, perform: MirrorAgent['perform']): MirrorAgent {
  return {
    probe: () => probeHere(site),
    sees: ({ site: other }) => sees(site, other),
    tend: () => tendToEnd(site),
    stage: (request) => stageHere(site, request),
    announce: (request) => announceHere(site, request),
    replicate: (request) => takeDecisions(site, request),
    settle: async ({ ids }) => ({ behind: await putSettled(site, ids) }),
    close: (request) => closeHere(site, request),
    closeNow: () => closer.closeNow(),
    fence: (request) => fenceHere(site, request),
    raise: (request) => raiseHere(site, request),
    pending: (request) => pendingHere(site, request),
    adopt: (request) => adoptHere(site, request),
    lookup: async ({ ids }) => (await readEntries(site, ids)).map((entry) => entry && lineOfAny(entry)),
    fetch: async ({ ids }) => upToSize(await readMarked(site, ids)),
    stagings: (request) => stagingsHere(site, request),
    lines: (request) => linesHere(site, request),
    buckets: (request) => bucketsHere(site, request),
    digests: (request) => digestsHere(site, request),
    takeOver: async ({ entry }) => ((await decideAnew(site, entry)) ? 'taken' : 'refused'),
    perform,
  };
}

/** Another process may have left a backlog since this one looked: streams are moved by this answer. */
async function probeHere(site: Site) {
  const [term] = await Promise.all([fencedTo(site), recallBacklogs(site)]);
  return { nowMs: site.clock.now(), term, behind: behindHere(site) };
}

/** A stream takes tens of seconds until it is there: nobody waits for that, a workflow goes on. What reads here, follows. */
async function tendToEnd(site: Site): Promise<void> {
  await tend(site);
  await moveHere(site);
  if (site.registry.local.every(({ replica }) => replica.state === 'ready')) return;
  const name = `${PROVISION}${site.newId()}`;
  const run = site.run({ workflow: 'provisioning', context: {}, name, unless: PROVISION });
  site.ports.later(run.catch(() => undefined));
}

async function sees(site: Site, other: string): Promise<boolean> {
  try {
    await site.peers.agent(other).probe();
    return true;
  } catch (error) {
    return error instanceof PortThrottled;
  }
}

function lineOfAny(entry: Entry): LogLine {
  return isDecided(entry)
    ? { id: entry.id, status: entry.status, at: entry.at, sum: sumOf(entry) }
    : { id: entry.id, status: 'open' };
}

/** The first of them, as many as fit one answer. */
function upToSize(marked: readonly MarkedEntry[]): readonly MarkedEntry[] {
  let bytes = 0;
  return marked.filter(({ entry }, index) => {
    bytes += bytesOf(entry.events);
    return index === 0 || bytes <= MAX_ANSWER_BYTES;
  });
}

const bytesOf = (events: readonly EventContent[]): number =>
  events.reduce((sum, event) => sum + (event.data ?? event.dataBase64 ?? '').length, 0);

/** Marks in a page of pending decisions or of open transactions. */
const MARKS = 200;

interface MarksPage {
  readonly marks: readonly Mark[];
  /** Where to go on behind a mark of this page. */
  readonly behind: (id: string) => string;
  /** Where to go on behind all of them; absent at the end. */
  readonly next?: string;
}

/** A page of the marks, bucket by bucket; `after` is the bucket and, within it, the id that was answered last. */
async function marksOf(site: Site, after: string | undefined): Promise<MarksPage> {
  const slash = after?.indexOf('/') ?? -1;
  const bucket = Number(slash < 0 ? (after ?? 0) : after?.slice(0, slash));
  const id = slash < 0 ? undefined : after?.slice(slash + 1);
  const range = { pk: markPk(bucket), limit: MARKS, ...(id === undefined ? {} : { after: id }) };
  const { rows, next } = await site.tables.query(range);
  const behind = (last: string): string => `${bucket}/${last}`;
  const goOn = next === undefined ? (bucket + 1 < site.copies ? String(bucket + 1) : undefined) : behind(next);
  return {
    marks: rows.map(({ key, item }) => readMark(key.sk, item)),
    behind,
    ...(goOn === undefined ? {} : { next: goOn }),
  };
}

/** What fits one answer; what does not is for the next page. */
async function pendingHere(site: Site, { after }: { readonly after?: string }) {
  const page = await marksOf(site, after);
  const ids = page.marks.filter((mark) => mark.state === 'pending').map((mark) => mark.id);
  const pending = (await readMarked(site, ids)).filter((marked) => marked.markEpoch !== undefined);
  const entries = upToSize(pending);
  const last = entries.at(-1)?.entry.id;
  const next = entries.length < pending.length && last !== undefined ? page.behind(last) : page.next;
  return { entries, ...(next === undefined ? {} : { next }) };
}

async function stagingsHere(
  site: Site,
  { after }: { readonly after?: string },
): Promise<{ readonly open: readonly OpenTransaction[]; readonly next?: string }> {
  const page = await marksOf(site, after);
  const open: OpenTransaction[] = [];
  let bytes = 0;
  for (const { id } of page.marks.filter((mark) => mark.state === 'open')) {
    const state = await readTransaction(site, id);
    if (!state.entry || isDecided(state.entry)) continue;
    const { staged: events, candidates } = state;
    open.push({ entry: openEntryOf(state.entry), next: firstFree(state), events, candidates });
    bytes += bytesOf([...events, ...candidates]);
    if (bytes > MAX_ANSWER_BYTES) return { open, next: page.behind(id) };
  }
  return { open, ...(page.next === undefined ? {} : { next: page.next }) };
}
