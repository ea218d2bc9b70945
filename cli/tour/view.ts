import { LiveRegion } from '../ui/live.js';
import type { Terminal } from '../ui/terminal.js';
import { renderHappening, renderPlainProgress, renderTour } from './picture.js';
import type { Happening, TourState, TourView } from './state.js';

const DRAW_MS = 100;
const PLAIN_MS = 5_000;

/** On a terminal a picture that lives, with the timeline growing above it; elsewhere a line now and then. */
export function createTourView(terminal: Terminal): TourView {
  return terminal.isTerminal ? new LiveView(terminal) : new PlainView(terminal);
}

class LiveView implements TourView {
  private readonly terminal: Terminal;
  private readonly live: LiveRegion;
  private state: TourState | undefined;
  private drawnAt = 0;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
    this.live = new LiveRegion(terminal.sink, () => terminal.width);
  }

  update(state: TourState): void {
    const changedPhase = state.phase !== this.state?.phase;
    this.state = state;
    if (!changedPhase && Date.now() - this.drawnAt < DRAW_MS) return;
    this.drawnAt = Date.now();
    this.live.draw(renderTour(state, this.terminal.style));
  }

  happened(happening: Happening): void {
    this.live.print([renderHappening(happening, this.terminal.style)]);
    if (this.state !== undefined) this.live.draw(renderTour(this.state, this.terminal.style));
  }

  end(): void {
    this.live.end();
  }
}

class PlainView implements TourView {
  private readonly terminal: Terminal;
  private saidAt = Date.now();
  private said = '';

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  update(state: TourState): void {
    if (state.phase !== 'running' || Date.now() - this.saidAt < PLAIN_MS) return;
    this.saidAt = Date.now();
    const what = renderPlainProgress(state);
    if (what === this.said) return;
    this.said = what;
    this.terminal.print(renderHappening({ atMs: state.elapsedMs, what, mood: 'plain' }, this.terminal.style));
  }

  happened(happening: Happening): void {
    this.terminal.print(renderHappening(happening, this.terminal.style));
  }

  end(): void {
    // nothing to leave behind
  }
}
