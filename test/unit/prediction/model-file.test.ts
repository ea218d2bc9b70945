import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { Forecaster } from '../../../src/core/prediction/forecaster.js';
import { decodeModel, encodeModel } from '../../../src/core/prediction/model-file.js';
import { ModelRefused } from '../../../src/core/prediction/refused.js';
import { farReaching, made, outlook, trained } from './support.js';

const LOG = Array.from({ length: 120 }, (_, n) => farReaching(n));
const TYPES = ['a', 'b', 'm', 'x', 'y'];
let forecaster: Forecaster;
let text: string;

beforeAll(() => {
  forecaster = trained(LOG, { hidden: 6, maxEpochs: 3 });
  text = encodeModel(forecaster, { accuracy: 0.5 });
});

function refusal(of: string): string {
  try {
    decodeModel(of);
  } catch (error) {
    if (error instanceof ModelRefused) return error.code;
    throw error;
  }
  return 'taken';
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is inside of a model is nobody's business but its own
type Change = (body: any) => void;

/** Changes a model and gives it a checksum that fits: what is wrong is inside. */
function tampered(change: Change): string {
  const { checksum: _checksum, ...body } = JSON.parse(text);
  change(body);
  return JSON.stringify({ ...body, checksum: createHash('sha256').update(JSON.stringify(body)).digest('hex') });
}

const f32 = (...values: number[]) => ({
  $: 'f32',
  b: Buffer.from(Float32Array.from(values).buffer).toString('base64'),
});

describe('a model in a file', () => {
  it('foresees exactly as the one that was written down, and goes on learning the same', () => {
    const loaded = decodeModel(text).forecaster;
    for (let n = 500; n < 540; n += 1) {
      const whole = farReaching(n);
      const seen = { ...whole, events: whole.events.slice(0, n % 7) };
      const [here, there] = [outlook(forecaster, seen), outlook(loaded, seen)];
      expect(TYPES.map(there)).toEqual(TYPES.map(here));
      const open = { ...seen, streams: ['log'], nowMs: seen.startedAtMs };
      expect(loaded.foresee(open)).toEqual(forecaster.foresee(open));
      loaded.learn(made(n, ['a', 'm', 'new']));
      forecaster.learn(made(n, ['a', 'm', 'new']));
    }
  });

  it('says what it is: version, metrics, window, features, checksum', () => {
    const { model } = decodeModel(text);
    expect(model).toMatchObject({
      format: 'lockstep-prediction-model',
      formatVersion: 2,
      version: expect.stringMatching(/^model-[0-9a-f]{12}$/),
      metrics: { accuracy: 0.5 },
      trainingWindow: { from: '2026-01-05T09:00:00.000Z', to: expect.stringMatching(/Z$/) },
      features: { dense: expect.arrayContaining(['log-pause']), sparse: { classes: 7, attributes: [] } },
      checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(decodeModel(text).forecaster.describe().version).toBe(model.version);
  });

  it('is the same from the same transactions and seed, another from another seed', () => {
    const again = (seed: number): string =>
      encodeModel(trained(LOG, { hidden: 6, maxEpochs: 3, seed }), { accuracy: 0.5 });
    expect(again(1)).toBe(text);
    expect(again(2)).not.toBe(text);
  });

  it('is refused wherever it is cut off, and whatever character is changed', () => {
    fc.assert(
      fc.property(fc.nat(text.length - 2), (at) => {
        expect(refusal(text.slice(0, at))).toMatch(/^Model(Corrupt|Foreign)$/);
      }),
      { numRuns: 30 },
    );
    fc.assert(
      fc.property(fc.nat(text.length - 3), (at) => {
        const other = text[at] === '1' ? '2' : '1';
        expect(refusal(`${text.slice(0, at)}${other}${text.slice(at + 1)}`)).toMatch(/^Model/);
      }),
      { numRuns: 60 },
    );
  });

  it('is refused when it is something else, of another version, or with numbers that are none', () => {
    expect(['', 'hello', '[]', 'null', '7', '{}', '{"format":"onnx"}'].map(refusal)).toEqual(
      Array(7).fill('ModelForeign'),
    );
    expect(refusal(tampered((body) => (body.formatVersion = 1)))).toBe('ModelVersion');
    expect(refusal(tampered((body) => (body.state.sequence.counts[0].unigrams = f32(1, Number.NaN))))).toBe(
      'ModelCorrupt',
    );
    expect(refusal(tampered((body) => (body.state.sequence.networks.weights[0] = f32(1, Infinity))))).toBe(
      'ModelCorrupt',
    );
  });

  it('is refused when its parts do not fit together, though its checksum does', () => {
    const changes: Change[] = [
      (body) => delete body.state,
      (body) => (body.state.templates = 'none'),
      (body) => (body.state.sequence.networks.weights[0] = f32(1, 2, 3)),
      (body) => (body.state.sequence.networks.hidden = 7),
      (body) => (body.state.sequence.counts[0].table.counts = f32(1)),
      (body) => (body.state.sequence.counts[0].table.capacity = 1e9),
      (body) => (body.state.symbols.names = null),
      (body) => (body.state.sequence.counts[0].unigrams = { $: 'f32', b: 'AAA=' }),
      (body) => (body.metrics = { accuracy: 'high' }),
    ];
    for (const change of changes) expect(`${change.toString()}: ${refusal(tampered(change))}`).toMatch(/ModelCorrupt$/);
  });
});
