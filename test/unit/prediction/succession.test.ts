import { encodeModel } from '../../../src/core/prediction/model-file.js';
import {
  type Contender,
  judgeModel,
  NO_RECORD,
  parseRecord,
  servedNow,
  succeed,
} from '../../../src/core/prediction/succession.js';
import { farReaching, trained } from './support.js';

const judged = (run: string, logLoss: number, drifts = 0): Contender => ({
  run,
  verdict: { logLoss, accuracy: 0.5, drifts },
});
const unjudged = (run: string): Contender => ({ run, verdict: undefined });

describe('which model serves next', () => {
  test.each<[string, Parameters<typeof succeed>, ReturnType<typeof succeed>]>([
    ['the first there is', [judged('c', 2), undefined, undefined], { run: 'c', why: 'first' }],
    ['a challenger that is better', [judged('c', 0.9), judged('a', 1), undefined], { run: 'c', why: 'promoted' }],
    ['not one that is as good', [judged('c', 1), judged('a', 1), undefined], { run: 'a', why: 'kept' }],
    ['not one that is better by noise', [judged('c', 0.999), judged('a', 1), undefined], { run: 'a', why: 'kept' }],
    ['not one that is worse', [judged('c', 1.5), judged('a', 1), undefined], { run: 'a', why: 'kept' }],
    ['not one that is no model', [unjudged('c'), judged('a', 1), undefined], { run: 'a', why: 'kept' }],
    ['not one that was not trained', [undefined, judged('a', 1), undefined], { run: 'a', why: 'kept' }],
    [
      'the one before, when this one drifted and is worse',
      [judged('c', 3), judged('a', 2, 1), judged('b', 1)],
      { run: 'b', why: 'rolled-back' },
    ],
    [
      'not the one before while this one has not drifted',
      [judged('c', 3), judged('a', 2), judged('b', 1)],
      { run: 'a', why: 'kept' },
    ],
    [
      'not the one before when it is worse, too',
      [judged('c', 3), judged('a', 2, 1), judged('b', 2.5)],
      { run: 'a', why: 'kept' },
    ],
    [
      'the better of two that might',
      [judged('c', 1.2), judged('a', 2, 1), judged('b', 1)],
      { run: 'b', why: 'rolled-back' },
    ],
    [
      'the challenger where it is better than the one before',
      [judged('c', 0.8), judged('a', 2, 1), judged('b', 1)],
      { run: 'c', why: 'promoted' },
    ],
    [
      'a challenger, where the one in use cannot be read',
      [judged('c', 9), unjudged('a'), judged('b', 1)],
      { run: 'c', why: 'promoted' },
    ],
    [
      'the one before, where no other can be read',
      [unjudged('c'), unjudged('a'), judged('b', 1)],
      { run: 'b', why: 'rolled-back' },
    ],
    ['none where there is none', [undefined, undefined, undefined], { why: 'none' }],
  ])('%s', (_, given, chosen) => {
    expect(succeed(...given)).toEqual(chosen);
  });
});

describe('what runs hand on', () => {
  test('the one that served before is kept, but one that was rolled back does not come again', () => {
    const first = servedNow(NO_RECORD, 'a', 'first');
    expect(first).toEqual({ ...NO_RECORD, champion: 'a' });
    const second = servedNow(first, 'b', 'promoted');
    expect(second).toEqual({ ...NO_RECORD, champion: 'b', previous: 'a' });
    // Told twice, and served again after a deployment.
    expect(servedNow(second, 'b', 'promoted')).toEqual(second);
    expect(servedNow(second, 'b', 'kept')).toEqual(second);
    expect(servedNow(second, 'a', 'rolled-back')).toEqual({ ...NO_RECORD, champion: 'a' });
  });

  test('what cannot be read is none', () => {
    for (const text of [undefined, '', '{"windows":7}', 'null']) expect(parseRecord(text)).toEqual(NO_RECORD);
    const record = { ...NO_RECORD, gatheredTo: 'x', champion: 'a' };
    expect(parseRecord(JSON.stringify(record))).toEqual(record);
  });
});

describe('a model is judged', () => {
  const past = Array.from({ length: 120 }, (_, n) => farReaching(n));
  const later = Array.from({ length: 40 }, (_, n) => farReaching(500 + n));
  const text = encodeModel(trained(past, { networks: 0 }));

  test('by later data, the same each time', () => {
    const verdict = judgeModel(text, later);
    expect(verdict).toEqual({ logLoss: expect.any(Number), accuracy: expect.any(Number), drifts: 0 });
    expect(judgeModel(text, later)).toEqual(verdict);
    // It is better than one that has learned next to nothing.
    expect(verdict!.logLoss).toBeLessThan(
      judgeModel(encodeModel(trained(past.slice(0, 2), { networks: 0 })), later)!.logLoss,
    );
  });

  test.each([
    ['cut off', text.slice(0, 500)],
    ['changed', text.replace('"metrics"', '"metricz"')],
    ['foreign', '{"format":"onnx"}'],
    ['no JSON', 'PK'],
  ])('not one that is %s', (_, broken) => {
    expect(judgeModel(broken, later)).toBeUndefined();
  });
});
