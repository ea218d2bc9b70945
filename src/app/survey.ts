import { rangeFinder } from '../core/compare.js';
import { glanceAt } from '../core/glance.js';
import { type DecodedRecord, decodeRecord, encodeRecords } from '../core/record.js';
import { Buckets, bucketIn } from '../core/tally.js';
import { NEVER, type Timestamp } from '../core/timestamp.js';
import type { Range } from '../ports/mirror-agent.js';
import type { Position, StreamRecord } from '../ports/streams.js';
import { type LogRow, Pace, decidedEntries } from './log-walk.js';
import type { Site } from './site.js';
import {
  type Expected,
  type Spans,
  concerns,
  decoded,
  isWithin,
  nameOf,
  partsOf,
  positionAt,
  spanOf,
  spansOf,
  sumOf,
} from './survey-parts.js';

/**
 * What stands on the replicas here, held against the log here: every record, byte by byte, without keeping either in
 * memory. Both are summed up in buckets by stream and transaction; the log's are added, the stream's taken away, and what
 * is left over says where to look closely.
 */

const READ_PAGE = 2000;
const BITS = 16;
/** Parts that are looked at closely at a time. */
const TOGETHER = 50_000;

export type FindingKind = 'lost' | 'doubled' | 'altered' | 'foreign' | 'unreadable';

/** Where a record stands on a replica here. */
export interface Place {
  readonly shardId: string;
  readonly sequence: string;
}

/** Something that stands on a replica here and should not, or should and does not. */
export interface Found {
  readonly kind: FindingKind;
  readonly stream: string;
  /** None for what is lost. */
  readonly place?: Place;
  /** Of what was doubled: where it stands first. */
  readonly first?: Place;
  readonly transactionId?: string;
  readonly key?: string;
  readonly at?: Timestamp;
  /** The entry's own record of this part does not stand on the replica. */
  readonly isMissing: boolean;
  readonly what: string;
}

/**
 * @param ranges none of which overlap; those of a stream cover all hashed keys
 * @param tell is told what is wrong
 * @param onProgress is told how many parts and records were read so far
 */
export async function surveyHere(
  site: Site,
  ranges: readonly Range[],
  tell: Tell,
  onProgress: OnProgress = () => undefined,
): Promise<void> {
  await new Surveyor(site, ranges, tell, onProgress).run();
}

type Tell = (found: Found) => void;
type OnProgress = (read: number) => void | Promise<void>;

/** A part, and where its record was met. */
type Sought = Expected & { seen?: Place };

interface Stray {
  readonly stream: string;
  readonly place: Place;
  readonly record: StreamRecord;
}

class Surveyor {
  readonly #site: Site;
  readonly #tell: Tell;
  readonly #onProgress: OnProgress;
  readonly #find: ReturnType<typeof rangeFinder>;
  readonly #spans: Spans;
  readonly #buckets = new Buckets(BITS);
  readonly #strays: Stray[] = [];
  #parts = 0;
  #records = 0;

  constructor(site: Site, ranges: readonly Range[], tell: Tell, onProgress: OnProgress) {
    this.#site = site;
    this.#tell = tell;
    this.#onProgress = onProgress;
    this.#find = rangeFinder(ranges);
    this.#spans = spansOf(ranges);
  }

