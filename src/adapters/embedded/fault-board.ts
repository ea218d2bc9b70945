/** The fault switches of the local server (`PUT /local/faults`): which faults there are, and which a call meets. */

export type FaultPart = 'streams' | 'tables' | 'api' | 'control';
export type FaultKind = 'down' | 'slow' | 'flaky' | 'partition' | 'throttle';

export interface Fault {
  readonly site: string;
  /** Implies `part: 'streams'`. */
  readonly stream?: string;
  readonly shardId?: string;
  /** @default everything of the site */
  readonly part?: FaultPart;
  /**
   * `down` fails at once, `slow` adds `delayMs` to each call, `flaky` fails before or after the effect, `throttle`
   * refuses, `partition` drops silently between the site and `peer`.
   */
  readonly kind: FaultKind;
  /** Probability, 0 to 1, for `flaky` and `throttle`. @default 1 */
  readonly rate?: number;
  /** Milliseconds, for `slow`. @default 1000 */
  readonly delayMs?: number;
  /** For `partition`. @default all others */
  readonly peer?: string;
  /** For `partition`: only what goes from the site to the peer is dropped. @default false */
  readonly oneWay?: boolean;
}

const NONE: readonly Fault[] = [];

/** The faults that are switched on now. Changing them takes effect with the next step of every call. */
export class FaultBoard {
  #faults: readonly Fault[] = NONE;
  /** Answers of `affecting` without a stream: asked on every call. */
  readonly #known = new Map<string, readonly Fault[]>();

  /** Replaces the whole list; empty: all well. */
  set(faults: readonly Fault[]): void {
    this.#faults = faults.map((fault) => ({ ...fault }));
    this.#known.clear();
  }

  list(): readonly Fault[] {
    return this.#faults;
  }

  /** No fault at all. */
  get quiet(): boolean {
    return this.#faults.length === 0;
  }

  /** The faults, other than partitions, that a call of this part of a site meets, whatever stream it is about. */
  affecting(site: string, part: FaultPart): readonly Fault[] {
    if (this.quiet) return NONE;
    const name = `${part}@${site}`;
    let faults = this.#known.get(name);
    if (faults === undefined) {
      faults = this.#faults.filter((fault) => fault.kind !== 'partition' && concerns(fault, site, part));
      this.#known.set(name, faults);
    }
    return faults;
  }

  /** Those that a call about one stream meets: of the site, of this stream, and of single shards of it. */
  affectingStream(site: string, stream: string): readonly Fault[] {
    const faults = this.affecting(site, 'streams');
    return faults.length === 0 ? NONE : faults.filter((fault) => fault.stream === undefined || fault.stream === stream);
  }

  /** Those of the site as a whole: it can do nothing, or everything only with trouble. */
  affectingAll(site: string): readonly Fault[] {
    return this.affecting(site, 'api').filter((fault) => fault.part === undefined);
  }

  /** Whether messages from one site to another are dropped. */
  severed(from: string, to: string): boolean {
    return this.#faults.some(
      (fault) =>
        fault.kind === 'partition' &&
        (fault.part === undefined || fault.part === 'api') &&
        (drops(fault, from, to) || (fault.oneWay !== true && drops(fault, to, from))),
    );
  }

  /** Whether a site does not reach the control store: a partition from all others, or of `part: 'control'`. */
  severedFromControl(site: string): boolean {
    return this.#faults.some(
      (fault) =>
        fault.kind === 'partition' &&
        fault.site === site &&
        (fault.part === 'control' || (fault.part === undefined && fault.peer === undefined)),
    );
  }
}

function concerns(fault: Fault, site: string, part: FaultPart): boolean {
  if (fault.site !== site) return false;
  if (fault.stream !== undefined) return part === 'streams';
  return fault.part === undefined || fault.part === part;
}

function drops(fault: Fault, from: string, to: string): boolean {
  return fault.site === from && (fault.peer === undefined || fault.peer === to);
}
