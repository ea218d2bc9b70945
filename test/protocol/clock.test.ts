import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { openEmbedded } from '../../src/embedded/index.js';

describe('a clock that runs ahead', () => {
  const commit = (id: string) => ({ id, events: [{ stream: 'orders', key: 'k', type: 'set', data: 1 }] });

  async function open() {
    const clock = new VirtualClock();
    const { service } = await openEmbedded({ clock, random: seededRandom(3), background: false });
    await clock.run(service.putStream('orders', {}));
    await clock.run(service.commitOnce(commit('before')));
    return { clock, service };
  }

  it('decides nothing while its timestamps are more than half the reading margin ahead of the time', async () => {
    const { clock, service } = await open();
    // The hybrid clock does not go back: what it gave before is now six of the ten seconds of the margin ahead.
    clock.jump(-6000);
    await expect(clock.run(service.commitOnce(commit('ahead')))).rejects.toMatchObject({ code: 'Unavailable' });
    await expect(clock.run(service.getTransaction('ahead'))).rejects.toMatchObject({ code: 'UnknownTransaction' });
  });

  it('goes on within half the margin, with later timestamps all the same', async () => {
    const { clock, service } = await open();
    clock.jump(-4000);
    await clock.run(service.commitOnce(commit('within')));
    const { events } = await clock.run(service.readEvents({ stream: 'orders' }));
    expect(events.map((event) => event.transactionid)).toEqual(['before', 'within']);
    const [first = '', second = ''] = events.map((event) => event.clock);
    expect(second > first).toBe(true);
  });
});
