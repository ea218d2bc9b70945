import type { SeenEvent } from './context.js';

/** The end of a transaction: what follows its last event. */
export const END = 0;
/** Whatever has no number of its own. Never foreseen. */
export const OTHER = 1;
const FIRST = 2;

/** So many kinds of events are told apart at a time; a log with more has something else than a type for its types. */
export const MAX_SYMBOLS = 1024;
const MAX_NAME_CHARACTERS = 512;

/**
 * Numbers for the kinds of events, a kind being a stream and a type. When all numbers are taken, a new kind gets that of
 * one that was seen only once, else none until counts have faded: a flood of names passes through, names in use stay.
 */
export class Symbols {
  private readonly names: string[] = ['', ''];
  private readonly counts: number[] = [0, 0];
  private readonly numbers = new Map<string, number>();
  private refused = 0;
  private hand = FIRST;
  /** Numbers below this are never given to another kind. */
  private pinned = FIRST;

  /** One more than the highest number in use. */
  get size(): number {
    return this.names.length;
  }

  /** The number of a kind, `OTHER` for one that is not known. */
  find(event: Pick<SeenEvent, 'stream' | 'type'>): number {
    return this.numbers.get(nameOf(event)) ?? OTHER;
  }

  /** As `find`, and gives a new kind a number where one is to be had. */
  learn(event: Pick<SeenEvent, 'stream' | 'type'>): number {
    const name = nameOf(event);
    const known = this.numbers.get(name);
    if (known !== undefined) {
      this.counts[known] = (this.counts[known] ?? 0) + 1;
      return known;
    }
    const free = name.length > MAX_NAME_CHARACTERS ? undefined : this.free();
    if (free === undefined) return OTHER;
    this.numbers.delete(this.names[free] ?? '');
    this.numbers.set(name, free);
    this.names[free] = name;
    this.counts[free] = 1;
    return free;
  }

  /** The stream and type behind a number; undefined for `END` and `OTHER`. */
  kindOf(symbol: number): { readonly stream: string; readonly type: string } | undefined {
    const name = symbol < FIRST ? undefined : this.names[symbol];
    if (name === undefined) return undefined;
    const slash = name.indexOf('/');
    return { stream: name.slice(0, slash), type: name.slice(slash + 1) };
  }

  /** From now on, kinds that have a number keep it: a network was trained on these. */
  pin(): void {
    this.pinned = this.names.length;
  }

  save(): SavedSymbols {
    return { names: this.names.slice(FIRST), counts: this.counts.slice(FIRST), pinned: this.pinned };
  }

  static load({ names, counts, pinned }: SavedSymbols): Symbols {
    const symbols = new Symbols();
    for (const [index, name] of names.entries()) {
      symbols.numbers.set(name, symbols.names.length);
      symbols.names.push(name);
      symbols.counts.push(counts[index] ?? 1);
    }
    symbols.pinned = pinned;
    return symbols;
  }

  private free(): number | undefined {
    if (this.names.length < MAX_SYMBOLS) return this.names.length;
    for (let looked = 0; looked < MAX_SYMBOLS; looked += 1) {
      const at = this.hand;
      this.hand = at + 1 < MAX_SYMBOLS ? at + 1 : FIRST;
      if (at >= this.pinned && (this.counts[at] ?? 0) <= 1) return at;
    }
    this.refused += 1;
    if (this.refused % MAX_SYMBOLS === 0) {
      for (let i = FIRST; i < MAX_SYMBOLS; i += 1) this.counts[i] = Math.floor((this.counts[i] ?? 0) / 2);
    }
    return undefined;
  }
}

export interface SavedSymbols {
  readonly names: readonly string[];
  readonly counts: readonly number[];
  readonly pinned: number;
}

/** No stream has a slash in its name, so this can be taken apart again. */
function nameOf({ stream, type }: Pick<SeenEvent, 'stream' | 'type'>): string {
  return `${stream}/${type}`;
}
