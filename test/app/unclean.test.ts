import type { ConflictRule, Service } from '../../src/core/api.js';
import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { type EmbeddedLockstep, openEmbedded } from '../../src/embedded/index.js';

/** Two histories that know nothing of each other, and what becomes of them. */
interface Story {
  readonly engine: EmbeddedLockstep;
  readonly service: Service;
  readonly clock: VirtualClock;
}

const ROUNDS = 40;

async function story(by: ConflictRule): Promise<Story> {
  const clock = new VirtualClock();
  const engine = await openEmbedded({ clock, random: seededRandom(7), background: false });
  const { service } = engine;
  await clock.run(service.putStream('orders', { conflict: { policy: 'last-write-wins', by } }));
  await clock.run(put(service, 'both-know', 'a', 1));
  await clock.run(closeAll(engine));
  return { engine, service, clock };
}

function put(service: Service, id: string, key: string, data: number, time?: string) {
  const event = { stream: 'orders', key, type: 'set', data, ...(time === undefined ? {} : { time }) };
  return service.commitOnce({ id, events: [event] });
}

async function closeAll(engine: EmbeddedLockstep): Promise<void> {
  for (const node of engine.nodes.values()) await node.close();
}

/** East goes on alone while west is away; then west is made home by force, without east. */
async function part({ engine, service, clock }: Story, alone: () => Promise<unknown>): Promise<void> {
  engine.controls.setFaults([{ site: 'west', kind: 'down' }]);
  await clock.run(alone());
  await clock.advance(10);
  engine.controls.setFaults([{ site: 'east', kind: 'down' }]);
  await clock.run(service.moveHome({ to: 'west', force: true }));
}

async function reunite({ engine, service, clock }: Story): Promise<void> {
  engine.controls.setFaults([]);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const node of engine.nodes.values()) {
      await clock.run(node.watch().catch(() => undefined));
      await clock.run(node.tend().catch(() => undefined));
      await clock.run(node.close().catch(() => undefined));
    }
    const { inSync } = await clock.run(service.getRoute());
    if (inSync.length === 2 && round > 5) return;
  }
  throw new Error('east did not come back');
}

async function standing({ service, clock }: Story, site: string): Promise<readonly string[]> {
  const { events } = await clock.run(service.readEvents({ stream: 'orders', site }));
  return events.map((event) => event.transactionid).sort();
}

describe('unclean takeover', () => {
  it('is refused unless it is forced', async () => {
    const told = await story('commit');
    told.engine.controls.setFaults([{ site: 'west', kind: 'down' }]);
    await told.clock.run(put(told.service, 'alone', 'b', 1));
    told.engine.controls.setFaults([{ site: 'east', kind: 'down' }]);
    await expect(told.clock.run(told.service.moveHome({ to: 'west' }))).rejects.toMatchObject({
      code: 'ReplicaBehind',
    });
  });

  it('takes over on return what the lost site knew alone, and both sites hold the same', async () => {
    const told = await story('commit');
    await part(told, () => put(told.service, 'alone', 'b', 1));
    await told.clock.run(put(told.service, 'west', 'c', 1));
    await reunite(told);
    for (const site of ['east', 'west']) {
      expect(await standing(told, site)).toEqual(['alone', 'both-know', 'west']);
    }
    expect((await told.clock.run(told.service.listConflicts({}))).conflicts).toEqual([]);
    // A retry of what was acknowledged in the lost history is that transaction still.
    await expect(told.clock.run(put(told.service, 'alone', 'b', 1))).resolves.toMatchObject({ status: 'committed' });
  });

  it('resolves a key that both changed by commit time, and records the loser with both versions', async () => {
    const told = await story('commit');
    await part(told, () => put(told.service, 'alone', 'a', 2));
    await told.clock.run(put(told.service, 'west', 'a', 3));
    await reunite(told);
    for (const site of ['east', 'west']) expect(await standing(told, site)).toEqual(['both-know', 'west']);
    const { conflicts } = await told.clock.run(told.service.listConflicts({}));
    expect(conflicts).toMatchObject([
      {
        stream: 'orders',
        key: 'a',
        policy: 'last-write-wins by commit',
        winner: { site: 'west', transactionId: 'west', events: [{ data: 3 }] },
        loser: { site: 'east', transactionId: 'alone', events: [{ data: 2 }] },
      },
    ]);
  });

  it('resolves by the time of the event where the policy says so', async () => {
    const told = await story('event');
    await part(told, () => put(told.service, 'alone', 'a', 2, '2030-01-01T00:00:00.000Z'));
    await told.clock.run(put(told.service, 'west', 'a', 3, '2029-01-01T00:00:00.000Z'));
    await reunite(told);
    for (const site of ['east', 'west']) expect(await standing(told, site)).toEqual(['alone', 'both-know', 'west']);
    const { conflicts } = await told.clock.run(told.service.listConflicts({}));
    expect(conflicts).toMatchObject([{ winner: { transactionId: 'alone' }, loser: { transactionId: 'west' } }]);
  });

  it('tells in its incident what may be missing', async () => {
    const told = await story('commit');
    await part(told, () => put(told.service, 'alone', 'b', 1));
    const { incidents } = await told.clock.run(told.service.listIncidents({}));
    const words = incidents.find((incident) => incident.kind === 'unclean-takeover')?.timeline.map(({ what }) => what);
    expect(words).toContainEqual(expect.stringMatching(/what only lost sites hold, decided after .* is missing/));
  });
});
