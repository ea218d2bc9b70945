import { type HasMiddleware, type SentCall, countCalls } from '../../../src/adapters/aws/count-calls.js';
import { controlTableName, siteTableName, streamPrefix } from '../../../src/adapters/aws/names.js';
import type { Exchange } from '../../../src/adapters/aws/remote-agent.js';
import { PortUnavailable } from '../../../src/ports/failures.js';
import { type AwsOverrides, type AwsSite, openAwsSite } from '../../../src/aws/site.js';
import { unique } from '../../contract/support.js';
import { clientsFor, createControlTable, createSiteTable, deleteStreams, deleteTable } from './localstack.js';

export const SITES = [
  { name: 'east', region: 'us-east-1' },
  { name: 'west', region: 'us-west-2' },
] as const;
type SiteName = (typeof SITES)[number]['name'];

export interface CountedCall extends SentCall {
  readonly site: string;
}

export interface DeploymentOptions {
  readonly options?: Readonly<Record<string, number>>;
  /** @default that of a site on AWS */
  readonly freshMs?: number;
  /** Who foresees events at each site. @default nobody */
  readonly backfill?: AwsOverrides['backfill'];
  /** Stands in the clients of a site's services. */
  readonly prepare?: (site: string, client: HasMiddleware) => void;
}

/** Two sites of real tables and streams in two regions; requests between them go through JSON, in this process. */
export class Deployment {
  readonly name = unique('d').slice(0, 10);
  /** Every command to a service, and every request to a mirror agent, so far. */
  readonly calls: CountedCall[] = [];
  /** Sites that do not answer the others. */
  readonly lost = new Set<string>();
  readonly #sites = new Map<string, AwsSite>();
  readonly #given: DeploymentOptions;

  constructor(given: DeploymentOptions = {}) {
    this.#given = given;
  }

  async open(): Promise<void> {
    for (const { name, region } of SITES) {
      const { dynamodb, destroy } = clientsFor(region);
      await createSiteTable(dynamodb, siteTableName(this.name, name));
      if (name === SITES[0].name) await createControlTable(dynamodb, controlTableName(this.name));
      destroy();
    }
    for (const { name } of SITES) this.#sites.set(name, await this.process(name));
  }

  /** A further process of a site, as another instance of a function would be. */
  process(site: SiteName): Promise<AwsSite> {
    const config = {
      deployment: this.name,
      site,
      sites: [...SITES],
      controlRegion: SITES[0].region,
      options: { guardCopies: 4, ...this.#given.options },
    };
    return openAwsSite(config, {
      clientsFor: (region) => {
        const clients = clientsFor(region);
        for (const client of [clients.dynamodb, clients.kinesis]) {
          this.#given.prepare?.(site, client);
          countCalls(client, (call) => this.calls.push({ ...call, site }));
        }
        return clients;
      },
      exchangeWith: (to) => this.#exchange(site, to),
      observer: { note: () => undefined },
      ...(this.#given.backfill ? { backfill: this.#given.backfill } : {}),
      ...(this.#given.freshMs === undefined ? {} : { freshMs: this.#given.freshMs }),
    });
  }

  #exchange(from: string, to: string): Exchange {
    return async (request) => {
      this.calls.push({ site: from, command: `agent ${request.method}`, input: request });
      if (this.lost.has(to) || this.lost.has(from)) throw new PortUnavailable(`${to} is lost`);
      const asked: unknown = JSON.parse(JSON.stringify(request));
      return JSON.parse(JSON.stringify(await this.site(to).answer(asked))) as unknown;
    };
  }

  site(name: string): AwsSite {
    const site = this.#sites.get(name);
    if (!site) throw new Error(`there is no site ${name}`);
    return site;
  }

  get east(): AwsSite {
    return this.site('east');
  }

  get west(): AwsSite {
    return this.site('west');
  }

  /** A stream with a replica at each site, filled and level. */
  async stream(name: string, shards = 1): Promise<void> {
    await this.east.node.service.putStream(name, { shards });
    for (let round = 0; round < 100; round += 1) {
      for (const site of this.#sites.values()) await site.node.tend();
      const ready = [...this.#sites.values()].every(
        ({ node }) => node.site.registry.localReplica(name)?.state === 'ready' && !node.site.behind.has(name),
      );
      if (ready) break;
    }
    for (const { node } of this.#sites.values()) await node.site.registry.refresh();
    await this.settle();
  }

  async settle(): Promise<void> {
    for (const site of this.#sites.values()) await site.settle();
  }

  /** What a piece of work sends, counted by site and command, once all that it left for later is done. */
  async counting(work: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> {
    await this.settle();
    this.calls.length = 0;
    await work();
    await this.settle();
    const counts: Record<string, number> = {};
    for (const { site, command } of this.calls) {
      const name = `${site} ${command}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }

  async close(): Promise<void> {
    await this.settle();
    for (const site of this.#sites.values()) site.close();
    for (const { name, region } of SITES) {
      const { dynamodb, kinesis, destroy } = clientsFor(region);
      await deleteTable(dynamodb, siteTableName(this.name, name));
      if (name === SITES[0].name) await deleteTable(dynamodb, controlTableName(this.name));
      await deleteStreams(kinesis, (stream) => stream.startsWith(streamPrefix(this.name, name)));
      destroy();
    }
  }
}
