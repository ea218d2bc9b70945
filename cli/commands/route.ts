import type { Command } from 'commander';
import type { HealthState, RouteAnswer } from '../../src/core/api.js';
import { roleOf } from '../service.js';
import { renderFacts, renderTable } from '../ui/table.js';
import type { Io, Terminal } from '../ui/terminal.js';
import { addCommand } from './command.js';

export function addRoute(program: Command, io: Io): void {
  addCommand(
    program,
    io,
    {
      name: 'route',
      summary: 'Show which site is home, which are in sync, and where each stream is active',
      examples: ['lockstep route', 'lockstep route --json | jq -r .home'],
    },
    async (session) => {
      const route = await session.client.getRoute();
      if (session.json) {
        session.printJson(route);
        return;
      }
      const { sites } = await session.client.getHealth();
      const health = new Map(sites.map(({ site, state }) => [site, state]));
      session.terminal.print(...renderRoute(route, health, session.terminal));
    },
  );
}

function renderRoute(route: RouteAnswer, health: ReadonlyMap<string, HealthState>, terminal: Terminal): string[] {
  const { style, width } = terminal;
  const paint = { well: style.good, suspect: style.warn, failed: style.bad };
  const activeAt = (site: string): string =>
    Object.entries(route.active)
      .flatMap(([stream, at]) => (at === site ? [stream] : []))
      .join(' ');
  const rows = route.sites.map(({ name, region, endpoint }) => {
    const state = health.get(name);
    return [
      name,
      region,
      roleOf(route, name),
      state === undefined ? '' : paint[state](state),
      endpoint,
      activeAt(name),
    ];
  });
  const titles = ['SITE', 'REGION', 'ROLE', 'HEALTH', 'ENDPOINT', 'ACTIVE STREAMS'];
  return [
    ...renderFacts(
      [
        ['home', style.bold(route.home)],
        ['phase', route.phase],
        ['term', `${route.term}, epoch ${route.epoch}`],
      ],
      width,
    ),
    '',
    ...renderTable(
      titles.map((title) => ({ title })),
      rows,
      width,
      style.dim,
    ),
  ];
}
