/** Names and identifiers: what is accepted from outside, and how new ones are made from given randomness. */

export const TRANSACTION_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** Not accepted as a transaction id: it would collide with the path `/transactions/stream`. */
export const RESERVED_TRANSACTION_ID = 'stream';
/** Stream names: what Kinesis accepts, short enough to leave room for a deployment's prefix and a site's name. */
export const STREAM_NAME = /^[a-zA-Z0-9_.-]{1,64}$/;
export const SITE_NAME = /^[a-z][a-z0-9-]{0,31}$/;

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * A new identifier that sorts by the time it was made: 48 bits of milliseconds, 80 bits of randomness, in Crockford's
 * base 32 (the ULID layout).
 *
 * @param nowMs milliseconds since 1970 @param random 16 random bytes, of which 16 × 5 bits are used
 */
export function newId(nowMs: number, random: Uint8Array): string {
  let time = '';
  for (let rest = nowMs, i = 0; i < 10; i += 1) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let tail = '';
  for (let i = 0; i < 16; i += 1) tail += ALPHABET.charAt((random[i] ?? 0) & 31);
  return time + tail;
}

/** A small, stable, well-spread hash (FNV-1a, 32 bits) for choosing among copies and partitions. */
export function spread(text: string, buckets: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % buckets;
}

/**
 * The name of a replica's Kinesis stream. A replica that has to begin anew gets the next generation: what once stood on
 * a stream cannot be taken off it.
 */
export function physicalNameOf(deployment: string, site: string, stream: string, generation: number): string {
  return `${deployment}-${site}-${generation}-${stream}`;
}

/** The user's name of the stream behind a physical one. */
export function logicalNameOf(deployment: string, site: string, physicalName: string): string {
  return physicalName.slice(`${deployment}-${site}-`.length).replace(/^\d+-/, '');
}

export function generationOf(deployment: string, site: string, physicalName: string): number {
  return Number(physicalName.slice(`${deployment}-${site}-`.length).split('-')[0]);
}
