import { SiteNode } from '../../src/app/node.js';
import { STANDING } from '../../src/ports/environment.js';
import { openWorld } from '../support/world.js';

it('how it stands: sites that are out of sync, and streams that lag here', async () => {
  const world = await openWorld();
  const told: unknown[] = [];
  const observer = {
    note: (what: string, { out, behind }: Readonly<Record<string, unknown>> = {}) => {
      if (what === STANDING) told.push({ out, behind });
    },
  };
  const node = new SiteNode({ ...world.node('east').site.ports, observer });
  const tell = async (): Promise<void> => {
    await world.run(node.recall());
    node.tellStanding();
  };
  await tell();
  world.faults({ site: 'east', part: 'streams', kind: 'down' });
  await world.commit('east', 'T1');
  await tell();
  world.faults();
  world.lose('west');
  await world.run(world.node('east').watch());
  await tell();
  world.heal();
  await world.settle();
  await tell();
  expect(told).toEqual([
    { out: 0, behind: 0 },
    { out: 0, behind: 1 },
    { out: 1, behind: 1 },
    { out: 0, behind: 0 },
  ]);
});
