import fc from 'fast-check';
import {
  type Checkpoint,
  MAX_ANCHORS,
  MAX_ANCHOR_IDENTITIES,
  MAX_EMITTED,
  START,
  decodeCheckpoint,
  encodeCheckpoint,
  identityOf,
  justBefore,
  owedFromMs,
  shortOf,
  startMs,
} from '../../src/core/checkpoint.js';
import { isLockstepError } from '../../src/core/errors.js';
import { NEVER, clockAt, timestamp } from '../../src/core/timestamp.js';

const STREAMS = ['orders', 'payments'];

const stamps = fc
  .tuple(fc.integer({ min: 0, max: 99_999_999 }), fc.bigInt({ min: 0n, max: 9_999_999_999_999_999n }))
  .map(([term, clock]) => `${String(term).padStart(8, '0')}.${String(clock).padStart(16, '0')}`);

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((array) => Buffer.from(array).toString('hex'));

function standing(bytes: number, max: number) {
  const cut = fc.record({ identity: hex(bytes), count: fc.integer({ min: 1, max: 500 }) });
  return fc
    .tuple(stamps, fc.uniqueArray(hex(bytes), { maxLength: max, size: 'max' }), fc.option(cut, { nil: undefined }))
    .map(([closed, emitted, partial]) => ({ closed, emitted: new Set(emitted), ...(partial && { partial }) }));
}

const anchors = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 99_999_999 }), standing(8, MAX_ANCHOR_IDENTITIES / MAX_ANCHORS))
    .map(([term, rest]) => ({ term, ...rest })),
  { maxLength: MAX_ANCHORS },
);

const checkpoints: fc.Arbitrary<Checkpoint> = fc
  .tuple(standing(12, MAX_EMITTED), stamps, anchors)
  .map(([rest, top, all]) => ({ ...rest, top, anchors: all }));

function isRefused(text: string, streams: readonly string[] = STREAMS): boolean {
  try {
    decodeCheckpoint(text, streams);
    return false;
  } catch (error) {
    if (!isLockstepError(error, 'InvalidCheckpoint')) throw error;
    return true;
  }
}

const many = (count: number, bytes: number, seed = '') =>
  new Set(Array.from({ length: count }, (_, i) => identityOf(`${seed}${i}`).slice(0, 2 * bytes)));

describe('the text of a checkpoint', () => {
  it('says the same when it is read again, in at most 4,096 characters', () => {
    fc.assert(
      fc.property(checkpoints, (checkpoint) => {
        const text = encodeCheckpoint(checkpoint, STREAMS);
        expect(text.length).toBeLessThanOrEqual(4096);
        expect(decodeCheckpoint(text, [...STREAMS].reverse())).toEqual(checkpoint);
      }),
    );
  });

  it('is refused with any character changed, and when it is cut or continued', () => {
    fc.assert(
      fc.property(
        checkpoints,
        fc.nat(),
        fc.constantFrom('A', 'z', '0', '-', '_', '=', '+', ' ', 'é'),
        (checkpoint, at, character) => {
          const text = encodeCheckpoint(checkpoint, STREAMS);
          const place = at % text.length;
          const changed = text.slice(0, place) + character + text.slice(place + 1);
          expect(isRefused(changed)).toBe(changed !== text);
          expect(isRefused(text.slice(0, place))).toBe(true);
          expect(isRefused(text + character)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is refused with any bit changed', () => {
    const bytes = Buffer.from(encodeCheckpoint({ ...START, emitted: many(2, 12) }, STREAMS), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(isRefused(changed.toString('base64url'))).toBe(true);
    }
  });

  it.each(['', 'A', 'nonsense', '*', 'A'.repeat(5000), '"'])('refuses %p', (text) => {
    expect(isRefused(text)).toBe(true);
  });

  it('refuses a checkpoint of other streams', () => {
    const text = encodeCheckpoint(START, STREAMS);
    expect(isRefused(text, ['orders'])).toBe(true);
    expect(isRefused(text, [...STREAMS, 'more'])).toBe(true);
    expect(isRefused(text, ['orders', 'payments', 'orders'])).toBe(false);
  });

  it('holds all that it may hold at once', () => {
    const identity = identityOf('cut');
    const anchor = (term: number) => ({
      term,
      closed: timestamp(99_999_999, Number.MAX_SAFE_INTEGER),
      emitted: many(MAX_ANCHOR_IDENTITIES / MAX_ANCHORS, 8, `${term}-`),
      partial: { identity: shortOf(identity), count: 500 },
    });
    const full: Checkpoint = {
      closed: anchor(1).closed,
      top: anchor(1).closed,
      emitted: many(MAX_EMITTED, 12),
      partial: { identity, count: 500 },
      anchors: [1, 2, 3, 4].map(anchor),
    };
    expect(encodeCheckpoint(full, STREAMS).length).toBeLessThanOrEqual(4096);
    expect(() => encodeCheckpoint({ ...full, emitted: many(MAX_EMITTED + 1, 12) }, STREAMS)).toThrow('does not fit');
    expect(() => encodeCheckpoint({ ...full, anchors: [...full.anchors, anchor(5)] }, STREAMS)).toThrow('not fit');
  });
});

describe('where to start reading', () => {
  const at = (term: number, ms: number) => ({ ...START, closed: timestamp(term, clockAt(ms)) });
  const terms = [
    { term: 1, startedAtMs: 0 },
    { term: 2, startedAtMs: 5000 },
    { term: 3, startedAtMs: 9000 },
  ];

  it('is the oldest without a checkpoint', () => {
    expect(startMs(START, terms, 100)).toBe('oldest');
    expect(owedFromMs(START, terms)).toBeUndefined();
  });

  it('is the closed time less the margin', () => {
    expect(startMs(at(3, 20_000), terms, 100)).toBe(19_900);
    expect(owedFromMs(at(3, 20_000), terms)).toBe(20_000);
    expect(startMs(at(1, 50), terms, 100)).toBe(0);
  });

  it('is the start of a newer term where its clock was behind', () => {
    expect(startMs(at(1, 20_000), terms, 100)).toBe(4900);
    expect(startMs(at(2, 20_000), terms, 100)).toBe(8900);
  });
});

it('knows the timestamp just before', () => {
  expect(justBefore(timestamp(3, 7))).toBe(timestamp(3, 6));
  expect(justBefore(NEVER)).toBeUndefined();
});
