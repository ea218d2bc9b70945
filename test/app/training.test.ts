import { type TrainingSite, chooseModel, gatherWindow, rememberModel } from '../../src/app/training.js';
import { parseFinished } from '../../src/core/prediction/contract.js';
import type { FinishedContext } from '../../src/core/prediction/context.js';
import { encodeModel } from '../../src/core/prediction/model-file.js';
import { parseRecord } from '../../src/core/prediction/succession.js';
import { trainForecaster } from '../../src/core/prediction/training.js';
import { type World, event, openWorld } from '../support/world.js';

const DAY_MS = 86_400_000;
const UNTRAINED = { seed: 1, networks: 0, hidden: 8, maxEpochs: 1, validation: 0.2 };

/** A bucket in memory; models stand in it as a training job would have left them. */
class Shelf {
  readonly files = new Map<string, string>();
  readonly put = async (name: string, text: string): Promise<void> => void this.files.set(name, text);
  readonly get = async (name: string): Promise<string | undefined> => this.files.get(name);
  readonly getModel = this.get;
  readonly url = (name: string): string => `s3://shelf/${name}`;
}

let world: World;
let shelf: Shelf;
let notes: string[];
let site: TrainingSite;

beforeEach(async () => {
  world = await openWorld();
  shelf = new Shelf();
  notes = [];
  const { tables, copies } = world.node('west').site;
  const note = (what: string): void => void notes.push(what);
  site = { tables, copies, files: shelf, prefix: 'orders-west', keepMs: 2 * DAY_MS, note };
});

/** Orders that go through the same states, told by their ids. */
async function commit(from: number, to: number): Promise<void> {
  const { service } = world.node('east');
  for (let n = from; n < to; n += 1) {
    const events = ['placed', 'paid', 'shipped'].map((type) => ({ ...event(`${type} ${n % 3}`), type }));
    await world.run(service.commitOnce({ id: `order-${String(n).padStart(4, '0')}`, events }));
    await world.clock.advance(10);
  }
}

const gather = (run: string, nowMs = world.clock.now()) => world.run(gatherWindow(site, run, nowMs));

function read(names: readonly string[]): FinishedContext[] {
  const lines = names.flatMap((name) => (shelf.files.get(name) ?? '').split('\n').filter(Boolean));
  return lines.map((line) => parseFinished(JSON.parse(line))!);
}

/** What a training job is told to read, by its manifest. */
function trainingOf(run: string): FinishedContext[] {
  const [prefix, ...names] = JSON.parse(shelf.files.get(`data/${run}/training.manifest`)!) as [object, ...string[]];
  expect(prefix).toEqual({ prefix: 's3://shelf/' });
  return read(names);
}

const idsOf = (transactions: readonly FinishedContext[]): string[] => transactions.map(({ id }) => id);
const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => `order-${String(from + n).padStart(4, '0')}`);

/** The job's part: trains on what the manifest names. */
function train(run: string, on = trainingOf(run)): void {
  const work = trainForecaster(on, UNTRAINED);
  for (;;) {
    const { done, value } = work.next();
    if (done !== true) continue;
    shelf.files.set(`models/orders-west-${run}/output/model.tar.gz`, encodeModel(value));
    return;
  }
}

const choose = (run: string, serving: string) => chooseModel(site, { run, serving, revision: 'r1' });

