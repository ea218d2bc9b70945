import { type Entry, isDecided } from '../core/entry.js';
import { sumOf } from '../core/plan.js';
import { PortThrottled } from '../ports/failures.js';
import type { LogLine, MarkedEntry, MirrorAgent, OpenTransaction } from '../ports/mirror-agent.js';
import { behindHere, closeHere, type Closer } from './close.js';
import { digestsHere, linesHere } from './digests.js';
import { fencedTo } from './guards.js';
import { openEntryOf, readEntries, readMarked, readTransaction } from './log.js';
import { markPk, readMark } from '../core/items.js';
import { tend } from './provision.js';
import { putSettled, takeDecisions } from './replicate.js';
import type { Site } from './site.js';
import { stageHere } from './stage.js';
import { decideAnew } from './diverged.js';
import { adoptHere, fenceHere, raiseHere } from './takeover.js';

/** About as much as one answer of a function may hold. */
const MAX_ANSWER_BYTES = 3 * 1024 * 1024;

/** The mirror agent of a site: what other sites can ask of it. Each method is a use case, local work only. */
export function createAgent(site: Site, closer: Closer, perform: MirrorAgent['perform']): MirrorAgent {
  return {
    probe: async () => ({ nowMs: site.clock.now(), term: await fencedTo(site), behind: behindHere(site) }),
    sees: ({ site: other }) => sees(site, other),
    tend: () => tend(site),
    stage: (request) => stageHere(site, request),
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
    digests: (request) => digestsHere(site, request),
    takeOver: ({ entry }) => decideAnew(site, entry),
    perform,
  };
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

function upToSize(marked: readonly MarkedEntry[]): readonly MarkedEntry[] {
  let bytes = 0;
  return marked.filter(({ entry }, index) => {
    bytes += entry.events.reduce((sum, event) => sum + (event.data ?? event.dataBase64 ?? '').length, 0);
    return index === 0 || bytes <= MAX_ANSWER_BYTES;
  });
}

/** Marks of one bucket a page; `after` is the bucket that was answered last. */
async function marksOf(site: Site, after: string | undefined) {
  const bucket = after === undefined ? 0 : Number(after) + 1;
  const marks = [];
  let from: string | undefined;
  do {
    const page = await site.tables.query({ pk: markPk(bucket), ...(from === undefined ? {} : { after: from }) });
    marks.push(...page.rows.map(({ key, item }) => readMark(key.sk, item)));
    from = page.next;
  } while (from !== undefined);
  return { marks, ...(bucket + 1 < site.copies ? { next: String(bucket) } : {}) };
}

async function pendingHere(site: Site, { after }: { readonly after?: string }) {
  const { marks, next } = await marksOf(site, after);
  const ids = marks.filter((mark) => mark.state === 'pending').map((mark) => mark.id);
  const entries = (await readMarked(site, ids)).filter((marked) => marked.markEpoch !== undefined);
  return { entries, ...(next === undefined ? {} : { next }) };
}

async function stagingsHere(
  site: Site,
  { after }: { readonly after?: string },
): Promise<{ readonly open: readonly OpenTransaction[]; readonly next?: string }> {
  const { marks, next } = await marksOf(site, after);
  const open: OpenTransaction[] = [];
  for (const { id } of marks.filter((mark) => mark.state === 'open')) {
    const state = await readTransaction(site, id);
    if (state.entry && !isDecided(state.entry)) {
      open.push({ entry: openEntryOf(state.entry), next: state.next, events: state.staged });
    }
  }
  return { open, ...(next === undefined ? {} : { next }) };
}
