import { CloudEvent } from 'cloudevents';
import fc from 'fast-check';
import { canonicalJson } from '../../../src/core/canonical-json.js';
import type { DecidedEntry } from '../../../src/core/entry.js';
import { type DecidedEvent, prepareEvent } from '../../../src/core/event.js';
import { UnreadableRecord, decodeRecord, encodeHeartbeat, encodeRecords } from '../../../src/core/record.js';
import { timestamp } from '../../../src/core/timestamp.js';
import type { Json } from '../../../src/core/api.js';

const AT = timestamp(3, 1_838_552_835_996_672);
const CLOSED = timestamp(3, 7);

function entryOf(
  ...events: readonly (Partial<Omit<DecidedEvent, 'data'>> & { data?: Json; stream: string; key: string })[]
): DecidedEntry {
  return {
    id: 'tx-1',
    status: 'committed',
    at: AT,
    streams: [...new Set(events.map((event) => event.stream))],
    startedAtMs: 0,
    expiresAtMs: 1,
    events: events.map(({ data = null, stream, key, version, after, id, time }, number) => ({
      ...prepareEvent({ stream, key, type: 'set', data, ...(id ? { id } : {}), ...(time ? { time } : {}) }),
      number,
      ...(version === undefined ? {} : { version }),
      ...(after === undefined ? {} : { after }),
    })),
  };
}

const records = (entry: DecidedEntry) => encodeRecords(entry, 'shop', () => CLOSED);
const json = (data: Uint8Array): unknown => JSON.parse(Buffer.from(data).toString());

describe('records', () => {
  it('are CloudEvents that any SDK reads', () => {
    const [record] = records(entryOf({ stream: 'orders', key: 'o-1', data: { total: 40 }, id: 'mine' }));
    const event = new CloudEvent(json(record?.data ?? Buffer.of()) as Partial<CloudEvent<unknown>>);
    expect(event.validate()).toBe(true);
    expect(event).toMatchObject({
      id: 'tx-1:0',
      source: 'shop',
      type: 'set',
      subject: 'o-1',
      data: { total: 40 },
      stream: 'orders',
      transactionid: 'tx-1',
      number: 0,
      parts: 1,
      clientid: 'mine',
      term: 3,
      clock: AT,
      closed: CLOSED,
    });
  });

  it('hold a part each: a JSON batch where a part has several events', () => {
    const entry = entryOf({ stream: 'a', key: 'k' }, { stream: 'b', key: 'k' }, { stream: 'a', key: 'k' });
    const [first, second] = records(entry);
    expect(records(entry)).toHaveLength(2);
    expect(json(first?.data ?? Buffer.of())).toHaveLength(2);
    expect(decodeRecord(first?.data ?? Buffer.of())).toMatchObject({
      kind: 'part',
      stream: 'a',
      partsByStream: { a: 1, b: 1 },
      eventCount: 3,
      events: [{ out: { number: 0 } }, { out: { number: 2 } }],
    });
    expect(decodeRecord(second?.data ?? Buffer.of())).toMatchObject({ stream: 'b', events: [{ out: { number: 1 } }] });
  });

  it('come back as they went, whatever the data and the key', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (data, key) => {
        const after = { at: timestamp(2, 5), id: 'tx-0' };
        const [record] = records(entryOf({ stream: 'orders', key, data: data as Json, version: 4, after }));
        const decoded = decodeRecord(record?.data ?? Buffer.of());
        expect(decoded).toMatchObject({ kind: 'part', key, at: AT, closed: CLOSED });
        if (decoded.kind !== 'part') throw new Error('not a part');
        expect(decoded.events[0]?.after).toEqual(after);
        expect(canonicalJson(decoded.events[0]?.out.data)).toBe(canonicalJson(data));
        expect(decoded.events[0]?.out).toMatchObject({ version: 4, subject: key });
      }),
    );
  });

  it('are refused with a typed error where they are not ours, and never otherwise', () => {
    const [good] = records(entryOf({ stream: 'orders', key: 'k', data: 1 }));
    const object = json(good?.data ?? Buffer.of()) as Record<string, unknown>;
    const broken = [
      Buffer.from('no json'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('[]'),
      Buffer.from('7'),
      ...['specversion', 'clock', 'closed', 'partsbystream', 'number', 'subject', 'data'].map((name) =>
        Buffer.from(JSON.stringify({ ...object, [name]: undefined })),
      ),
      Buffer.from(JSON.stringify({ ...object, partsbystream: 'orders' })),
      Buffer.from(JSON.stringify([object, { ...object, subject: 'other' }])),
    ];
    for (const data of broken) expect(() => decodeRecord(data)).toThrow(UnreadableRecord);
    fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        try {
          decodeRecord(data);
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableRecord);
        }
      }),
    );
  });

  it('tell heartbeats from events that only have their type', () => {
    expect(decodeRecord(encodeHeartbeat('shop', 'orders', 'east', AT, CLOSED))).toEqual({
      kind: 'heartbeat',
      stream: 'orders',
      closed: CLOSED,
    });
    const entry = entryOf({ stream: 'orders', key: 'k', data: 1 });
    const lookalike = { ...entry, events: entry.events.map((event) => ({ ...event, type: 'lockstep.heartbeat' })) };
    expect(decodeRecord(records(lookalike)[0]?.data ?? Buffer.of())).toMatchObject({ kind: 'part' });
  });
});
