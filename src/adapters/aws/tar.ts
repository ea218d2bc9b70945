import { gunzipSync } from 'node:zlib';

const BLOCK = 512;
const MAX_BYTES = 256 * 1024 * 1024;

/**
 * A file of a `.tar.gz`, by its name without folders.
 *
 * @returns undefined where it is not in there @throws Error for what is no such archive
 */
export function fileIn(archive: Uint8Array, name: string): Uint8Array | undefined {
  const bytes = gunzipSync(archive, { maxOutputLength: MAX_BYTES });
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0;) {
    const field = (from: number, length: number): string =>
      bytes.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(field(124, 12).trim(), 8);
    if (!(size >= 0)) throw new Error('not an archive: a header without a size');
    const start = at + BLOCK;
    const isFile = ['', '0'].includes(field(156, 1));
    if (isFile && field(0, 100).split('/').at(-1) === name) return bytes.subarray(start, start + size);
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return undefined;
}
