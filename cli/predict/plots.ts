import type { Evaluation } from '../../src/core/prediction/evaluation.js';

/** Pictures of an evaluation as SVG: no package, no script, readable in light and in dark. */

const WIDTH = 640;
const HEIGHT = 320;
const LEFT = 56;
const RIGHT = 16;
const TOP = 40;
const BOTTOM = 48;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

interface Point {
  /** 0 to 1 */
  readonly x: number;
  readonly y: number;
}

/** How often what was said with which confidence came true. On the diagonal they agree. */
export function reliabilityDiagram({ reliability, calibrationError }: Evaluation, title: string): string {
  const most = Math.max(1, ...reliability.map(({ count }) => count));
  const dots = reliability.map(({ confidence, accuracy, count }) => {
    const radius = (3 + 7 * Math.sqrt(count / most)).toFixed(1);
    const { x, y } = place({ x: confidence, y: accuracy });
    return `<circle cx="${x}" cy="${y}" r="${radius}" fill="#2a7de1" fill-opacity="0.8"><title>${count} predictions</title></circle>`;
  });
  const diagonal = `<path d="${path([
    { x: 0, y: 0 },
    { x: 1, y: 1 },
  ])}" stroke="#888" stroke-dasharray="4 4" fill="none"/>`;
  const note = `calibration error ${calibrationError.toFixed(3)}`;
  return frame(`Reliability, ${title}: ${note}`, 'what was said', 'what came true', [diagonal, ...dots]);
}

/** The share of right predictions, window by window, with the overall share. */
export function accuracyOverTime({ curve, accuracy, drifts }: Evaluation, title: string): string {
  const last = Math.max(1, curve.length - 1);
  const line = path(curve.map((y, index) => ({ x: index / last, y })));
  const overall = path([
    { x: 0, y: accuracy },
    { x: 1, y: accuracy },
  ]);
  const note = `${(accuracy * 100).toFixed(1)} % overall, ${drifts === 1 ? '1 drift' : `${drifts} drifts`} noticed`;
  return frame(`Accuracy over time, ${title}: ${note}`, 'from the first prediction to the last', 'right', [
    `<path d="${overall}" stroke="#888" stroke-dasharray="4 4" fill="none"/>`,
    `<path d="${line}" stroke="#2a7de1" stroke-width="2" fill="none" stroke-linejoin="round"/>`,
  ]);
}

function frame(title: string, xLabel: string, yLabel: string, content: readonly string[]): string {
  const grid = TICKS.flatMap((tick) => {
    const { y } = place({ x: 0, y: tick });
    const { x } = place({ x: tick, y: 0 });
    return [
      `<path d="M${LEFT} ${y}H${WIDTH - RIGHT}" stroke="#888" stroke-opacity="0.25"/>`,
      `<text x="${LEFT - 8}" y="${y}" text-anchor="end" dominant-baseline="middle">${tick}</text>`,
      `<text x="${x}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${tick}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#888">`,
    `<text x="${LEFT}" y="22" font-size="14">${escape(title)}</text>`,
    ...grid,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escape(xLabel)}</text>`,
    `<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escape(yLabel)}</text>`,
    ...content,
    '</svg>',
    '',
  ].join('\n');
}

function place({ x, y }: Point): Point {
  const round = (value: number): number => Math.round(value * 10) / 10;
  return {
    x: round(LEFT + x * (WIDTH - LEFT - RIGHT)),
    y: round(HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)),
  };
}

function path(points: readonly Point[]): string {
  return points
    .map(place)
    .map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${x} ${y}`)
    .join('');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
