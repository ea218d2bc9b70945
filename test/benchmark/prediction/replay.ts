import { MemoryStore } from '../../../src/adapters/embedded/memory-store.js';
import { VirtualClock, seededRandom } from '../../../src/adapters/embedded/virtual-clock.js';
import type { EventIn, Json } from '../../../src/core/api.js';
import { prepareEvent } from '../../../src/core/event.js';
import type { OptionsInput } from '../../../src/core/options.js';
import { type EmbeddedLockstep, openEmbedded } from '../../../src/embedded/engine.js';
import type { Clock } from '../../../src/ports/environment.js';
import type { Tables } from '../../../src/ports/tables.js';
import type { Predictor } from '../../../src/ports/predictor.js';
import type { LogCase, LogEvent } from '../../../cli/tour/event-log.js';
import { PRICES } from '../../infra/cost.js';

/** What of a row is the payload: activity and case, all columns but the time (which is the event's `time`), or all. */
export const PAYLOADS = ['activity', 'columns', 'all'] as const;
export type Payload = (typeof PAYLOADS)[number];

export interface ReplayOptions {
  readonly cases: readonly LogCase[];
  readonly payload: Payload;
  /** The column that holds the time. */
  readonly timeColumn: string;
  readonly roundTripMs: number;
  /** Cases under way at the same time, and the time between two writes of one on average, milliseconds. */
  readonly concurrency: number;
  readonly thinkMs: number;
  /** Who foresees at each site, by the clock of the replay. */
  readonly predictor?: (clock: Clock) => Predictor;
  readonly options?: OptionsInput;
}

/** What one replay came to. Milliseconds are virtual. */
export interface Replay {
  readonly events: number;
  readonly committed: number;
  readonly wait: { readonly meanMs: number; readonly p50Ms: number; readonly p99Ms: number };
  readonly commitMs: number;
  /** Share of writes that were foreseen, and of those that were not the first of their transaction. */
  readonly foreseen: number;
  readonly foreseenAfterFirst: number;
  readonly candidatesPerEvent: number;
  readonly precision: number;
  /** Of candidates, for each byte of payload. */
  readonly extraBytes: number;
  /** DynamoDB write units, both sites, for each event. */
  readonly writeUnits: number;
  readonly dollarsPerMillionEvents: number;
  readonly waitSavedMs: number;
}

const STREAM = 'log';
const SETTLE_MS = 5_000;

/** Replays the cases of a log as interactive transactions over two sites, on the virtual clock. */
export async function replay(given: ReplayOptions): Promise<Replay> {
  const clock = new VirtualClock();
  const units = { written: 0 };
  const engine = await openEmbedded({
    clock,
    random: seededRandom(1),
    roundTripMs: given.roundTripMs,
    storeOf: () => new MemoryStore(),
    predictorOf: () => given.predictor?.(clock),
    options: { logRetentionMs: 60_000, ...given.options },
    wrap: { tables: (_site, tables) => counting(tables, units) },
  });
  try {
    await clock.run(engine.service.putStream(STREAM, {}));
    const story = new Story(clock, engine, given);
    units.written = 0;
    await clock.run(story.run());
    await clock.advance(SETTLE_MS);
    const { counts, bytes, waitSavedMs } = await clock.run(engine.service.getPredictions());
    return story.told(counts, bytes, waitSavedMs, units.written);
  } finally {
    await clock.run(engine.close());
  }
}

/** As DynamoDB counts them: a KiB begun each, twice in a transaction. */
function counting(tables: Tables, units: { written: number }): Tables {
  const sizeOf = (write: object): number => Math.ceil(JSON.stringify(write).length / 1024);
  return {
    ...tables,
    maxItems: tables.maxItems,
    maxItemBytes: tables.maxItemBytes,
    maxTransactBytes: tables.maxTransactBytes,
    transact: (writes) => {
      for (const write of writes) units.written += 2 * sizeOf(write);
      return tables.transact(writes);
    },
    writeEach: (writes) => {
      for (const write of writes) units.written += sizeOf(write);
      return tables.writeEach(writes);
    },
  };
}

class Story {
  readonly #clock: VirtualClock;
  readonly #engine: EmbeddedLockstep;
  readonly #given: ReplayOptions;
  readonly #random = seededRandom(2);
  readonly #waits: number[] = [];
  #next = 0;
  #committed = 0;
  #committingMs = 0;
  #foreseen = 0;
  #bytes = 0;

  constructor(clock: VirtualClock, engine: EmbeddedLockstep, given: ReplayOptions) {
    this.#clock = clock;
    this.#engine = engine;
    this.#given = given;
  }

  /** So many clients, each with one case after the other. */
  async run(): Promise<void> {
    const { concurrency, cases } = this.#given;
    const client = async (): Promise<void> => {
      await this.#think();
      while (this.#next < cases.length) {
        const index = this.#next;
        this.#next += 1;
        await this.#transaction(`case-${index}`, cases[index] as LogCase);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, client));
  }

  async #transaction(id: string, { id: key, events }: LogCase): Promise<void> {
    const { service } = this.#engine;
    await service.begin({ id, streams: [STREAM], deadlineMs: 900_000 });
    const digests: string[] = [];
    for (const row of events) {
      await this.#think();
      const event = eventOf(key, row, this.#given);
      this.#bytes += Buffer.byteLength(JSON.stringify(event));
      digests.push(prepareEvent(event).digest);
      const startMs = this.#clock.now();
      const { events: told } = await service.write(id, { events: [event] });
      this.#waits.push(this.#clock.now() - startMs);
      if (told.some(({ foreseen }) => foreseen.length > 0)) this.#foreseen += 1;
    }
    await this.#think();
    const startMs = this.#clock.now();
    await service.commit(id, { digests });
    this.#committingMs += this.#clock.now() - startMs;
    this.#committed += 1;
  }

  /** Exponential: most pauses are short, a few are long. */
  #think(): Promise<void> {
    return this.#clock.sleep(-Math.log(1 - this.#random.next()) * this.#given.thinkMs);
  }

  told(
    counts: { readonly written: number; readonly confirmed: number },
    bytes: { readonly written: number },
    waitSavedMs: number,
    writeUnits: number,
  ): Replay {
    const waits = [...this.#waits].sort((a, b) => a - b);
    const at = (share: number) => round(waits[Math.floor((waits.length - 1) * share)] ?? 0);
    const events = waits.length;
    return {
      events,
      committed: this.#committed,
      wait: { meanMs: round(waits.reduce((sum, ms) => sum + ms, 0) / events), p50Ms: at(0.5), p99Ms: at(0.99) },
      commitMs: round(this.#committingMs / this.#committed),
      foreseen: round(this.#foreseen / events),
      foreseenAfterFirst: round(this.#foreseen / Math.max(1, events - this.#given.cases.length)),
      candidatesPerEvent: round(counts.written / events),
      precision: round(counts.confirmed / Math.max(1, counts.written)),
      extraBytes: round(bytes.written / this.#bytes),
      writeUnits: round(writeUnits / events),
      dollarsPerMillionEvents: round((writeUnits / events) * PRICES.writes),
      waitSavedMs,
    };
  }
}

function eventOf(key: string, { activity, time, row }: LogEvent, { payload, timeColumn }: ReplayOptions): EventIn {
  const all = { ...row, [timeColumn]: time };
  const data: Readonly<Record<Payload, Json>> = { activity: { case: key, activity }, columns: row, all };
  return { stream: STREAM, key, type: activity, data: data[payload], ...(payload === 'activity' ? {} : { time }) };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
