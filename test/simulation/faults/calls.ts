import { PortThrottled, PortUnavailable } from '../../../src/ports/failures.js';
import type { PutOutcome, PutRecord } from '../../../src/ports/streams.js';
import { type RowPage, WriteConflict } from '../../../src/ports/tables.js';
import type { Call, PortName } from '../process.js';
import type { Interference } from './injector.js';
import type { FaultKind, Scene } from './kind.js';

type Run = Interference['run'];

/** Faults of single calls: what is asked, done and answered come apart. */
export const CALL_FAULTS: readonly FaultKind[] = [
  onCalls('call fails', ['tables', 'peers', 'streams', 'control'], () => () => Promise.reject(unanswered())),
  onCalls('answer lost', ['tables', 'peers', 'streams', 'control'], () => async (_call, effect) => {
    await effect();
    throw unanswered();
  }),
  onCalls('call late', ['tables', 'peers', 'streams', 'control'], ({ cluster, dice }) => {
    const ms = dice.between(1, 800);
    return (_call, effect) => cluster.clock.sleep(ms).then(effect);
  }),
  onCalls('answer late', ['tables', 'peers', 'streams', 'control'], ({ cluster, dice }) => {
    const ms = dice.between(1, 800);
    return async (_call, effect) => {
      const [outcome] = await Promise.allSettled([effect()]);
      await cluster.clock.sleep(ms);
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    };
  }),
  onCalls(
    'call lands after its caller gave up',
    ['tables', 'peers', 'streams', 'control'],
    ({ cluster, dice, start }) => {
      const ms = dice.between(100, 4000);
      return async (_call, effect) => {
        start(cluster.clock.sleep(ms).then(effect));
        await cluster.clock.sleep(20);
        throw unanswered();
      };
    },
  ),
  onCalls(
    'call happens twice',
    ['peers', 'streams'],
    ({ cluster, dice, start }) => {
      const ms = dice.between(0, 1500);
      return (_call, effect) => {
        start(cluster.clock.sleep(ms).then(effect));
        return effect();
      };
    },
    // A client's request is passed on once in a term, and no client of a port repeats it (docs/decisions/0033): what was
    // refused may be committed by its second time.
    ({ method }) => method !== 'perform',
  ),
  onCalls('throttled', ['tables', 'streams', 'peers'], () => () => Promise.reject(new PortThrottled('throttled'))),
  onCalls(
    'transaction conflict',
    ['tables'],
    () => () => Promise.reject(new WriteConflict('another transaction holds an item')),
    ({ method }) => method === 'transact',
  ),
  onCalls(
    'stale index',
    ['tables'],
    ({ dice }) =>
      async (_call, effect) => {
        const { rows } = (await effect()) as RowPage;
        return { rows: rows.filter(() => dice.chance(0.5)) } satisfies RowPage;
      },
    ({ method }) => method === 'queryIndex',
  ),
  onCalls('put in part', ['streams'], putInPart, ({ method, args }) => method === 'put' && Array.isArray(args[1])),
];

const unanswered = (): Error => new PortUnavailable('no answer');

/** Where home is well whoever asks it just that is answered. */
const asksHome = ({ cluster }: Scene, { method }: Call): boolean =>
  method === 'probe' && cluster.plan.spared.includes('home');

/** Meets a few of the calls of some ports, of one process or of all. */
function onCalls(
  name: string,
  ports: readonly PortName[],
  runOf: (scene: Scene) => Run,
  more: (call: Call) => boolean = () => true,
): FaultKind {
  return {
    name,
    start: (scene) => {
      const { dice, injector } = scene;
      const port = dice.pick(ports);
      const only = dice.chance(0.6) ? scene.anyone()?.process : undefined;
      const run = runOf(scene);
      return injector.interfere({
        kind: name,
        left: dice.pick([1, 1, 2, 4]),
        meets: (call) =>
          call.port === port && (only === undefined || call.by === only) && more(call) && !asksHome(scene, call),
        run: (call, effect) => {
          injector.count(name);
          return run(call, effect);
        },
      });
    },
  };
}

/** Some records are taken and some are not, and of those said not to be, some are all the same. */
function putInPart({ cluster, dice }: Scene): Run {
  return async (call) => {
    const [name, records] = call.args as readonly [string, readonly PutRecord[]];
    const fates = records.map(() => dice.pick(['taken', 'refused', 'taken, not told'] as const));
    const taken = records.filter((_, index) => fates[index] !== 'refused');
    const outcomes = taken.length === 0 ? [] : await cluster.rawOf(call.by.site).streams.put(name, taken);
    const refused: PutOutcome = { ok: false, reason: dice.pick(['throttled', 'unavailable'] as const) };
    let next = 0;
    return fates.map((fate): PutOutcome => {
      const outcome = fate === 'refused' ? undefined : outcomes[next++];
      return fate === 'taken' && outcome ? outcome : refused;
    });
  };
}
