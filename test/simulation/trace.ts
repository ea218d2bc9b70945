/** What happened, in order, by virtual time alone: the same seed tells the same story byte for byte. */
export interface Trace {
  note(what: string, facts?: Readonly<Record<string, unknown>>): void;
  /** What only `--trace` shows: each call through a port. */
  detail(what: () => string): void;
}

export const NO_TRACE: Trace = { note: () => undefined, detail: () => undefined };

/** @param elapsedMs virtual milliseconds since the start */
export function traceInto(
  write: (line: string) => void,
  elapsedMs: () => number,
  { detailed }: { readonly detailed: boolean },
): Trace {
  const at = () => `${elapsedMs().toFixed(1).padStart(9)} ms  `;
  return {
    note: (what, facts = {}) => {
      const told = Object.entries(facts).map(([name, value]) => `${name}=${textOf(value)}`);
      write(`${at()}${[what, ...told].join(' ')}`);
    },
    detail: (what) => {
      if (detailed) write(`${at()}  . ${what()}`);
    },
  };
}

const MAX_CHARACTERS = 300;

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}
