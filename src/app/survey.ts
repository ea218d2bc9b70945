import { entryLines, outLine, rangeFinder } from '../core/compare.js';
import type { DecidedEntry } from '../core/entry.js';
import { glanceAt, glanceSum } from '../core/glance.js';
import { NO_REPLICA } from '../core/proof.js';
import { type DecodedRecord, UnreadableRecord, decodeRecord, encodeRecords, recordTexts } from '../core/record.js';
import { Buckets, type Tally, bucketIn, newTally, tally, tallyText } from '../core/tally.js';
import { NEVER, type Timestamp, latest, msOf } from '../core/timestamp.js';
import type { Range } from '../ports/mirror-agent.js';
import type { Position, StreamRecord } from '../ports/streams.js';
import { type LogRange, type LogRow, Pace, decidedEntries } from './log-walk.js';
import type { Site } from './site.js';

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

export interface Survey {
  /** In the order of the ranges that were asked for. */
  readonly ranges: readonly { readonly log: string; readonly stream: string }[];
  /** Parts in the log, and records that were read. */
  readonly parts: number;
  readonly records: number;
}

/**
 * @param ranges none of which overlap; those of a stream cover all hashed keys
 * @param tell is told what is wrong, if anybody wants to know
 * @param onProgress is told how many parts and records were read so far
 */
export async function surveyHere(
  site: Site,
  ranges: readonly Range[],
  tell: Tell = () => undefined,
  onProgress: OnProgress = () => undefined,
): Promise<Survey> {
  const survey = new Surveyor(site, ranges, tell, onProgress);
  return survey.run();
}

type Tell = (found: Found) => void;
type OnProgress = (read: number) => void | Promise<void>;

/** A part as the log has it: which record of it is expected. */
interface Expected {
  readonly entry: DecidedEntry;
  readonly stream: string;
  readonly id: string;
  readonly key: string;
  readonly at: Timestamp;
  readonly line: string;
  readonly range: number;
  readonly text: string;
  seen?: Place;
}

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
  readonly #spans: ReadonlyMap<string, Required<LogRange>>;
  readonly #log: readonly Tally[];
  /** What the stream has more than the log; what it has less is taken away. */
  readonly #more: readonly Tally[];
  readonly #ranges: readonly Range[];
  readonly #buckets = new Buckets(BITS);
  readonly #strays: Stray[] = [];
  #parts = 0;
  #records = 0;

  constructor(site: Site, ranges: readonly Range[], tell: Tell, onProgress: OnProgress) {
    this.#site = site;
    this.#ranges = ranges;
    this.#tell = tell;
    this.#onProgress = onProgress;
    this.#find = rangeFinder(ranges);
    this.#spans = spansOf(ranges);
    this.#log = ranges.map(newTally);
    this.#more = ranges.map(newTally);
  }

  async run(): Promise<Survey> {
    for await (const part of this.#expected()) {
      this.#parts += 1;
      tally(this.#log[part.range] as Tally, part.line);
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
    const ready = this.#ranges.map(({ stream }) => isReady(this.#site, stream));
    return {
      ranges: this.#log.map((log, index) => ({
        log: tallyText(log),
        stream: ready[index] ? tallyText(together(log, this.#more[index] as Tally)) : NO_REPLICA,
      })),
      parts: this.#parts,
      records: this.#records,
    };
  }

  /** The parts that the log here has in these ranges. */
  async *#expected(only?: ReadonlySet<number>): AsyncGenerator<Expected> {
    const spans = [...this.#spans.values()];
    const from = spans.reduce((low, span) => (span.from < low ? span.from : low), spans[0]?.from ?? NEVER);
    const to = latest(...spans.map((span) => span.to));
    const isConcerned = ({ id, status, item }: LogRow): boolean =>
      status === 'committed' &&
      String(item['streams'])
        .split(',')
        .some((stream) => this.#spans.has(stream) && (!only || only.has(bucketIn(nameOf(stream, id), BITS))));
    for await (const entry of decidedEntries(this.#site, { from, to }, isConcerned)) yield* this.#partsOf(entry);
  }

  *#partsOf(entry: DecidedEntry): Generator<Expected> {
    const records = recordTexts(entry, this.#site.ports.deployment.name);
    for (const [index, part] of entryLines(entry).entries()) {
      const range = this.#find(part);
      const record = records[index];
      if (range < 0 || !record) continue;
      const { stream, key, text } = record;
      yield { entry, stream, id: entry.id, key, at: entry.at, line: part.line, range, text };
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
    const expected = new Map<string, Expected>();
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

  #tellDoubled({ stream, id, key, at }: Expected, first: Place, place: Place): void {
    const what = 'stands twice: readers give it once';
    this.#tell({ kind: 'doubled', stream, transactionId: id, key, at, first, place, isMissing: false, what });
  }

  #tellLost(part: Expected, altered: ReadonlySet<string>): void {
    tally(this.#more[part.range] as Tally, part.line, -1);
    // What stands in its place was told already.
    if (altered.has(partNameOf(part))) return;
    const { stream, id, key, at } = part;
    this.#tell({ kind: 'lost', stream, transactionId: id, key, at, isMissing: true, what: 'does not stand here' });
  }

  /** A record that is not as any entry gives it. */
  #tellStray(
    { stream, place, record }: Stray,
    byPart: ReadonlyMap<string, Expected>,
    altered = new Set<string>(),
  ): void {
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
    const line = outLine(told.events.map(({ out }) => out));
    const range = this.#find(line);
    if (range >= 0 && line.stream === stream && !altered.has(line.line)) tally(this.#more[range] as Tally, line.line);
    altered.add(line.line);
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

const nameOf = (stream: string, id: string): string => `${stream}/${id}`;
const partNameOf = ({ stream, id, key }: Pick<Expected, 'stream' | 'id' | 'key'>): string => `${stream}/${id}/${key}`;
const sumOf = ({ key, text }: Expected): string => glanceSum(key, text);
const isWithin = ({ from, to }: Required<LogRange>, at: Timestamp): boolean => from < at && at <= to;

function together(a: Tally, b: Tally): Tally {
  return { count: a.count + b.count, lanes: a.lanes.map((lane, index) => lane + (b.lanes[index] ?? 0)) };
}

function spansOf(ranges: readonly Range[]): ReadonlyMap<string, Required<LogRange>> {
  const spans = new Map<string, Required<LogRange>>();
  for (const { stream, from, to } of ranges) {
    const span = spans.get(stream) ?? { from, to };
    spans.set(stream, { from: from < span.from ? from : span.from, to: latest(to, span.to) });
  }
  return spans;
}

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

function decoded(record: StreamRecord): DecodedRecord | string {
  try {
    return decodeRecord(record.data);
  } catch (error) {
    if (error instanceof UnreadableRecord) return error.message;
    throw error;
  }
}

function isHeartbeat(record: StreamRecord): boolean {
  const told = decoded(record);
  return typeof told !== 'string' && told.kind === 'heartbeat';
}

function isReady(site: Site, stream: string): boolean {
  return site.registry.localReplica(stream) !== undefined;
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
  const start: Position = from === NEVER ? 'oldest' : { atMs: startMs(site, from) };
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

/** Records above a timestamp arrived at or after this time, whichever term they are of. */
function startMs(site: Site, from: Timestamp): number {
  const newer = site.routes.known.terms.filter(({ term }) => term > Number(from.slice(0, 8)));
  return Math.min(msOf(from), ...newer.map((term) => term.startedAtMs)) - site.options.readMarginMs;
}
