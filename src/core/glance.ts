import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { type Timestamp, isTimestamp } from './timestamp.js';

/**
 * A record on a stream, without decoding it: whose it is, and the sum of what it says. A record that was put here, and
 * stands as it was put, has the sum that its log entry gives: comparing a whole stream with the log takes no more than
 * this. Whatever is not just so is looked at closely, by whoever finds that the sums differ.
 */
export interface Glance {
  readonly id: string;
  readonly at: Timestamp;
  /** Of the partition key and everything but `closed`, the one thing that is not the entry's: 32 hexadecimal digits. */
  readonly sum: string;
}

const CLOSED = ',"closed":"';
const STAMP_LENGTH = 25;

/** @returns nothing where it has not the form in which parts are put */
export function glanceAt(partitionKey: string, data: Uint8Array): Glance | undefined {
  const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString();
  const closedAt = text.lastIndexOf(CLOSED);
  // The names of members stand after all data of a client, and what a client gives as a text has its quotes escaped.
  const idAt = text.lastIndexOf('"transactionid":"') + '"transactionid":"'.length;
  const at = stampAt(text, text.indexOf('"clock":"', idAt) + '"clock":"'.length);
  if (closedAt < 0 || stampAt(text, closedAt + CLOSED.length) === undefined || at === undefined) return undefined;
  // Bytes that are no text look like one that holds this character.
  if (text.includes('\uFFFD') && !isUtf8(data)) return undefined;
  const id = text.slice(idAt, text.indexOf('"', idAt));
  return { id, at, sum: glanceSum(partitionKey, withoutClosed(text, closedAt)) };
}

/** The sum of a record that is still to be put, from its text without any `closed`. */
export function glanceSum(partitionKey: string, text: string): string {
  return hash('sha256', `${partitionKey}|${text}`, 'hex').slice(0, 32);
}

/** A batch says it with each of its events. */
function withoutClosed(text: string, closedAt: number): string {
  const tail = text.slice(closedAt, closedAt + CLOSED.length + STAMP_LENGTH + 1);
  return text.startsWith('{') && text.length === closedAt + tail.length + 1
    ? `${text.slice(0, closedAt)}}`
    : text.replaceAll(`${tail}}`, '}');
}

function stampAt(text: string, from: number): Timestamp | undefined {
  const stamp = text.slice(from, from + STAMP_LENGTH);
  return isTimestamp(stamp) ? stamp : undefined;
}
