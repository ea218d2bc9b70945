import { renderBar } from './bar.js';
import { LiveRegion } from './live.js';
import type { Terminal } from './terminal.js';

const BAR_WIDTH = 40;
/** Without a terminal: one line for each tenth. */
const PLAIN_STEP = 0.1;

/** The progress of one long piece of work: a bar on a terminal, a line now and then elsewhere. */
export class Progress {
  private readonly terminal: Terminal;
  private readonly what: string;
  private readonly live: LiveRegion;
  private nextPlain = 0;
  private lastLine = '';

  constructor(terminal: Terminal, what: string) {
    this.terminal = terminal;
    this.what = what;
    this.live = new LiveRegion(terminal.sink, () => terminal.width);
  }

  /** @param fraction 0 to 1 */
  update(fraction: number, note = ''): void {
    const percent = `${Math.floor(fraction * 100)} %`;
    if (this.terminal.isTerminal) {
      const bar = renderBar(fraction, BAR_WIDTH, this.terminal.style);
      const line = `${this.what} ${bar} ${percent.padStart(5)}${note === '' ? '' : `  ${note}`}`;
      if (line !== this.lastLine) this.live.draw([line]);
      this.lastLine = line;
    } else if (fraction >= this.nextPlain) {
      this.terminal.print(`${this.what}: ${percent}${note === '' ? '' : `, ${note}`}`);
      this.nextPlain = Math.floor(fraction / PLAIN_STEP) * PLAIN_STEP + PLAIN_STEP;
    }
  }

  end(): void {
    if (this.terminal.isTerminal) this.live.end();
  }
}
