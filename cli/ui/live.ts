import type { TextSink } from './terminal.js';
import { fit } from './text.js';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_LINE = '\u001b[2K';
const CLEAR_BELOW = '\u001b[J';

/** Some lines at the bottom of a terminal that are drawn again and again, with ordinary lines going by above them. */
export class LiveRegion {
  private readonly sink: TextSink;
  private readonly width: () => number;
  private drawn = 0;

  /** @param width columns of the terminal: a line that wrapped could not be drawn over */
  constructor(sink: TextSink, width: () => number) {
    this.sink = sink;
    this.width = width;
  }

  draw(lines: readonly string[]): void {
    const text = lines.map((line) => `${CLEAR_LINE}${fit(line, this.width())}\n`).join('');
    this.sink.write(`${this.drawn === 0 ? HIDE_CURSOR : ''}${this.top()}${text}${CLEAR_BELOW}`);
    this.drawn = lines.length;
  }

  /** Lines that stay, above the region. The next `draw` brings the region back. */
  print(lines: readonly string[]): void {
    this.sink.write(`${this.top()}${CLEAR_BELOW}${lines.map((line) => `${line}\n`).join('')}`);
    this.drawn = 0;
  }

  /** Leaves what is drawn where it is. */
  end(): void {
    this.sink.write(SHOW_CURSOR);
    this.drawn = 0;
  }

  private top(): string {
    return this.drawn === 0 ? '' : `\u001b[${this.drawn}A\r`;
  }
}
