import * as fc from 'fast-check';
import type { z } from 'zod';
import type * as api from '../../src/core/api.js';
import type * as answers from '../../src/http/answer-schemas.js';
import { checkedService } from '../../src/http/checked.js';
import { isBase64, isRfc3339 } from '../../src/http/formats.js';
import { parseQuery } from '../../src/http/parse.js';
import * as requests from '../../src/http/schemas.js';
import { fakeService } from './support/fake-service.js';

/** `true` where every `Parsed` may be used as an `Expected`; the compiler refuses anything else. */
type Fits<Expected, Parsed extends Expected> = [Parsed] extends [Expected] ? true : never;
type Out<S extends z.ZodType> = z.infer<S>;

test('what the schemas parse is what the service takes and answers (the compiler checks it)', () => {
  const fit: [
    Fits<api.EventIn, Out<typeof requests.eventIn>>,
    Fits<api.BeginRequest, Out<typeof requests.beginBody>>,
    Fits<api.CommitRequest, Out<typeof requests.commitOnceBody>>,
    Fits<api.StreamPolicy, Out<typeof requests.streamPolicy>>,
    Fits<api.Fault, Out<typeof requests.fault>>,
    Fits<api.Paging, Out<typeof requests.pagingQuery>>,
    Fits<api.ListConflicts, Out<typeof requests.listConflictsQuery>>,
    Fits<api.ResolveRequest, Out<typeof requests.resolveBody>>,
    Fits<api.ListTransactions, Out<typeof requests.listTransactionsQuery>>,
    Fits<Omit<api.ReadEvents, 'stream'>, Out<typeof requests.readEventsQuery>>,
    Fits<api.ReadTransactions, Out<typeof requests.readTransactionsQuery>>,
    Fits<Omit<api.BeginAnswer, 'created'>, Out<typeof answers.begin>>,
    Fits<api.WriteAnswer, Out<typeof answers.write>>,
    Fits<api.TransactionPage, Out<typeof answers.transactionPage>>,
    Fits<api.CommitAnswer, Out<typeof answers.commit>>,
    Fits<api.AbortAnswer, Out<typeof answers.abort>>,
    Fits<{ readonly results: readonly api.BatchResult[] }, Out<typeof answers.batch>>,
    Fits<api.RouteAnswer, Out<typeof answers.route>>,
    Fits<{ readonly streams: readonly api.StreamAnswer[] }, Out<typeof answers.streams>>,
    Fits<api.EventPage, Out<typeof answers.eventPage>>,
    Fits<api.WholeTransactionPage, Out<typeof answers.wholeTransactionPage>>,
    Fits<{ readonly incidents: readonly api.Incident[] }, Out<typeof answers.incidents>>,
    Fits<{ readonly conflicts: readonly api.Conflict[] }, Out<typeof answers.conflicts>>,
    Fits<api.Reconciliation, Out<typeof answers.reconciliation>>,
    Fits<api.PredictionsAnswer, Out<typeof answers.predictions>>,
    Fits<api.HealthAnswer, Out<typeof answers.health>>,
  ] = [...Array<true>(26).fill(true)] as never;
  expect(fit).toHaveLength(26);
});

const name = fc.stringMatching(/^[a-zA-Z0-9_.-]{1,64}$/);
const text = fc.string({ minLength: 1, maxLength: 256, unit: 'grapheme-ascii' });
const time = fc
  .date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })
  .map((at) => at.toISOString());
const rest = { stream: name, key: text, type: text };
const optional = { id: text, time, expectedVersion: fc.maxSafeNat() };
const event = fc.oneof(
  fc.record({ ...rest, data: fc.jsonValue(), ...optional }, { requiredKeys: ['stream', 'key', 'type', 'data'] }),
  fc.record(
    { ...rest, dataBase64: fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')), ...optional },
    { requiredKeys: ['stream', 'key', 'type', 'dataBase64'] },
  ),
);

test('every valid event is taken, and comes out as it went in', () => {
  fc.assert(
    fc.property(event, (given) => {
      const sent: unknown = JSON.parse(JSON.stringify(given));
      expect(requests.eventIn.parse(sent)).toEqual(sent);
    }),
  );
});

test('data is handed on untouched, __proto__ and all', () => {
  const data: unknown = JSON.parse('{"__proto__":{"a":1},"constructor":null,"":[{}]}');
  const parsed = requests.eventIn.parse({ stream: 's', key: 'k', type: 't', data });
  expect(parsed.data).toBe(data);
});

test('base 64 is what an encoder writes and nothing else', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => isBase64(Buffer.from(bytes).toString('base64'))));
  fc.assert(
    fc.property(fc.string(), (given) => {
      const canonical = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/;
      expect(isBase64(given)).toBe(canonical.test(given));
    }),
  );
  expect(isBase64('A'.repeat(2_000_000))).toBe(true);
});

