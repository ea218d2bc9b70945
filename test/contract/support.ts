import { randomUUID } from 'node:crypto';

/** A name that no other test uses: adapters may be shared. */
export function unique(prefix = 't'): string {
  return `${prefix}-${randomUUID()}`;
}

/** What a promise rejected with; undefined where it did not. */
export async function caught(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The order of sort keys. */
export function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
