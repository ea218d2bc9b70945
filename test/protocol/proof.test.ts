import type { Reconciliation } from '../../src/core/api.js';
import { areEqual } from '../../src/core/proof.js';
import { expectRest } from '../support/invariants.js';
import { type World, openWorld } from '../support/world.js';

/** What was proved so far, the oldest first: whether each window was equal. */
const proved = (world: World) =>
  world.hooks.calls.flatMap(({ method, args }) => {
    if (method !== 'compareAndSet' || !String(args[0]).startsWith('reconciliation/')) return [];
    const { proof } = args[2] as Reconciliation;
    return proof ? [proof.windows.map(({ after }) => areEqual(Object.values(after)))] : [];
  });

describe('the proof of a return', () => {
  it('what was under way at home when it was lost is settled by a bar, and waited for', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', port: 'streams', method: 'put' });
    await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    await world.takeover('west');
    world.hooks.crash('east/2');
    held.fail();
    // East finds that it is out, and comes back: nobody raises a bar of his own accord in all this.
    await world.run(world.node('east').watch());
    await world.clock.advance(30_000);
    expect((await world.route()).inSync).toEqual(['west', 'east']);
    const [windows] = proved(world);
    expect(windows?.length).toBeGreaterThan(0);
    expect(windows).not.toContain(false);
    await expectRest(world, { committed: ['T1'] });
  });
});
