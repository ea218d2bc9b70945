import type { Fault, IncidentKind, Service } from '../../src/core/api.js';

/** What the tour breaks, and how: on a local server for real, on any other deployment by asking for the change. */
export interface Disruptions {
  /** The site that is struck: home at the beginning. */
  readonly site: string;
  /** In words, for the one who watches. */
  readonly words: Readonly<Record<'streams-fail' | 'site-fails' | 'all-returns', string>>;
  /** Which incidents answer to it. */
  readonly kinds: Readonly<Record<'streams-fail' | 'site-fails', readonly IncidentKind[]>>;
  failStreams(): Promise<void>;
  failSite(): Promise<void>;
  returnAll(): Promise<void>;
}

/** Throws the local server's fault switches. */
export class LocalFaults implements Disruptions {
  readonly site: string;
  readonly words;
  readonly kinds = {
    'streams-fail': ['switchover'],
    'site-fails': ['takeover', 'unclean-takeover'],
  } as const satisfies Disruptions['kinds'];
  private readonly url: string;

  /** @param url of the local server */
  constructor(url: string, site: string) {
    this.url = url;
    this.site = site;
    this.words = {
      'streams-fail': `the primary streams in ${site} fail`,
      'site-fails': `all of ${site} goes down: streams, tables, API`,
      'all-returns': `${site} comes back`,
    };
  }

  async failStreams(): Promise<void> {
    await this.set([{ site: this.site, part: 'streams', kind: 'down' }]);
  }

  async failSite(): Promise<void> {
    await this.set([{ site: this.site, kind: 'down' }]);
  }

  async returnAll(): Promise<void> {
    await this.set([]);
  }

  private async set(faults: readonly Fault[]): Promise<void> {
    const response = await fetch(`${this.url}/local/faults`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ faults }),
    });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`PUT ${this.url}/local/faults: ${response.status}; is it a local server?`);
  }
}

/** Breaks nothing: asks a deployment for the switchover and the move, and for a comparison at the end. */
export class RequestedChanges implements Disruptions {
  readonly site: string;
  readonly words;
  readonly kinds = {
    'streams-fail': ['switchover'],
    'site-fails': ['planned-move', 'takeover'],
  } as const satisfies Disruptions['kinds'];
  private readonly service: Pick<Service, 'switchover' | 'moveHome'>;
  private readonly streams: readonly string[];
  private readonly other: string;

  /** @param site home @param other where everything moves to @param streams those of the tour */
  constructor(
    service: Pick<Service, 'switchover' | 'moveHome'>,
    { site, other, streams }: { readonly site: string; readonly other: string; readonly streams: readonly string[] },
  ) {
    this.service = service;
    this.site = site;
    this.other = other;
    this.streams = streams;
    this.words = {
      'streams-fail': `the streams are asked to move from ${site} to ${other}`,
      'site-fails': `home is asked to move from ${site} to ${other}`,
      'all-returns': `nothing was broken here, so there is nothing to return`,
    };
  }

  async failStreams(): Promise<void> {
    await Promise.all(this.streams.map((stream) => this.service.switchover(stream, { to: this.other })));
  }

  async failSite(): Promise<void> {
    await this.service.moveHome({ to: this.other });
  }

  async returnAll(): Promise<void> {
    await Promise.resolve();
  }
}
