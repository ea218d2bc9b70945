/** `lockstep-streams/lambda`: a function that reads a stream by an event source mapping. */
import { siteClients } from '../adapters/aws/clients.js';
import { readConsumer } from '../adapters/aws/config.js';
import { DynamoControlStore } from '../adapters/aws/dynamo-control.js';
import { systemClock, systemRandom } from '../adapters/aws/environment.js';
import { type Delivered, HandledTable } from '../adapters/aws/handled-table.js';
import { Routes } from '../app/routes.js';
import type { EventOut } from '../core/api.js';
import { type DecodedRecord, UnreadableRecord, decodeRecord } from '../core/record.js';

export type { EventOut } from '../core/api.js';

/** Remembers what has been handled: see `HandledTable`. */
export interface Handled {
  done(events: readonly Delivered[]): Promise<ReadonlySet<string>>;
  once(event: Delivered, forMs: number, work: () => Promise<void>): Promise<void>;
  forget(): Promise<void>;
}

export interface ConsumerOptions {
  /** Where it is remembered what was handled. @default the table of the construct, where it made one; else nowhere */
  readonly handled?: Handled;
  /** Told of records that are none of Lockstep's; they are passed over. @default a line in the log */
  readonly onUnreadable?: (why: UnreadableRecord, sequenceNumber: string) => void;
  /** Told of what a handler threw; its record, and what is behind it, is delivered again. @default a line in the log */
  readonly onFailure?: (error: unknown, event: EventOut) => void;
}

/** As Lambda gives it (`KinesisStreamEvent`), as far as it matters here. */
export interface KinesisBatch {
  readonly Records: readonly {
    readonly kinesis: {
      readonly sequenceNumber: string;
      /** Base 64. */
      readonly data: string;
    };
  }[];
}

/** The first record that was not handled, if any (`KinesisStreamBatchResponse`). */
export interface BatchAnswer {
  readonly batchItemFailures: { readonly itemIdentifier: string }[];
}

export type ConsumerHandler = (
  batch: KinesisBatch,
  context: { getRemainingTimeInMillis(): number },
) => Promise<BatchAnswer>;

/** After the time-out of a process nothing of it goes on. */
const ENDED_MS = 1000;

/**
 * Makes a Lambda handler of a function that handles one event. Events come in the order of their shard, those of one
 * transaction and key together; heartbeats are left out. What throws is reported as a partial failure: the record of that
 * event and those behind it are delivered again, those before it are not.
 *
 * Without a table each event is handled *at least once*: again after a failure behind it in its batch, after a switchover,
 * when a producer's put had to be repeated. With the table (`exactlyOnce` of the construct) an event that was handled to
 * its end, and noted, is *never handled again*, at whatever site. One whose handler was cut off half-way (time-out,
 * crash), or whose end could not be noted, is begun anew, as it must be: what it had done by then it does twice, unless
 * its effect carries the event's id.
 *
 * @example
 * export const handler = consumer(async ({ type, subject, data }) => { … });
 */
export function consumer(
  handle: (event: EventOut) => Promise<void> | void,
  options: ConsumerOptions = {},
): ConsumerHandler {
  const { onUnreadable = tellUnreadable, onFailure = tellFailure } = options;
  let known: Handled | undefined;
  return async ({ Records }, context) => {
    known ??= options.handled ?? tableOfConstruct() ?? NOTHING_KNOWN;
    const handled = known;
    const records = Records.map((record) => decode(record, onUnreadable));
    const done = await handled.done(records.flatMap(({ events }) => events.map(({ delivered }) => delivered)));
    for (const { sequence, events } of records) {
      for (const { out, delivered } of events) {
        if (done.has(delivered.id)) continue;
        try {
          const forMs = context.getRemainingTimeInMillis() + ENDED_MS;
          await handled.once(delivered, forMs, async () => handle(out));
        } catch (error) {
          onFailure(error, out);
          return { batchItemFailures: [{ itemIdentifier: sequence }] };
        }
      }
    }
    await handled.forget().catch(() => undefined);
    return { batchItemFailures: [] };
  };
}

interface Decoded {
  readonly sequence: string;
  readonly events: readonly { readonly out: EventOut; readonly delivered: Delivered }[];
}

function decode(
  { kinesis }: KinesisBatch['Records'][number],
  onUnreadable: NonNullable<ConsumerOptions['onUnreadable']>,
): Decoded {
  const { sequenceNumber: sequence, data } = kinesis;
  try {
    return { sequence, events: eventsOf(decodeRecord(Buffer.from(data, 'base64'))) };
  } catch (error) {
    if (!(error instanceof UnreadableRecord)) throw error;
    onUnreadable(error, sequence);
    return { sequence, events: [] };
  }
}

function eventsOf(record: DecodedRecord): Decoded['events'] {
  if (record.kind !== 'part') return [];
  // Taken over after an unclean takeover it is the same event still.
  const at = record.firstDecided ?? record.takenFrom ?? record.at;
  return record.events.map(({ out }) => ({ out, delivered: { id: out.id, at } }));
}

const NOTHING_KNOWN: Handled = {
  done: () => Promise.resolve(new Set()),
  once: (_event, _forMs, work) => work(),
  forget: () => Promise.resolve(),
};

const TABLES_MS = 3000;

function tableOfConstruct(): Handled | undefined {
  const config = readConsumer(process.env);
  if (config === undefined) return undefined;
  const { region, table: tableName, control, sites: count, ...rest } = config;
  const { dynamodb: client } = siteClients({ region }, { tablesMs: TABLES_MS, streamsMs: TABLES_MS });
  const shared = { client, clock: systemClock, random: systemRandom };
  const routes = new Routes(new DynamoControlStore({ ...shared, tableName: control }));
  const sites = async () => {
    const { epoch, inSync } = await routes.refresh();
    return { epoch, allInSync: inSync.length === count };
  };
  return new HandledTable({ ...rest, ...shared, tableName, sites });
}

/** Never what an event says. */
function tellUnreadable({ message }: UnreadableRecord, sequenceNumber: string): void {
  log({ what: 'unreadable record', sequenceNumber, why: message });
}

function tellFailure(error: unknown, { id, stream }: EventOut): void {
  const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  log({ what: 'event not handled, to be delivered again', id, stream, why });
}

const log = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