  async run(): Promise<void> {
    for await (const part of this.#expected()) {
      this.#parts += 1;
      this.#buckets.add(nameOf(part.stream, part.id), sumOf(part), 1);
    }
    for (const [stream, span] of this.#spans) {
      for await (const { record, place } of recordsOf(this.#site, stream, span.from)) {
        this.#records += 1;
        if (this.#records % READ_PAGE === 0) await this.#onProgress(this.#parts + this.#records);
        const glance = glanceAt(record.partitionKey, record.data);
        if (!glance) this.#strays.push(...(isHeartbeat(record) ? [] : [{ stream, place, record }]));
        else if (isWithin(span, glance.at)) this.#buckets.add(nameOf(stream, glance.id), glance.sum, -1);
      }
    }
    await this.#lookClosely();
  }

  /** The parts that the log here has in these ranges. */
  async *#expected(only?: ReadonlySet<number>): AsyncGenerator<Expected> {
    const isMeant = (name: string): boolean => !only || only.has(bucketIn(name, BITS));
    const wants = (row: LogRow): boolean => concerns(row, this.#spans, isMeant);
    for await (const entry of decidedEntries(this.#site, spanOf(this.#spans), wants)) {
      yield* partsOf(this.#site, entry, this.#find);
    }
  }

  /** Item by item, only in buckets in which something is left over. */
  async #lookClosely(): Promise<void> {
    const { left, counts } = this.#buckets;
    for (let from = 0; from < left.length;) {
      const only = new Set<number>();
      for (let size = 0; from < left.length && size < TOGETHER; from += 1) {
        const bucket = left[from] ?? 0;
        only.add(bucket);
        size += (counts[bucket] ?? 0) + 1;
      }
      await this.#compare(only);
    }
    for (const stray of this.#strays) this.#tellStray(stray, new Map());
  }

  async #compare(only: ReadonlySet<number>): Promise<void> {
    const expected = new Map<string, Sought>();
    for await (const part of this.#expected(only)) {
      if (only.has(bucketIn(nameOf(part.stream, part.id), BITS))) expected.set(`${part.stream}/${sumOf(part)}`, part);
    }
    const strays: Stray[] = [];
    for (const [stream, span] of this.#spans) {
      for await (const { record, place } of recordsOf(this.#site, stream, span.from)) {
        const glance = glanceAt(record.partitionKey, record.data);
        if (!glance || !isWithin(span, glance.at) || !only.has(bucketIn(nameOf(stream, glance.id), BITS))) continue;
        const part = expected.get(`${stream}/${glance.sum}`);
        if (!part) strays.push({ stream, place, record });
        else if (part.seen) this.#tellDoubled(part, part.seen, place);
        else part.seen = place;
      }
    }
    const byPart = new Map([...expected.values()].map((part) => [partNameOf(part), part]));
    const known = new Set<string>();
    for (const stray of strays) this.#tellStray(stray, byPart, known);
    for (const part of expected.values()) if (!part.seen) this.#tellLost(part, known);
  }

  #tellDoubled({ stream, id, key, at }: Sought, first: Place, place: Place): void {
    const what = 'stands twice: readers give it once';
    this.#tell({ kind: 'doubled', stream, transactionId: id, key, at, first, place, isMissing: false, what });
  }

  #tellLost(part: Sought, altered: ReadonlySet<string>): void {
    // What stands in its place was told already.
    if (altered.has(partNameOf(part))) return;
    const { stream, id, key, at } = part;
    this.#tell({ kind: 'lost', stream, transactionId: id, key, at, isMissing: true, what: 'does not stand here' });
  }

  /** A record that is not as any entry gives it. */
  #tellStray({ stream, place, record }: Stray, byPart: ReadonlyMap<string, Sought>, altered = new Set<string>()): void {
    const told = decoded(record);
    if (typeof told === 'string') {
      this.#tell({ kind: 'unreadable', stream, place, isMissing: false, what: told });
      return;
    }
    if (told.kind === 'heartbeat') return;
    const { transactionId, key, at } = told;
    const part = byPart.get(partNameOf({ stream, id: transactionId, key }));
    const what = part
      ? difference(told, record, part, this.#site.ports.deployment.name)
      : 'no committed transaction here has this part';
    if (part && what === undefined) {
      // The same in another spelling.
      if (part.seen) this.#tellDoubled(part, part.seen, place);
      else part.seen = place;
      return;
    }
    if (part) altered.add(partNameOf(part));
    const found = { stream, place, transactionId, key, at };
    this.#tell({
      ...found,
      kind: part ? 'altered' : 'foreign',
      isMissing: part !== undefined && !part.seen,
      what: what ?? '',
    });
  }
}

const partNameOf = ({ stream, id, key }: Pick<Expected, 'stream' | 'id' | 'key'>): string => `${stream}/${id}/${key}`;
/** What a record says that its entry does not. Nothing, where it is only spelt otherwise. */
function difference(
  told: Extract<DecodedRecord, { kind: 'part' }>,
  record: StreamRecord,
  part: Expected,
  source: string,
): string | undefined {
  if (record.partitionKey !== part.key) return `its partition key is ${JSON.stringify(record.partitionKey)}`;
  const put = encodeRecords(part.entry, source, () => NEVER).find(
    ({ stream, key }) => stream === part.stream && key === part.key,
  );
  const wanted = decodeRecord(put?.data ?? record.data) as typeof told;
  const members = Object.keys(wanted).filter((name) => name !== 'closed' && name !== 'events') as (keyof typeof told)[];
  const wrong = members.filter((name) => JSON.stringify(told[name]) !== JSON.stringify(wanted[name]));
  if (told.events.length !== wanted.events.length)
    return `it has ${told.events.length} events, not ${wanted.events.length}`;
  wanted.events.forEach((event, index) => {
    const there = { ...told.events[index]?.out, after: told.events[index]?.after } as Record<string, unknown>;
    const outs = { ...event.out, after: event.after } as Record<string, unknown>;
    for (const name of new Set([...Object.keys(outs), ...Object.keys(there)])) {
      if (JSON.stringify(outs[name]) !== JSON.stringify(there[name])) wrong.push(name as keyof typeof told);
    }
  });
  return wrong.length === 0 ? undefined : `not as in the log: ${[...new Set<string>(wrong)].join(', ')}`;
}

function isHeartbeat(record: StreamRecord): boolean {
  const told = decoded(record);
  return typeof told !== 'string' && told.kind === 'heartbeat';
}

/** Every record on the replica here, from the time of a timestamp on. */
async function* recordsOf(
  site: Site,
  stream: string,
  from: Timestamp,
): AsyncGenerator<{ readonly record: StreamRecord; readonly place: Place }> {
  const name = site.registry.localReplica(stream)?.physicalName;
  const description = name === undefined ? undefined : await site.streams.describe(name);
  if (name === undefined || description?.status !== 'active') return;
  const pace = new Pace(site);
  const start = positionAt(site, from);
  for (const { shardId } of description.shards) {
    let position: Position | undefined = start;
    while (position !== undefined) {
      const page = await site.streams.read(name, shardId, position, READ_PAGE);
      for (const record of page.records) yield { record, place: { shardId, sequence: record.sequence } };
      position = page.atTip ? undefined : page.next;
      await pace.turn();
    }
  }
}
