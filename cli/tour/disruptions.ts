import { setTimeout } from 'node:timers/promises';
import type { Fault, IncidentKind, Service } from '../../src/core/api.js';
import { isLockstepError } from '../../src/core/errors.js';

/** How long to ask again where no replica is level just now, milliseconds. */
const LEVEL_TIMEOUT_MS = 60_000;
const ASK_AGAIN_MS = 250;

/** What the tour breaks, and how: on a local server for real, on any other deployment by asking for the change. */
export interface Disruptions {
  /** The site that is struck: home at the beginning. */
  readonly site: string;
  /** In words, for the one who watches. */
  readonly words: Readonly<Record<'streams-fail' | 'site-fails' | 'all-returns' | 'in-sync', string>>;
  /** Which incidents answer to it. */
  readonly kinds: Readonly<Record<'streams-fail' | 'site-fails', readonly IncidentKind[]>>;
  failStreams(): Promise<void>;
  failSite(): Promise<void>;
  /** @returns the ids of reconciliations that it has asked for */
  returnAll(): Promise<readonly string[]>;
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
      'in-sync': `${site} is compared, has what it missed, and is in sync`,
    };
  }

  async failStreams(): Promise<void> {
    await this.set([{ site: this.site, part: 'streams', kind: 'down' }]);
  }

  async failSite(): Promise<void> {
    await this.set([{ site: this.site, kind: 'down' }]);
  }

  async returnAll(): Promise<readonly string[]> {
    await this.set([]);
    // A site that comes back reconciles by itself.
    return [];
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

type Changes = Pick<Service, 'switchover' | 'moveHome' | 'reconcile'>;

/** Breaks nothing: asks a deployment for the switchover, for the move of home, and for a comparison of both. */
export class RequestedChanges implements Disruptions {
  readonly site: string;
  readonly words;
  readonly kinds = {
    'streams-fail': ['switchover'],
    'site-fails': ['planned-move', 'takeover'],
  } as const satisfies Disruptions['kinds'];
  private readonly service: Changes;
  private readonly streams: readonly string[];
  private readonly other: string;

  /** @param site home @param other where home moves to @param streams those of the tour */
  constructor(
    service: Changes,
    { site, other, streams }: { readonly site: string; readonly other: string; readonly streams: readonly string[] },
  ) {
    this.service = service;
    this.site = site;
    this.other = other;
    this.streams = streams;
    this.words = {
      'streams-fail': 'the streams are asked to switch over',
      'site-fails': `home is asked to move from ${site} to ${other}`,
      'all-returns': `${site} is asked to compare itself with ${other}`,
      'in-sync': `${site} is in sync`,
    };
  }

  /** Wherever they are active now: elsewhere. */
  async failStreams(): Promise<void> {
    await Promise.all(this.streams.map((stream) => onceLevel(() => this.service.switchover(stream, {}))));
  }

  async failSite(): Promise<void> {
    await onceLevel(() => this.service.moveHome({ to: this.other }));
  }

  async returnAll(): Promise<readonly string[]> {
    const { id } = await this.service.reconcile({ site: this.site, streams: this.streams });
    return [id];
  }
}

/** Under load a replica lags now and then; a moment later it does not. */
async function onceLevel<T>(ask: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + LEVEL_TIMEOUT_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isLockstepError(error, 'ReplicaBehind') || Date.now() > giveUpAt) throw error;
      await setTimeout(ASK_AGAIN_MS);
    }
  }
}
