/**
 * The REST contract as a table: for each request its path, what it takes, what it answers, and the method of the service
 * that does it. The app is mounted from it, and the OpenAPI document is generated from it.
 */
import * as z from 'zod';
import type { Service } from '../core/api.js';
import { TRANSACTION_ID } from '../core/ids.js';
import * as answers from './answer-schemas.js';
import { ok, routesOf } from './route.js';
import type { Route } from './route.js';
import * as requests from './schemas.js';

const transactionPath = z.strictObject({ id: requests.transactionId });
const streamPath = z.strictObject({ name: requests.streamName });
const conflictPath = z.strictObject({ id: requests.conflictId });
const reconciliationPath = z.strictObject({ id: z.string().regex(TRANSACTION_ID) });

/** What the contract allows a batch, as bytes of its body. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

const FINISHED = ['TransactionAborted', 'TransactionExpired', 'TransactionCommitted'] as const;
const WRITING = ['UnknownStream', 'EventTooLarge', 'TransactionTooLarge', 'IdempotencyMismatch'] as const;
const DECIDING = ['VersionConflict', 'NotEnoughReplicas', 'Undetermined'] as const;

const route = routesOf<Service>();

const TRANSACTIONS: readonly Route<Service>[] = [
  route({
    method: 'POST',
    path: '/transactions',
    operation: 'begin',
    summary: 'Begins a transaction; repeated with the same id, answers 200',
    body: requests.beginBody,
    answers: { 201: answers.begin, 200: answers.begin },
    problems: ['UnknownStream', 'NotEnoughReplicas', 'IdempotencyMismatch', ...FINISHED],
    run: async (service, { body }) => {
      const { created, ...answer } = await service.begin(body);
      return { status: created ? 201 : 200, body: answer };
    },
  }),
  route({
    method: 'GET',
    path: '/transactions',
    operation: 'listTransactions',
    summary: 'Transactions, by status and age',
    query: requests.listTransactionsQuery,
    answers: { 200: answers.transactionPage },
    run: async (service, { query }) => ok(await service.listTransactions(query)),
  }),
  // Before `/transactions/{id}`, which would match it as well.
  route({
    method: 'GET',
    path: '/transactions/stream',
    operation: 'readTransactions',
    summary: 'Reads whole transactions over several streams',
    query: requests.readTransactionsQuery,
    longPoll: true,
    answers: { 200: answers.wholeTransactionPage },
    problems: ['UnknownStream', 'InvalidCheckpoint', 'Gap'],
    run: async (service, { query }) => ok(await service.readTransactions(query)),
  }),
  route({
    method: 'GET',
    path: '/transactions/{id}',
    operation: 'getTransaction',
    summary: 'A transaction with its events: a client reads its own writes',
    params: transactionPath,
    answers: { 200: answers.transaction },
    problems: ['UnknownTransaction'],
    run: async (service, { params }) => ok(await service.getTransaction(params.id)),
  }),
  route({
    method: 'POST',
    path: '/transactions/{id}/events',
    operation: 'write',
    summary: 'Writes events into an open transaction',
    params: transactionPath,
    body: requests.writeBody,
    answers: { 200: answers.write },
    problems: ['UnknownTransaction', ...FINISHED, ...WRITING],
    run: async (service, { params, body }) => ok(await service.write(params.id, body)),
  }),
  route({
    method: 'POST',
    path: '/transactions/{id}/commit',
    operation: 'commit',
    summary: 'Commits a transaction; the digests say which events it is to have',
    params: transactionPath,
    body: requests.commitBody,
    answers: { 200: answers.commit },
    problems: [
      'UnknownTransaction',
      'TransactionAborted',
      'TransactionExpired',
      'EventsMissing',
      'IdempotencyMismatch',
      ...DECIDING,
    ],
    run: async (service, { params, body }) => ok(await service.commit(params.id, body)),
  }),
  route({
    method: 'POST',
    path: '/transactions/{id}/abort',
    operation: 'abort',
    summary: 'Aborts a transaction',
    params: transactionPath,
    body: requests.abortBody,
    answers: { 200: answers.abort },
    problems: ['UnknownTransaction', 'TransactionCommitted', 'Undetermined'],
    run: async (service, { params, body }) => ok(await service.abort(params.id, body)),
  }),
  route({
    method: 'POST',
    path: '/commits',
    operation: 'commitOnce',
    summary: 'All or nothing in one call',
    body: requests.commitOnceBody,
    answers: { 200: answers.commit },
    problems: ['TransactionAborted', 'TransactionExpired', ...WRITING, ...DECIDING],
    run: async (service, { body }) => ok(await service.commitOnce(body)),
  }),
  route({
    method: 'POST',
    path: '/commits/batch',
    operation: 'commitBatch',
    summary: 'Independent transactions in one call, each with its own answer',
    body: requests.commitBatchBody,
    maxBodyBytes: MAX_BATCH_BYTES,
    answers: { 200: answers.batch },
    problems: ['TransactionTooLarge'],
    run: async (service, { body }) => ok(await service.commitBatch(body)),
  }),
];

const STREAMS: readonly Route<Service>[] = [
  route({
    method: 'GET',
    path: '/streams',
    operation: 'listStreams',
    summary: 'All streams',
    answers: { 200: answers.streams },
    run: async (service) => ok(await service.listStreams()),
  }),
  route({
    method: 'GET',
    path: '/streams/{name}',
    operation: 'getStream',
    summary: 'A stream with its mirrors and policy',
    params: streamPath,
    answers: { 200: answers.stream },
    problems: ['UnknownStream'],
    run: async (service, { params }) => ok(await service.getStream(params.name)),
  }),
  route({
    method: 'PUT',
    path: '/streams/{name}',
    operation: 'putStream',
    summary: 'Creates a stream or changes its policy',
    params: streamPath,
    body: requests.streamPolicy,
    answers: { 200: answers.stream },
    run: async (service, { params, body }) => ok(await service.putStream(params.name, body)),
  }),
  route({
    method: 'GET',
    path: '/streams/{name}/scaling',
    operation: 'getScaling',
    summary: "What a stream's scaling rules find now, and what was decided",
    params: streamPath,
    answers: { 200: answers.scaling },
    problems: ['UnknownStream'],
    run: async (service, { params }) => ok(await service.getScaling(params.name)),
  }),
  route({
    method: 'POST',
    path: '/streams/{name}/scaling/plan',
    operation: 'planScaling',
    summary: 'What scaling rules would do now; changes nothing',
    params: streamPath,
    body: requests.scalingPlanBody,
    answers: { 200: answers.scaling },
    problems: ['UnknownStream'],
    run: async (service, { params, body }) => ok(await service.planScaling(params.name, body)),
  }),
  route({
    method: 'GET',
    path: '/streams/{name}/events',
    operation: 'readEvents',
    summary: 'Reads committed events from a checkpoint on',
    params: streamPath,
    query: requests.readEventsQuery,
    longPoll: true,
    answers: { 200: answers.eventPage },
    problems: ['UnknownStream', 'InvalidCheckpoint', 'Gap'],
    run: async (service, { params, query }) => ok(await service.readEvents({ stream: params.name, ...query })),
  }),
  route({
    method: 'POST',
    path: '/streams/{name}/switchover',
    operation: 'switchover',
    summary: 'Makes another replica of the stream the active one',
    params: streamPath,
    body: requests.switchoverBody,
    answers: { 200: answers.incident },
    problems: ['UnknownStream', 'ReplicaBehind'],
    run: async (service, { params, body }) => ok(await service.switchover(params.name, body)),
  }),
];

const OPERATIONS: readonly Route<Service>[] = [
  route({
    method: 'GET',
    path: '/route',
    operation: 'getRoute',
    summary: 'Which site is home, which are in sync, where each stream is active',
    answers: { 200: answers.route },
    run: async (service) => ok(await service.getRoute()),
  }),
  route({
    method: 'POST',
    path: '/route/home',
    operation: 'moveHome',
    summary: 'A planned move of home; with force an unclean takeover',
    body: requests.moveHomeBody,
    answers: { 200: answers.incident },
    problems: ['ReplicaBehind'],
    run: async (service, { body }) => ok(await service.moveHome(body)),
  }),
  route({
    method: 'POST',
    path: '/reconciliations',
    operation: 'reconcile',
    summary: 'Starts to compare a site with home and to repair what differs',
    body: requests.reconcileBody,
    answers: { 202: answers.reconciliationStarted },
    problems: ['UnknownStream'],
    run: async (service, { body }) => ({ status: 202, body: await service.reconcile(body) }),
  }),
  route({
    method: 'GET',
    path: '/reconciliations/{id}',
    operation: 'getReconciliation',
    summary: 'How far a reconciliation is, and its proof',
    params: reconciliationPath,
    answers: { 200: answers.reconciliation },
    problems: ['NotFound'],
    run: async (service, { params }) => ok(await service.getReconciliation(params.id)),
  }),
  route({
    method: 'POST',
    path: '/audits',
    operation: 'audit',
    summary: "Starts to hold a site's streams against its log, record by record",
    body: requests.auditBody,
    answers: { 202: answers.auditStarted },
    problems: ['UnknownStream'],
    run: async (service, { body }) => ({ status: 202, body: await service.audit(body) }),
  }),
  route({
    method: 'GET',
    path: '/audits/{id}',
    operation: 'getAudit',
    summary: 'What an audit has found: records lost, doubled, altered, foreign, unreadable',
    params: reconciliationPath,
    answers: { 200: answers.audit },
    problems: ['NotFound'],
    run: async (service, { params }) => ok(await service.getAudit(params.id)),
  }),
  route({
    method: 'GET',
    path: '/incidents',
    operation: 'listIncidents',
    summary: 'Switchovers, takeovers, joins and the like, with their timelines',
    query: requests.pagingQuery,
    answers: { 200: answers.incidents },
    run: async (service, { query }) => ok(await service.listIncidents(query)),
  }),
  route({
    method: 'GET',
    path: '/conflicts',
    operation: 'listConflicts',
    summary: 'Conflicts with both versions: those that wait for an operator, and what became of the others',
    query: requests.listConflictsQuery,
    answers: { 200: answers.conflicts },
    run: async (service, { query }) => ok(await service.listConflicts(query)),
  }),
  route({
    method: 'GET',
    path: '/conflicts/{id}',
    operation: 'getConflict',
    summary: 'A conflict with both versions',
    params: conflictPath,
    answers: { 200: answers.conflict },
    problems: ['NotFound'],
    run: async (service, { params }) => ok(await service.getConflict(params.id)),
  }),
  route({
    method: 'POST',
    path: '/conflicts/{id}/resolution',
    operation: 'resolveConflict',
    summary: 'Resolves an open conflict: one of the two, or events in the place of both',
    params: conflictPath,
    body: requests.resolveBody,
    answers: { 200: answers.conflict },
    problems: ['NotFound', 'ConflictResolved', ...WRITING, ...DECIDING],
    run: async (service, { params, body }) => ok(await service.resolveConflict(params.id, body)),
  }),
  route({
    method: 'GET',
    path: '/predictions',
    operation: 'getPredictions',
    summary: 'The prediction model and what it was worth',
    answers: { 200: answers.predictions },
    run: async (service) => ok(await service.getPredictions()),
  }),
  route({
    method: 'GET',
    path: '/health',
    operation: 'getHealth',
    summary: 'Health by site, stream and shard; 503 when the deployment is down',
    answers: { 200: answers.health, 503: answers.health },
    run: async (service) => {
      const health = await service.getHealth();
      return { status: health.status === 'down' ? 503 : 200, body: health };
    },
  }),
];

export const ROUTES: readonly Route<Service>[] = [...TRANSACTIONS, ...STREAMS, ...OPERATIONS];
