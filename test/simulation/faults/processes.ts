import type { FaultKind, Scene } from './kind.js';

/** Processes that die, stand still, and wake much later. */
export const PROCESS_FAULTS: readonly FaultKind[] = [
  {
    name: 'process dies',
    start: (scene) => {
      doom(scene, 'process dies', ({ process }) => scene.cluster.kill(process));
      return undefined;
    },
  },
  {
    name: 'process frozen',
    start: (scene) => {
      const { cluster, dice, start } = scene;
      const ms = dice.pick([300, 2000, 8000]);
      doom(scene, 'process frozen', ({ process }) => {
        cluster.trace.note(`${process.name} is frozen`, { ms });
        process.freeze();
        start(cluster.clock.sleep(ms).then(() => process.thaw()));
      });
      return undefined;
    },
  },
  {
    // It wakes when all is over, and may change nothing any more.
    name: 'process sleeps over it',
    start: (scene) => {
      doom(scene, 'process sleeps over it', ({ process }) => {
        scene.cluster.trace.note(`${process.name} sleeps`);
        process.freeze();
      });
      return undefined;
    },
  },
  {
    name: 'all of a site die',
    start: ({ cluster, dice, injector }) => {
      const all = cluster.running(dice.pick(cluster.sites));
      if (all.length > 0) injector.count('all of a site die');
      for (const { process } of all) cluster.kill(process);
      return undefined;
    },
  },
];

function doom(scene: Scene, kind: string, act: (worker: NonNullable<ReturnType<Scene['anyone']>>) => void): void {
  const { dice, injector } = scene;
  const worker = scene.anyone();
  if (worker) injector.doom(worker.process, kind, dice.below(16), dice.chance(0.5), () => act(worker));
}
