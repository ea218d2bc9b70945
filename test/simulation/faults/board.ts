import type { Fault } from '../../../src/core/api.js';
import { type FaultKind, STREAMS, type Scene, peerOf } from './kind.js';

/** Faults that last: parts of the deployment that are down, slow, flaky, throttled or cut off. */
export const BOARD_FAULTS: readonly FaultKind[] = [
  ofSite('site down', () => ({ kind: 'down' })),
  ofSite('site slow', ({ dice }) => ({ kind: 'slow', delayMs: dice.pick([5, 40, 200]) })),
  ofSite('site flaky', ({ dice }) => ({ kind: 'flaky', rate: dice.pick([0.1, 0.3]) })),
  ofSite('api down', () => ({ part: 'api', kind: 'down' })),
  ofSite('tables down', () => ({ part: 'tables', kind: 'down' })),
  ofSite('tables flaky', ({ dice }) => ({ part: 'tables', kind: 'flaky', rate: dice.pick([0.1, 0.3]) })),
  ofSite('tables slow', ({ dice }) => ({ part: 'tables', kind: 'slow', delayMs: dice.pick([5, 50]) })),
  ofSite('tables throttled', ({ dice }) => ({ part: 'tables', kind: 'throttle', rate: dice.pick([0.2, 0.6]) })),
  ofSite('control store down', () => ({ part: 'control', kind: 'down' })),
  ofSite('control store flaky', () => ({ part: 'control', kind: 'flaky', rate: 0.4 })),
  ofSite('control store slow', () => ({ part: 'control', kind: 'slow', delayMs: 60 })),
  ofSite('control store cut off', () => ({ part: 'control', kind: 'partition' })),
  ofSite('stream down', ({ dice }) => ({ stream: dice.pick(STREAMS), kind: 'down' })),
  ofSite('stream flaky', ({ dice }) => ({ stream: dice.pick(STREAMS), kind: 'flaky', rate: 0.5 })),
  ofSite('stream slow', ({ dice }) => ({ stream: dice.pick(STREAMS), kind: 'slow', delayMs: 100 })),
  ofSite('stream throttled', ({ dice }) => ({ stream: dice.pick(STREAMS), kind: 'throttle', rate: 0.7 })),
  ofSite('shard down', (scene) => ({ ...shardOf(scene), kind: 'down' })),
  ofSite('shard flaky', (scene) => ({ ...shardOf(scene), kind: 'flaky', rate: 0.5 })),
  {
    name: 'partition',
    start: (scene) => {
      const site = scene.dice.pick(scene.cluster.sites);
      return scene.injector.switchOn('partition', { site, kind: 'partition', peer: peerOf(scene, site) });
    },
  },
  {
    name: 'one-way partition',
    start: (scene) => {
      const site = scene.dice.pick(scene.cluster.sites);
      const peer = peerOf(scene, site);
      return scene.injector.switchOn('one-way partition', { site, kind: 'partition', peer, oneWay: true });
    },
  },
  {
    name: 'site alone',
    start: ({ dice, cluster, injector }) =>
      injector.switchOn('site alone', { site: dice.pick(cluster.sites), kind: 'partition' }),
  },
  {
    name: 'two sites down',
    start: (scene) => {
      const site = scene.dice.pick(scene.cluster.sites);
      const down = [site, peerOf(scene, site)].map((at): Fault => ({ site: at, kind: 'down' }));
      return scene.injector.switchOn('two sites down', ...down);
    },
  },
];

function ofSite(name: string, faultOf: (scene: Scene) => Omit<Fault, 'site'>): FaultKind {
  return {
    name,
    start: (scene) => scene.injector.switchOn(name, { site: scene.dice.pick(scene.cluster.sites), ...faultOf(scene) }),
  };
}

/** A low number: streams begin with one to three shards, and get more by splits. */
function shardOf({ dice }: Scene): Pick<Fault, 'stream' | 'shardId'> {
  return { stream: dice.pick(STREAMS), shardId: `shardId-${String(dice.below(3)).padStart(12, '0')}` };
}
