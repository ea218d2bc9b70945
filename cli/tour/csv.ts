import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';

/** A record no longer than this is read; a quote that is never closed stops here instead of swallowing the file. */
const MAX_RECORD_CHARACTERS = 1024 * 1024;
/** How many unreadable places a file may have before it is taken for something else than CSV. */
const MAX_RESTARTS = 1_000;
const DELIMITERS = [',', ';', '\t', '|'] as const;
const HEADER_PROBE_BYTES = 64 * 1024;

export interface CsvRecord {
  /** The physical line on which it begins, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** What stands at a line that cannot be read as a record. */
export interface UnreadableLine {
  readonly line: number;
  readonly reason: string;
}

export interface CsvHandler {
  /** Returns what is wrong with the record, if something is. */
  record(record: CsvRecord): string | undefined;
  unreadable(line: UnreadableLine): void;
}

/** Where reading stands: everything before it has been handled. */
interface Position {
  byte: number;
  line: number;
}

/**
 * Reads a CSV file record by record: RFC 4180 with any usual delimiter and line ending, a byte order mark, and line
 * breaks inside quotes.
 *
 * The parser gives up on a stray quote, or reads on to the next one and takes what is between for one field. Either way
 * more than one line would be lost, so reading then starts again behind the line on which the record began.
 */
export async function readCsv(path: string, handler: CsvHandler): Promise<void> {
  const delimiter = await detectDelimiter(path);
  const position: Position = { byte: 0, line: 1 };
  for (let restarts = 0; restarts <= MAX_RESTARTS; restarts += 1) {
    const failure = await readFrom(path, delimiter, position, handler);
    if (failure === undefined) return;
    handler.unreadable({ line: position.line, reason: failure });
    await skipLine(path, position);
  }
  throw new Error(`${path}: more than ${MAX_RESTARTS} lines with stray quotes; is this a CSV file?`);
}

/** Reads until the end, or until something cannot be read: then says what, with `position` at the record's start. */
async function readFrom(
  path: string,
  delimiter: string,
  position: Position,
  handler: CsvHandler,
): Promise<string | undefined> {
  const startByte = position.byte;
  const parser = parse({
    bom: startByte === 0,
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    raw: true,
    max_record_size: MAX_RECORD_CHARACTERS,
    on_record: (parsed, { bytes }) => {
      const { record, raw } = parsed as unknown as { record: string[]; raw: string };
      const lines = countLines(raw);
      const wrong = isBlank(record) ? undefined : handler.record({ line: position.line, fields: record });
      if (wrong !== undefined) {
        // A record over several lines may be one stray quote and good rows.
        if (lines > 1) throw new UnreadableRecord(wrong);
        handler.unreadable({ line: position.line, reason: wrong });
      }
      position.line += lines;
      position.byte = startByte + bytes;
      return null;
    },
  });
  try {
    await pipeline(createReadStream(path, { start: startByte }), parser, discard());
    return undefined;
  } catch (error) {
    if (error instanceof UnreadableRecord) return error.message;
    if (error instanceof CsvError) return describe(error);
    throw error;
  }
}

class UnreadableRecord extends Error {}

/** Nothing comes out of the parser: records are handled in `on_record`, which an error further on cannot overtake. */
function discard(): Transform {
  return new Transform({ objectMode: true, transform: (_chunk, _encoding, done) => done() });
}

function describe(error: CsvError): string {
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'a quote is opened and not closed';
    case 'CSV_INVALID_CLOSING_QUOTE':
      return 'something follows a closing quote; a quote inside a quoted field is written twice';
    case 'INVALID_OPENING_QUOTE':
      return 'a quote stands inside a field that is not quoted';
    case 'CSV_MAX_RECORD_SIZE':
      return `no end of the row within ${MAX_RECORD_CHARACTERS} characters`;
    default:
      return error.message;
  }
}

function isBlank(fields: readonly string[]): boolean {
  return fields.length === 0 || (fields.length === 1 && fields[0] === '');
}

function countLines(raw: string): number {
  return Math.max(1, raw.match(/\r\n|\n|\r/g)?.length ?? 1);
}

async function skipLine(path: string, position: Position): Promise<void> {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(HEADER_PROBE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position.byte);
      if (bytesRead === 0) return;
      const { skip, ended } = endOfLine(buffer.subarray(0, bytesRead));
      position.byte += skip;
      if (ended) break;
    }
    position.line += 1;
  } finally {
    await file.close();
  }
}

function endOfLine(bytes: Buffer): { skip: number; ended: boolean } {
  const end = bytes.findIndex((byte) => byte === 0x0a || byte === 0x0d);
  if (end < 0) return { skip: bytes.length, ended: false };
  // Whether a line feed follows shows only in the next piece.
  if (bytes[end] === 0x0d && end > 0 && end === bytes.length - 1) return { skip: end, ended: false };
  return { skip: bytes[end] === 0x0d && bytes[end + 1] === 0x0a ? end + 2 : end + 1, ended: true };
}

/** The delimiter that stands most often in the first line, outside of quotes. */
async function detectDelimiter(path: string): Promise<string> {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(HEADER_PROBE_BYTES);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    const text = buffer.toString('utf8', 0, bytesRead).replace(/"[^"]*"/g, '');
    const header = text.split(/\r\n|\n|\r/, 1)[0] ?? '';
    const count = (delimiter: string): number => header.split(delimiter).length;
    return DELIMITERS.reduce((best, next) => (count(next) > count(best) ? next : best));
  } finally {
    await file.close();
  }
}
