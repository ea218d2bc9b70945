/**
 * The TypeScript client of Lockstep: transactions, readers and every request of the REST API. It needs no storage and
 * no cloud packages.
 *
 * @example
 * import { LockstepClient, fileCheckpoints } from 'lockstep-streams/client';
 *
 * const client = new LockstepClient({ endpoints: ['http://127.0.0.1:4040'] });
 * await client.commit([{ stream: 'orders', key: 'o-1', type: 'placed', data: { total: 40 } }]);
 * for await (const event of client.events({ stream: 'orders', checkpointStore: fileCheckpoints('./checkpoints') })) {
 *   handle(event);
 * }
 */
export type * from '../core/api.js';
export type { ScalingPolicy, ScalingRule } from '../core/scaling/rules.js';
export { isLockstepError, LockstepError } from '../core/errors.js';
export type { ProblemCode } from '../core/errors.js';
export type { RetryOptions } from './caller.js';
export { memoryCheckpoints } from './checkpoints.js';
export type { CheckpointStore } from './checkpoints.js';
export { LockstepClient } from './client.js';
export type { ClientOptions, RunOptions, RunResult } from './client.js';
export { fileCheckpoints } from './file-checkpoints.js';
export type { Exchange, HttpAnswer, HttpOptions, HttpRequest } from './http-sender.js';
export { httpTransport } from './http-transport.js';
export type { HttpTransportOptions } from './http-transport.js';
export { nodeExchange } from './node-exchange.js';
export type { Page, ReaderOptions, ReadEventsOptions, ReadTransactionsOptions } from './readers.js';
export type { Transaction, Written } from './transaction.js';
export { directTransport } from './transport.js';
export type { LocalApi, SiteApi, Transport } from './transport.js';
