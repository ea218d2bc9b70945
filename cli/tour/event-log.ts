import { stat } from 'node:fs/promises';
import { type Columns, ColumnError, findColumns, type Role, uniqueNames } from './columns.js';
import { type CsvRecord, readCsv, type UnreadableLine } from './csv.js';
import { messageOf } from '../errors.js';
import { toRfc3339 } from './timestamps.js';

/** Kept with their reasons; more are counted only. */
const MAX_NAMED_ROWS = 1_000;
const MAX_NAME_CHARACTERS = 256;
/** What one transaction takes: a case beyond it cannot be one. */
const MAX_EVENTS_PER_CASE = 500;
const MAX_BYTES_PER_CASE = 3_500_000;
const MAX_BYTES_PER_ROW = 900_000;

export interface LogEvent {
  /** The line of the file on which its row begins, from 1. */
  readonly line: number;
  readonly activity: string;
  /** RFC 3339. */
  readonly time: string;
  /** All columns but that of the time, by name. */
  readonly row: Readonly<Record<string, string>>;
}

/** One run through a process: its events in the order of the file. */
export interface LogCase {
  readonly id: string;
  readonly events: readonly LogEvent[];
}

export interface EventLog {
  /** In the order in which they first appear. */
  readonly cases: readonly LogCase[];
  readonly eventCount: number;
  readonly columns: Columns;
  readonly broken: { readonly count: number; readonly rows: readonly UnreadableLine[] };
}

export interface EventLogOptions {
  /** Columns named by the user. */
  readonly columns?: Readonly<Partial<Record<Role, string>>>;
  /** The first broken row ends it. @default false */
  readonly strict?: boolean;
  /** Only the first so many cases, each in full. */
  readonly maxCases?: number;
}

export class EventLogError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EventLogError';
  }
}

/**
 * Reads an event log from a CSV file. Rows need not be in order of time, nor the rows of a case together.
 *
 * @throws EventLogError where there is no such file, no row, no column for case, activity or time, or, when `strict`,
 *   a broken row
 */
export async function readEventLog(path: string, options: EventLogOptions = {}): Promise<EventLog> {
  await requireFile(path);
  const reader = new EventLogReader(path, options);
  try {
    await readCsv(path, reader);
  } catch (error) {
    if (error instanceof ColumnError) throw new EventLogError(`${path}: ${error.message}`);
    throw error;
  }
  return reader.result();
}

async function requireFile(path: string): Promise<void> {
  try {
    const { size } = await stat(path);
    if (size === 0) throw new EventLogError(`${path} is empty; an event log has a header and a row for each event`);
  } catch (error) {
    if (error instanceof EventLogError) throw error;
    throw new EventLogError(`${path} cannot be read: ${messageOf(error)}`);
  }
}

interface OpenCase {
  readonly id: string;
  readonly events: LogEvent[];
  bytes: number;
}

class EventLogReader {
  private names: readonly string[] | undefined;
  private columns: Columns | undefined;
  private readonly cases = new Map<string, OpenCase>();
  private readonly rows: UnreadableLine[] = [];
  private readonly path: string;
  private readonly options: EventLogOptions;
  private brokenCount = 0;

  constructor(path: string, options: EventLogOptions) {
    this.path = path;
    this.options = options;
  }

  record({ line, fields }: CsvRecord): string | undefined {
    if (this.names === undefined || this.columns === undefined) {
      this.names = uniqueNames(fields);
      this.columns = findColumns(this.names, this.options.columns ?? {});
      return undefined;
    }
    if (fields.length !== this.names.length) return `${fields.length} fields where the header has ${this.names.length}`;
    const row = Object.fromEntries(this.names.map((name, index) => [name, fields[index] ?? '']));
    return this.take(line, row, this.columns);
  }

  unreadable(broken: UnreadableLine, rows = 1): void {
    if (this.columns === undefined) throw new EventLogError(`${this.path}: the header is broken: ${broken.reason}`);
    if (this.options.strict === true) {
      throw new EventLogError(`${this.path}, line ${broken.line}: ${broken.reason} (--strict)`);
    }
    this.brokenCount += rows;
    if (this.rows.length < MAX_NAMED_ROWS) this.rows.push(broken);
  }

  result(): EventLog {
    if (this.columns === undefined) throw new EventLogError(`${this.path} has no header`);
    for (const tooLarge of [...this.cases.values()].filter(isTooLarge)) this.leaveOut(tooLarge);
    const cases = [...this.cases.values()];
    if (cases.length === 0) {
      const first = this.rows[0];
      const why = first === undefined ? '' : `; line ${first.line}: ${first.reason}`;
      throw new EventLogError(`${this.path} has no row that can be used${why}`);
    }
    return {
      cases,
      eventCount: cases.reduce((sum, { events }) => sum + events.length, 0),
      columns: this.columns,
      broken: { count: this.brokenCount, rows: this.rows },
    };
  }

  private take(line: number, row: Readonly<Record<string, string>>, columns: Columns): string | undefined {
    const id = (row[columns.case] ?? '').trim();
    const activity = (row[columns.activity] ?? '').trim();
    const time = toRfc3339(row[columns.timestamp] ?? '');
    const bytes = Buffer.byteLength(JSON.stringify(row));
    const wrong = wrongName('case', id) ?? wrongName('activity', activity) ?? wrongRow(row, bytes);
    if (wrong !== undefined) return wrong;
    if (time === undefined) return `"${row[columns.timestamp] ?? ''}" is no time like 2012-04-03 16:55:38`;

    let found = this.cases.get(id);
    if (found === undefined) {
      if (this.cases.size === this.options.maxCases) return undefined;
      found = { id, events: [], bytes: 0 };
      this.cases.set(id, found);
    }
    const { [columns.timestamp]: _time, ...payload } = row;
    found.events.push({ line, activity, time, row: payload });
    found.bytes += bytes;
    return undefined;
  }

  private leaveOut({ id, events }: OpenCase): void {
    const line = events[0]?.line ?? 0;
    const reason = `the case "${id}" that begins here is too large for one transaction (${events.length} events)`;
    this.unreadable({ line, reason }, events.length);
    this.cases.delete(id);
  }
}

function isTooLarge({ events, bytes }: OpenCase): boolean {
  return events.length > MAX_EVENTS_PER_CASE || bytes > MAX_BYTES_PER_CASE;
}

function wrongName(role: Role, text: string): string | undefined {
  if (text === '') return `no ${role}`;
  if (text.length > MAX_NAME_CHARACTERS) return `the ${role} is longer than ${MAX_NAME_CHARACTERS} characters`;
  return undefined;
}

function wrongRow(row: Readonly<Record<string, string>>, bytes: number): string | undefined {
  if (bytes > MAX_BYTES_PER_ROW) return `${bytes} bytes in one row are too many`;
  if (Object.values(row).some((text) => text.includes('\uFFFD'))) return 'not valid UTF-8; save the file as UTF-8';
  return undefined;
}