test.each<[string, boolean]>([
  ['2026-01-02T03:04:05Z', true],
  ['2026-01-02T03:04:05.678Z', true],
  ['2026-01-02T03:04:05.123456789+02:00', true],
  ['2024-02-29T23:59:59-23:59', true],
  ['0000-01-01T00:00:00Z', true],
  ['2023-02-29T00:00:00Z', false],
  ['2026-13-01T00:00:00Z', false],
  ['2026-00-01T00:00:00Z', false],
  ['2026-01-00T00:00:00Z', false],
  ['2026-01-01T24:00:00Z', false],
  ['2026-01-01T00:60:00Z', false],
  ['2026-01-01T00:00:60Z', false],
  ['2026-01-01T00:00Z', false],
  ['2026-01-01', false],
  ['2026-01-01T00:00:00', false],
  ['2026-01-01T00:00:00+24:00', false],
  ['2026-01-01T00:00:00.Z', false],
  ['2026-01-01T00:00:00Z\n', false],
])('%j is RFC 3339: %p', (given, valid) => {
  expect(isRfc3339(given)).toBe(valid);
});

test('a query string says what URLSearchParams would', () => {
  const query = fc.dictionary(fc.string({ minLength: 1 }), fc.string());
  fc.assert(
    fc.property(query, (given) => {
      const url = `http://x/?${new URLSearchParams(given).toString()}`;
      let parsed: unknown;
      const spy = { safeParse: (value: unknown) => ({ success: true, data: (parsed = value) }) };
      parseQuery(spy as unknown as z.ZodType, url);
      expect(Object.entries(parsed as object)).toEqual(Object.entries(given));
    }),
  );
});

describe('an in-process caller', () => {
  const refused: [string, (service: api.Service) => Promise<unknown>, string][] = [
    ['begin', (service) => service.begin({ streams: [] }), 'InvalidRequest'],
    ['write', (service) => service.write('stream', { events: [] }), 'InvalidRequest'],
    ['getTransaction', (service) => service.getTransaction('a b'), 'InvalidRequest'],
    ['listTransactions', (service) => service.listTransactions({ limit: 0 }), 'InvalidRequest'],
    ['commit', (service) => service.commit('t', { digests: [''] }), 'InvalidRequest'],
    ['abort', (service) => service.abort('t', { reason: '' }), 'InvalidRequest'],
    [
      'commitOnce',
      (service) =>
        service.commitOnce({
          events: Array.from({ length: 501 }, () => ({ stream: 's', key: 'k', type: 't', data: 1 })),
        }),
      'TransactionTooLarge',
    ],
    ['commitBatch', (service) => service.commitBatch({ commits: [] }), 'InvalidRequest'],
    ['getStream', (service) => service.getStream(''), 'InvalidRequest'],
    ['putStream', (service) => service.putStream('s', { shards: 0 }), 'InvalidRequest'],
    ['readEvents', (service) => service.readEvents({ stream: 's', checkpoint: '' }), 'InvalidCheckpoint'],
    ['readTransactions', (service) => service.readTransactions({ streams: [] }), 'InvalidRequest'],
    ['switchover', (service) => service.switchover('s', { to: 'X' }), 'InvalidRequest'],
    ['moveHome', (service) => service.moveHome({ to: '' }), 'InvalidRequest'],
    ['reconcile', (service) => service.reconcile({ site: '' }), 'InvalidRequest'],
    ['getReconciliation', (service) => service.getReconciliation('/'), 'InvalidRequest'],
    ['listIncidents', (service) => service.listIncidents({ limit: 0.5 }), 'InvalidRequest'],
    ['listConflicts', (service) => service.listConflicts({ cursor: '' }), 'InvalidRequest'],
  ];

  test.each(refused)('is refused by %s as an HTTP client is', async (_, call, code) => {
    const service = fakeService();
    await expect(call(checkedService(service))).rejects.toMatchObject({ code });
    expect(service.calls).toEqual([]);
  });

  test('is let through with what is valid', async () => {
    const service = fakeService();
    const checked = checkedService(service);
    await checked.begin({ streams: ['s'] });
    await checked.readEvents({ stream: 's', limit: 5, waitMs: 0 });
    await checked.readTransactions({ streams: ['s'] });
    await Promise.all([checked.getRoute(), checked.listStreams(), checked.getPredictions(), checked.getHealth()]);
    expect(service.calls.map(({ args }) => args)).toEqual([
      [{ streams: ['s'] }],
      [{ stream: 's', limit: 5, waitMs: 0 }],
      [{ streams: ['s'] }],
      [],
      [],
      [],
      [],
    ]);
  });
});
