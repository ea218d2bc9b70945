import type { SiteService } from '../../../src/app/service.js';
import { type FaultKind, STREAMS, type Scene } from './kind.js';

/** What clocks, shards and operators do. */
export const WORLD_FAULTS: readonly FaultKind[] = [
  {
    name: 'clock jumps',
    start: (scene) => setClock(scene, 'clock jumps', ({ dice }) => clockError(scene, dice.chance(0.5))),
  },
  { name: 'clock drifts', start: drift },
  { name: 'shard split', start: (scene) => reshard(scene, 'shard split') },
  { name: 'shards merged', start: (scene) => reshard(scene, 'shards merged') },
  operator('switchover', ({ dice, cluster }) => {
    const [stream, to] = [dice.pick(STREAMS), dice.pick(cluster.sites)];
    return (service) => service.switchover(stream, { to });
  }),
  operator('home moved', ({ dice, cluster }) => {
    const to = dice.pick(cluster.sites);
    return (service) => service.moveHome({ to });
  }),
  operator('reconciliation', ({ dice, cluster }) => {
    const site = dice.pick(cluster.sites);
    return (service) => service.reconcile({ site });
  }),
  operator('unclean takeover', ({ dice, cluster }) => {
    const to = dice.pick(cluster.sites);
    return (service) => service.moveHome({ to, force: true });
  }),
  { name: 'takeover by suspicion', start: suspect },
  { name: 'retention passes', start: forget },
];

/** Only for seeds of the theme of that name. */
export const HISTORIES_PART: FaultKind = { name: 'histories part', start: part };

/** An operator's request, at any site. Counts when it was carried out. */
function operator(name: string, actOf: (scene: Scene) => (service: SiteService) => Promise<unknown>): FaultKind {
  return {
    name,
    start: (scene) => {
      const act = actOf(scene);
      const worker = scene.anyone();
      if (worker) scene.start(act(worker.node.service).then(() => scene.injector.count(name)));
      return undefined;
    },
  };
}

/** Home does not answer one site for a while, which looks at it just then; home itself works on. */
function suspect(scene: Scene): () => void {
  const { cluster, dice, injector } = scene;
  const at = dice.pick(cluster.sites);
  const others = cluster.sites.filter((site) => site !== at);
  const ends = others.map((site) =>
    injector.switchOn('takeover by suspicion', { site, kind: 'partition', peer: at, oneWay: dice.chance(0.5) }),
  );
  for (const { node } of cluster.running(at)) scene.start(node.watch());
  return () => {
    for (const end of ends) end();
  };
}

/** Longer than logs and streams are kept, milliseconds. */
const A_DAY_MS = 25 * 3_600_000;

/**
 * A day passes in which nobody is awake: then all that stood before it is older than logs and streams keep it, while
 * readers, retries, sleeping processes and sites that are away go on where they were. Once: what would be left of a seed?
 */
function forget({ cluster, injector }: Scene): undefined {
  if (cluster.forgets) return undefined;
  cluster.forgottenBeforeMs = cluster.clock.now() + A_DAY_MS / 2;
  cluster.clock.jump(A_DAY_MS);
  injector.count('retention passes');
  return undefined;
}

/** How long home goes on alone before another site is forced to be home, milliseconds. */
const ALONE_MS = 1200;

/** Home hears nobody and goes on alone; then an operator gives it up and forces one that had followed it till then. */
function part(scene: Scene): () => void {
  const { cluster, dice, injector } = scene;
  const ends: (() => void)[] = [];
  let isOver = false;
  let alone = '';
  const cutOff = async (): Promise<void> => {
    const { home, inSync } = await cluster.route();
    alone = home;
    for (const peer of cluster.sites.filter((site) => site !== home)) {
      ends.push(injector.switchOn('histories part', { site: home, kind: 'partition', peer }));
    }
    await cluster.clock.sleep(ALONE_MS);
    if (isOver) return;
    ends.push(injector.switchOn('histories part', { site: home, part: 'control', kind: 'partition' }));
    const worker = cluster.running().find(({ process: { site } }) => site !== home && inSync.includes(site));
    await worker?.node.service.moveHome({ to: worker.process.site, force: true });
  };
  scene.start(cutOff());
  return () => {
    isOver = true;
    for (const end of ends) end();
    // It comes back now, and not always to the end.
    for (const { process } of dice.chance(0.5) ? cluster.running(alone) : [])
      injector.doom(process, 'process dies', dice.below(80), dice.chance(0.5), () => cluster.kill(process));
  };
}

/** Half of what the readers' margin allows between any two clocks, at most. */
function clockError({ cluster, dice }: Scene, forward: boolean): number {
  const mostMs = (cluster.plan.options.readMarginMs ?? 1000) / 4;
  return (forward ? 1 : -1) * dice.below(mostMs);
}

function setClock(scene: Scene, kind: string, errorOf: (scene: Scene) => number): undefined {
  const errorMs = errorOf(scene);
  const site = scene.dice.pick(scene.cluster.sites);
  scene.cluster.aheadMs.set(site, () => errorMs);
  scene.cluster.trace.note(`the clock of ${site} is set`, { errorMs });
  scene.injector.count(kind);
  return undefined;
}

/** A clock that runs fast or slow, until it is as wrong as it may be. */
function drift(scene: Scene): undefined {
  const { cluster, dice, injector } = scene;
  const site = dice.pick(cluster.sites);
  const beganMs = cluster.elapsedMs;
  const targetMs = clockError(scene, dice.chance(0.5));
  const overMs = dice.pick([500, 5000]);
  const fromMs = cluster.aheadMs.get(site)?.(beganMs) ?? 0;
  cluster.aheadMs.set(site, (nowMs) => fromMs + (targetMs - fromMs) * Math.min(1, (nowMs - beganMs) / overMs));
  injector.count('clock drifts');
  return undefined;
}

function reshard(scene: Scene, kind: 'shard split' | 'shards merged'): undefined {
  scene.start(reshardOne(scene, kind));
  return undefined;
}

async function reshardOne({ cluster, dice, injector }: Scene, kind: 'shard split' | 'shards merged'): Promise<void> {
  const site = dice.pick(cluster.sites);
  const stream = dice.pick(STREAMS);
  const { streams } = cluster.rawOf(site);
  const name = (await cluster.definitions()).find((one) => one.name === stream)?.replicas[site]?.physicalName;
  const shards = name === undefined ? [] : ((await streams.describe(name))?.shards ?? []).filter(({ open }) => open);
  if (name === undefined || shards.length === 0) return;
  if (kind === 'shard split') {
    if (shards.length > 4) return;
    await streams.split(name, dice.pick(shards).shardId);
  } else {
    const ordered = [...shards].sort((a, b) => (BigInt(a.hashRange.from) < BigInt(b.hashRange.from) ? -1 : 1));
    const at = dice.below(ordered.length - 1);
    const [one, next] = [ordered[at], ordered[at + 1]];
    if (!one || !next) return;
    await streams.merge(name, one.shardId, next.shardId);
  }
  cluster.trace.note(kind, { stream, site });
  injector.count(kind);
}
