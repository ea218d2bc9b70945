import { existsSync, readFileSync } from 'node:fs';
import { toRfc3339 } from '../../../cli/tour/timestamps.js';

/** When things happened in an event log, milliseconds since 1970, ascending. Its last column but none is the time. */
export function arrivalsOf(file: string): readonly number[] {
  const [header = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const column = header.split(',').findIndex((name) => /time/i.test(name));
  return lines
    .flatMap((line) => {
      const time = toRfc3339(line.split(',')[column] ?? '');
      return time === undefined ? [] : [Date.parse(time)];
    })
    .sort((a, b) => a - b);
}

/** How many there were in each step of this length, from the first to the last one. */
export interface Series {
  /** Number of the first step since 1970. */
  readonly firstStep: number;
  readonly values: readonly number[];
}

export function seriesOf(arrivals: readonly number[], stepMs: number): Series {
  const firstStep = Math.floor((arrivals[0] ?? 0) / stepMs);
  const values = new Array<number>(Math.floor((arrivals.at(-1) ?? 0) / stepMs) - firstStep + 1).fill(0);
  for (const atMs of arrivals) {
    const at = Math.floor(atMs / stepMs) - firstStep;
    values[at] = (values[at] ?? 0) + 1;
  }
  return { firstStep, values };
}

/** The logs that are there: the one in the repository always, others where a directory with them was given. */
export function logs(directory: string | undefined): readonly { readonly name: string; readonly file: string }[] {
  const candidates = [
    { name: 'helpdesk (examples)', file: 'examples/helpdesk.csv' },
    ...(directory === undefined
      ? []
      : ['bpi_12_w', 'helpdesk'].map((name) => ({ name, file: `${directory}/${name}.csv` }))),
  ];
  return candidates.filter(({ file }) => existsSync(file));
}
