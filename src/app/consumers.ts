import type { Site } from './site.js';

/** Functions that the platform calls with a stream's records get those of its active replica. Here only. */
export async function moveHere(site: Site): Promise<void> {
  const { active } = await site.routes.refresh();
  const streams = site.registry.all.map(({ name, replicas }) => {
    const here = replicas[site.name];
    const physicalName = here?.state === 'ready' ? { physicalName: here.physicalName } : {};
    return [name, { isActiveHere: active[name] === site.name, ...physicalName }] as const;
  });
  await site.ports.consumers.follow(Object.fromEntries(streams));
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
