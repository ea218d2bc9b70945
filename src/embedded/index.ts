/**
 * Lockstep on one machine: all sites in one process, durable, with switches for distance and faults.
 *
 * @example
 * const engine = await openEmbedded({ dataDirectory: './data' });
 * await engine.service.putStream('orders', {});
 */
export { DataDirectoryInUse } from '../adapters/embedded/data-directory.js';
export { openEmbedded } from './engine.js';
export type { EmbeddedLockstep, EmbeddedOptions } from './engine.js';
export { serveEmbedded } from './serve.js';
export type { EmbeddedServer, ServeEmbeddedOptions } from './serve.js';
