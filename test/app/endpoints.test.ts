import { SiteNode } from '../../src/app/node.js';
import { event, openWorld, type World } from '../support/world.js';

const REGIONS = ['us-east-1', 'us-west-2'];
const url = (id: string): string => `https://${id}.execute-api.example/v1`;

/** A process of a site as it is deployed: of the endpoints it is told its own. */
async function deployed(world: World, site: string, id: string): Promise<SiteNode> {
  const { ports } = world.node(site).site;
  const sites = world.sites.map((name, index) => ({
    name,
    region: REGIONS[index] ?? '',
    ...(name === site ? { endpoint: url(id) } : {}),
  }));
  const node = new SiteNode({ ...ports, deployment: { ...ports.deployment, sites } });
  await world.run(node.start());
  return node;
}

const endpointsAt = async (world: World, { service }: SiteNode): Promise<readonly string[]> =>
  (await world.run(service.getRoute())).sites.map(({ endpoint }) => endpoint);

describe('the endpoints of all sites', () => {
  it('are told by each of them, and known at any', async () => {
    const world = await openWorld();
    const east = await deployed(world, 'east', 'e1');
    expect(await endpointsAt(world, east)).toEqual([url('e1'), '']);
    const west = await deployed(world, 'west', 'w1');
    for (const node of [east, west]) expect(await endpointsAt(world, node)).toEqual([url('e1'), url('w1')]);
  });

  it('are those of the latest deployment', async () => {
    const world = await openWorld();
    const east = await deployed(world, 'east', 'e1');
    await deployed(world, 'west', 'w1');
    await deployed(world, 'west', 'w2');
    expect(await endpointsAt(world, east)).toEqual([url('e1'), url('w2')]);
  });

  it('are written once, not by each process', async () => {
    const world = await openWorld();
    await deployed(world, 'east', 'e1');
    await deployed(world, 'east', 'e1');
    const isTelling = ({ args }: { readonly args: readonly unknown[] }) => args[0] === 'site/east';
    expect(world.hooks.count({ method: 'compareAndSet', when: isTelling })).toBe(1);
  });

  it('are remembered while the control store is away', async () => {
    const world = await openWorld();
    await deployed(world, 'west', 'w1');
    const east = await deployed(world, 'east', 'e1');
    await world.run(east.service.getRoute());
    world.hooks.fail({ port: 'control', method: 'list' });
    expect(await endpointsAt(world, east)).toEqual([url('e1'), url('w1')]);
  });

  it('lead a client to home, where the site that it asked does not reach it', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    for (const site of ['east', 'north']) await deployed(world, site, site);
    const west = await deployed(world, 'west', 'west');
    world.hooks.fail({ by: 'west', port: 'peers', to: 'east' });
    const commit = west.service.commitOnce({ id: 'T1', events: [event(1)] });
    await expect(world.run(commit)).rejects.toMatchObject({ code: 'NotHome', extras: { endpoint: url('east') } });
  });
});
