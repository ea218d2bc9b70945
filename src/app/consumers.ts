import type { Site } from './site.js';

/** Functions that the platform calls with a stream's records get those of its active replica. Here only. */
export async function moveHere(site: Site): Promise<void> {
  await site.ports.consumers.follow((await site.routes.refresh()).active);
}

/** The same everywhere. Sites that do not answer do theirs when they are back: until then nothing new comes to them. */
export async function moveEverywhere(site: Site): Promise<void> {
  const elsewhere = site.others.map((other) =>
    site.peers
      .agent(other)
      .tend()
      .catch(() => undefined),
  );
  await Promise.all([moveHere(site), ...elsewhere]);
}
