import { fit, padEnd, padStart, widthOf } from './text.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const GAP = 2;

/**
 * A table as lines: a head, and columns as wide as they need. The last column is cut where the line would be too long.
 *
 * @param width columns of the terminal
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  head: (text: string) => string = (text) => text,
): string[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  const line = (cells: readonly string[]): string => {
    const padded = columns.map(({ align }, index) => {
      const pad = align === 'right' ? padStart : padEnd;
      return pad(cells[index] ?? '', widths[index] ?? 0);
    });
    return fit(padded.join(' '.repeat(GAP)).trimEnd(), width);
  };
  return [head(line(columns.map(({ title }) => title))), ...rows.map(line)];
}

/** Names and values in two columns, the values beginning below each other. */
export function renderFacts(facts: readonly (readonly [string, string])[], width: number): string[] {
  const names = Math.max(...facts.map(([name]) => widthOf(name)));
  return facts.map(([name, value]) => fit(`${padEnd(name, names + GAP)}${value}`, width));
}
