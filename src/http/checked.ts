/** The same checks for callers in the same process as for those over HTTP. */
import * as z from 'zod';
import type { Service } from '../core/api.js';
import { TRANSACTION_ID } from '../core/ids.js';
import { parse } from './parse.js';
import * as schemas from './schemas.js';

const limit = z.exactOptional(z.int().min(1).max(1_000));
const waitMs = z.exactOptional(z.int().min(0).max(20_000));
const token = z.exactOptional(z.string().min(1).max(4_096));
const paging = z.strictObject({ limit, cursor: token });
const listing = z.strictObject({
  ...paging.shape,
  status: z.exactOptional(z.enum(['open', 'committed', 'aborted'])),
  olderThanMs: z.exactOptional(z.int().min(0)),
});
const listingConflicts = z.strictObject({ ...paging.shape, status: z.exactOptional(z.enum(['open', 'resolved'])) });
const reading = { checkpoint: token, limit, waitMs };
const readEvents = z.strictObject({
  ...reading,
  stream: schemas.streamName,
  site: z.exactOptional(schemas.siteName),
});
const readTransactions = z.strictObject({ ...reading, streams: schemas.streamNames });
const reconciliationId = z.string().regex(TRANSACTION_ID);

/**
 * A service that parses what it is given by the schemas of the API before it hands it on: an in-process client is then
 * refused just what an HTTP client is.
 *
 * @throws LockstepError InvalidRequest, InvalidCheckpoint, TransactionTooLarge, from each method
 */
export function checkedService(service: Service): Service {
  const request = <S extends z.ZodType>(schema: S, value: unknown): z.output<S> => parse(schema, value, 'request');
  const id = (value: string): string => parse(schemas.transactionId, value, 'transaction id');
  const stream = (value: string): string => parse(schemas.streamName, value, 'stream');
  return {
    begin: async (begin) => service.begin(request(schemas.beginBody, begin)),
    write: async (of, write) => service.write(id(of), request(schemas.writeBody, write)),
    getTransaction: async (of) => service.getTransaction(id(of)),
    listTransactions: async (list) => service.listTransactions(request(listing, list)),
    commit: async (of, commit) => service.commit(id(of), request(schemas.commitBody, commit)),
    abort: async (of, abort) => service.abort(id(of), request(schemas.abortBody, abort)),
    commitOnce: async (commit) => service.commitOnce(request(schemas.commitOnceBody, commit)),
    commitBatch: async (batch) => service.commitBatch(request(schemas.commitBatchBody, batch)),
    getRoute: () => service.getRoute(),
    listStreams: () => service.listStreams(),
    getStream: async (name) => service.getStream(stream(name)),
    putStream: async (name, policy) => service.putStream(stream(name), request(schemas.streamPolicy, policy)),
    getScaling: async (name) => service.getScaling(stream(name)),
    planScaling: async (name, plan) => service.planScaling(stream(name), request(schemas.scalingPlanBody, plan)),
    readEvents: async (read) => service.readEvents(request(readEvents, read)),
    readTransactions: async (read) => service.readTransactions(request(readTransactions, read)),
    switchover: async (name, switchover) =>
      service.switchover(stream(name), request(schemas.switchoverBody, switchover)),
    moveHome: async (move) => service.moveHome(request(schemas.moveHomeBody, move)),
    reconcile: async (reconcile) => service.reconcile(request(schemas.reconcileBody, reconcile)),
    getReconciliation: async (of) => service.getReconciliation(parse(reconciliationId, of, 'reconciliation id')),
    audit: async (audit) => service.audit(request(schemas.auditBody, audit)),
    getAudit: async (of) => service.getAudit(parse(reconciliationId, of, 'audit id')),
    listIncidents: async (page) => service.listIncidents(request(paging, page)),
    listConflicts: async (list) => service.listConflicts(request(listingConflicts, list)),
    getConflict: async (of) => service.getConflict(parse(schemas.conflictId, of, 'conflict id')),
    resolveConflict: async (of, resolve) =>
      service.resolveConflict(parse(schemas.conflictId, of, 'conflict id'), request(schemas.resolveBody, resolve)),
    getPredictions: () => service.getPredictions(),
    getHealth: () => service.getHealth(),
  };
}
