import type { Style } from './style.js';

const FULL = '█';
const EMPTY = '░';
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const MARK = '┊';

/**
 * A progress bar of a fixed width.
 *
 * @param fraction 0 to 1 @param marks fractions where something is going to happen, shown while they lie ahead
 */
export function renderBar(fraction: number, width: number, style: Style, marks: readonly number[] = []): string {
  const clamped = Math.min(1, Math.max(0, fraction));
  const eighths = Math.floor(clamped * width * 8);
  const full = Math.floor(eighths / 8);
  const part = EIGHTHS[eighths % 8] ?? '';
  const ahead = Array.from(EMPTY.repeat(Math.max(0, width - full - part.length)));
  for (const mark of marks) {
    const at = Math.round(mark * width) - full - part.length;
    if (at >= 0 && at < ahead.length) ahead[at] = MARK;
  }
  return style.accent(FULL.repeat(full) + part) + style.dim(ahead.join(''));
}
