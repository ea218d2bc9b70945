import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { canonicalJson, MAX_DEPTH } from '../../../src/core/canonical-json.js';
import { checkTransactionSize, MAX_RECORD_BYTES, prepareEvent } from '../../../src/core/event.js';
import type { Json } from '../../../src/core/api.js';

const nested = (depth: number): Json => (depth === 0 ? 1 : [nested(depth - 1)]);

describe('the RFC 8785 form', () => {
  it('is that of the canonicalize package', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
    );
  });

  it('sorts members by UTF-16 code units and writes the shortest numbers', () => {
    expect(canonicalJson({ '\u20ac': 1, '\r': 2, '1': 3, '\ud83d\ude00': 4, ö: 5 })).toBe(
      '{"\\r":2,"1":3,"ö":5,"€":1,"😀":4}',
    );
    expect(canonicalJson([1e21, 1e-7, -0, 0.1, 100])).toBe('[1e+21,1e-7,0,0.1,100]');
  });

  it('refuses what is no JSON, no Unicode, or nests too deep, without overflowing', () => {
    for (const value of [Number.NaN, Infinity, undefined, 1n, { a: '\ud800' }, { '\udfff': 1 }]) {
      expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }));
    }
    expect(canonicalJson(nested(MAX_DEPTH))).toContain('1');
    expect(() => canonicalJson(JSON.parse('['.repeat(10_000) + ']'.repeat(10_000)))).toThrow(/nests deeper/);
  });

  it('keeps a member named __proto__', () => {
    expect(canonicalJson(JSON.parse('{"__proto__":1}'))).toBe('{"__proto__":1}');
  });
});

describe('the digest of an event', () => {
  it('is SHA-256 over the RFC 8785 form of stream, key, type and data', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'grapheme', minLength: 1 }), (data, key) => {
        const what = { stream: 'orders', key, type: 'placed', data: data as Json };
        const wanted = createHash('sha256')
          .update(canonicalize(what) ?? '')
          .digest('hex');
        expect(prepareEvent(what).digest).toBe(wanted);
      }),
    );
  });

  it('does not cover the envelope', () => {
    const event = { stream: 'orders', key: 'k', type: 't', data: 1 };
    const enveloped = { ...event, id: 'one', time: '2026-01-01T00:00:00.000Z', expectedVersion: 3 };
    expect(prepareEvent(enveloped).digest).toBe(prepareEvent(event).digest);
  });

  it('tells data from dataBase64', () => {
    const event = { stream: 'orders', key: 'k', type: 't' };
    const wanted = createHash('sha256')
      .update('{"dataBase64":"AQID","key":"k","stream":"orders","type":"t"}')
      .digest('hex');
    expect(prepareEvent({ ...event, dataBase64: 'AQID' }).digest).toBe(wanted);
    expect(() => prepareEvent({ ...event, data: 1, dataBase64: 'AQID' })).toThrow(/exactly one/);
    expect(() => prepareEvent(event)).toThrow(/exactly one/);
  });
});

describe('limits of size', () => {
  const text = (bytes: number) => 'x'.repeat(bytes);

  it('refuses an event that does not fit a record', () => {
    const event = { stream: 'orders', key: 'k', type: 't', data: text(MAX_RECORD_BYTES + 1) };
    expect(() => prepareEvent(event)).toThrow(expect.objectContaining({ code: 'EventTooLarge', status: 413 }));
  });

  it('refuses a part that does not fit a record, and a transaction of more than 4 MB', () => {
    const half = (key: string) => prepareEvent({ stream: 'orders', key, type: 't', data: text(600_000) });
    expect(() => checkTransactionSize([half('k'), half('k')])).toThrow(
      expect.objectContaining({ code: 'EventTooLarge' }),
    );
    expect(() => checkTransactionSize([half('a'), half('b')])).not.toThrow();
    const many = Array.from({ length: 8 }, (_, index) => half(`k${index}`));
    expect(() => checkTransactionSize(many)).toThrow(expect.objectContaining({ code: 'TransactionTooLarge' }));
  });

  it('refuses more than 500 events', () => {
    const events = Array.from({ length: 501 }, (_, index) =>
      prepareEvent({ stream: 'orders', key: `k${index}`, type: 't', data: 1 }),
    );
    expect(() => checkTransactionSize(events)).toThrow(expect.objectContaining({ code: 'TransactionTooLarge' }));
    expect(() => checkTransactionSize(events.slice(1))).not.toThrow();
  });
});
