import type { ScalingAnswer, StreamAnswer } from '../../src/core/api.js';
import { anyText, refusal, type RunningApi, startApi } from './support/api.js';

const RULE = { name: 'busy', when: { signal: 'utilisation', above: 0.8 }, then: { shards: { times: 2 } } };
const SHARDS = { min: 2, max: 6 };

describe('scaling', () => {
  let api: RunningApi;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  const show = (name: string) => api.get<StreamAnswer>(`/streams/${name}`);

  test('rules are kept with the stream, told by GET, and replaced as a whole', async () => {
    const scaling = { mode: 'dry-run', shards: SHARDS, rules: [RULE] };
    const put = await api.put<StreamAnswer>('/streams/kept', { scaling });
    expect([put.status, put.body.policy.scaling]).toEqual([200, scaling]);
    await api.put('/streams/kept', { retentionHours: 48 });
    expect((await show('kept')).body.policy.scaling).toEqual(scaling);
    await api.put('/streams/kept', { scaling: { shards: { min: 1, max: 3 } } });
    expect((await show('kept')).body.policy.scaling).toEqual({ shards: { min: 1, max: 3 } });
  });

  test('a new stream begins with the fewest shards that its rules allow', async () => {
    const { body } = await api.put<StreamAnswer>('/streams/begun', { scaling: { shards: SHARDS } });
    expect([body.policy.shards, body.shards.length]).toEqual([2, 2]);
  });

  test('what its rules find, and what others would', async () => {
    await api.put('/streams/told', { scaling: { mode: 'off', shards: SHARDS } });
    const { body } = await api.get<ScalingAnswer>('/streams/told/scaling');
    expect(body).toMatchObject({
      stream: 'told',
      mode: 'off',
      shards: 2,
      openShards: 2,
      changesLeft: 10,
      decisions: [],
    });
    expect(body.rules.map(({ rule }) => rule)).toEqual([
      'before the peak',
      'under load',
      'throttled',
      'after the peak',
    ]);
    const plan = await api.post<ScalingAnswer>('/streams/told/scaling/plan', {
      scaling: { shards: { min: 3, max: 4 } },
    });
    expect(plan.body.steps).toEqual([{ quantity: 'shards', from: 2, to: 3, why: 'outside of its bounds, 3 to 4' }]);
    expect((await show('told')).body.policy).toMatchObject({ shards: 2, scaling: { mode: 'off' } });
    expect((await api.post<ScalingAnswer>('/streams/told/scaling/plan')).body).toEqual(body);
  });

  test.each<[string, unknown, RegExp]>([
    ['an unknown signal', { shards: SHARDS, rules: [{ ...RULE, when: { signal: 'mood', above: 1 } }] }, /signal/],
    ['an unknown effect', { shards: SHARDS, rules: [{ ...RULE, then: { pool: { to: 2 } } }] }, /pool/],
    ['an unknown field', { shards: SHARDS, sometimes: true }, /sometimes/],
    ['no bounds', { rules: [RULE] }, /then.shards: unbounded/],
    ['bounds upside down', { shards: { min: 4, max: 2 } }, /min is above max/],
    ['more shards than there may be', { shards: { min: 1, max: 9999 } }, /at most/],
    ['no change', { shards: SHARDS, rules: [{ ...RULE, then: {} }] }, /changes nothing/],
    ['nothing at all', {}, /changes nothing/],
    ['above and below', { shards: SHARDS, rules: [{ ...RULE, when: { signal: 'utilisation', above: 1, below: 2 } }] }, /exactly one/], // prettier-ignore
    ['a window without end', { shards: SHARDS, rules: [{ ...RULE, when: { signal: 'utilisation', above: 1, overSeconds: 1e9 } }] }, /overSeconds/], // prettier-ignore
    ['rules that flap', { shards: SHARDS, rules: [RULE, { name: 'idle', when: { signal: 'utilisation', below: 0.6 }, then: { shards: { times: 0.5 } } }] }, /they would flap/], // prettier-ignore
    ['too many', { shards: SHARDS, rules: Array.from({ length: 21 }, (_, n) => ({ ...RULE, name: `r${n}` })) }, /rules/], // prettier-ignore
  ])('%s is refused, and nothing is written', async (_what, scaling, detail) => {
    await api.put('/streams/sound', { shards: 2, scaling: { shards: SHARDS } });
    const refused = refusal(400, 'InvalidRequest', { detail: anyText(detail) });
    expect(await api.put('/streams/sound', { retentionHours: 72, scaling })).toMatchObject(refused);
    expect((await show('sound')).body.policy).toMatchObject({ retentionHours: 24, scaling: { shards: SHARDS } });
    expect(await api.put('/streams/unsound', { scaling })).toMatchObject(refused);
    expect(await show('unsound')).toMatchObject(refusal(404, 'UnknownStream'));
    expect(await api.post('/streams/sound/scaling/plan', { scaling })).toMatchObject(refused);
  });

  test('shards that scaling would undo at once are refused', async () => {
    await api.put('/streams/bounded', { scaling: { shards: SHARDS } });
    const refused = refusal(400, 'InvalidRequest', { detail: anyText(/between 2 and 6/) });
    expect(await api.put('/streams/bounded', { shards: 7 })).toMatchObject(refused);
    expect((await api.put<StreamAnswer>('/streams/bounded', { shards: 3 })).body.policy.shards).toBe(3);
    expect(await api.put('/streams/elsewhere', { shards: 1, scaling: { shards: SHARDS } })).toMatchObject(refused);
    expect((await api.put('/streams/elsewhere', { shards: 1, scaling: { shards: SHARDS, mode: 'off' } })).status).toBe(
      200,
    );
  });

  test('of a stream that is not there', async () => {
    expect(await api.get('/streams/nowhere/scaling')).toMatchObject(refusal(404, 'UnknownStream'));
    expect(await api.post('/streams/nowhere/scaling/plan')).toMatchObject(refusal(404, 'UnknownStream'));
  });
});