describe('gathering', () => {
  test('takes what was committed, in order, and holds back the last part to judge by', async () => {
    await commit(0, 150);
    expect(await gather('a')).toEqual({
      ...{ run: 'a', job: 'orders-west-a', manifest: 's3://shelf/data/a/training.manifest' },
      ...{ transactions: 120, late: 30, enough: true },
    });
    expect(idsOf(trainingOf('a'))).toEqual(ids(0, 120));
    expect(idsOf(read(['data/a/late-0000.jsonl']))).toEqual(ids(120, 150));
    expect(trainingOf('a')[0]!.events.map(({ type }) => type)).toEqual(['placed', 'paid', 'shipped']);
  });

  test('the same run again gathers the same, whatever was committed meanwhile', async () => {
    await commit(0, 150);
    const first = await gather('a');
    await commit(150, 170);
    expect(await gather('a')).toEqual(first);
    expect(idsOf(trainingOf('a'))).toEqual(ids(0, 120));
  });

  test('a later run takes what is new, and learns from all that is kept', async () => {
    await commit(0, 150);
    await gather('a');
    await commit(150, 250);
    expect(await gather('b')).toMatchObject({ transactions: 230, late: 20, enough: true });
    expect(idsOf(trainingOf('b'))).toEqual(ids(0, 230));
    expect(idsOf(read(['data/b/late-0000.jsonl']))).toEqual(ids(230, 250));
    // What is older than it is kept is learned from no more.
    expect(await gather('c', world.clock.now() + 3 * DAY_MS)).toMatchObject({ transactions: 0, enough: false });
    expect(trainingOf('c')).toEqual([]);
  });

  test('too little is said to be too little, and kept for the next run', async () => {
    await commit(0, 30);
    expect(await gather('a')).toMatchObject({ transactions: 24, late: 6, enough: false });
    await commit(30, 130);
    expect(await gather('b')).toMatchObject({ transactions: 110, late: 20, enough: true });
    expect(idsOf(trainingOf('b'))).toEqual(ids(0, 110));
  });

  test('aborted transactions teach nothing', async () => {
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'aborted', streams: ['orders'] }));
    await world.run(service.write('aborted', { events: [event('x')] }));
    await world.run(service.abort('aborted', {}));
    expect(await gather('a')).toMatchObject({ transactions: 0, late: 0, enough: false });
  });
});

describe('choosing', () => {
  beforeEach(async () => {
    await commit(0, 150);
    await gather('a');
  });

  test('the first model is served; again it is not, as it serves already', async () => {
    train('a');
    const first = await choose('a', 'made by the stack');
    expect(first).toEqual({
      ...{ change: true, why: 'first', run: 'a', name: 'orders-west-a-r1' },
      data: 's3://shelf/models/orders-west-a/output/model.tar.gz',
    });
    await rememberModel(site, 'a', 'first');
    expect(await choose('a', 'orders-west-a-r1')).toMatchObject({ change: false, why: 'kept' });
    // A deployment has made the endpoint anew.
    expect(await choose('a', 'made by the stack')).toMatchObject({ change: true, why: 'kept', run: 'a' });
  });

  test('a challenger that has learned less is not promoted, one that has learned more is', async () => {
    train('a', trainingOf('a').slice(0, 3));
    await rememberModel(site, 'a', 'first');
    await commit(150, 250);
    await gather('b');
    train('b', []);
    expect(await choose('b', 'orders-west-a-r1')).toMatchObject({ change: false, why: 'kept', run: 'a' });
    train('b');
    const chosen = await choose('b', 'orders-west-a-r1');
    expect(chosen).toMatchObject({ change: true, why: 'promoted', run: 'b', name: 'orders-west-b-r1' });
    await rememberModel(site, 'b', 'promoted');
    expect(parseRecord(shelf.files.get('record.json'))).toMatchObject({ champion: 'b', previous: 'a' });
  });

  test('without a challenger, or with one that is none, what serves goes on', async () => {
    train('a');
    await rememberModel(site, 'a', 'first');
    await commit(150, 250);
    await gather('b');
    expect(await choose('b', 'orders-west-a-r1')).toMatchObject({ change: false, why: 'kept' });
    shelf.files.set('models/orders-west-b/output/model.tar.gz', '{"format":"onnx"}');
    expect(await choose('b', 'orders-west-a-r1')).toMatchObject({ change: false, why: 'kept' });
  });

  test('without any model nothing is served', async () => {
    expect(await choose('a', 'made by the stack')).toEqual({ change: false, why: 'none' });
  });
});
