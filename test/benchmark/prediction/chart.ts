/** A point of the curve: what a candidate was held to cost, what it came to. */
export interface CurvePoint {
  readonly costMs: number;
  readonly extraBytes: number;
  readonly meanMs: number;
}

const WIDTH = 640;
const HEIGHT = 400;
const LEFT = 64;
const RIGHT = 24;
const TOP = 48;
const BOTTOM = 56;
const TICKS = 5;

/** Mean wait per write against the bytes of candidates per byte of payload, as SVG. */
export function curveChart(title: string, points: readonly CurvePoint[]): string {
  const mostBytes = Math.max(0.1, ...points.map(({ extraBytes }) => extraBytes)) * 1.05;
  const mostMs = Math.max(1, ...points.map(({ meanMs }) => meanMs)) * 1.05;
  const x = (bytes: number) => round(LEFT + (bytes / mostBytes) * (WIDTH - LEFT - RIGHT));
  const y = (ms: number) => round(HEIGHT - BOTTOM - (ms / mostMs) * (HEIGHT - TOP - BOTTOM));
  const inOrder = [...points].sort((a, b) => a.extraBytes - b.extraBytes);
  const line = inOrder.map(({ extraBytes, meanMs }) => `${x(extraBytes)},${y(meanMs)}`).join(' ');
  const dots = inOrder.map(
    ({ extraBytes, meanMs, costMs }) =>
      `<circle cx="${x(extraBytes)}" cy="${y(meanMs)}" r="3.5" fill="#2a6f97"/>` +
      `<text x="${x(extraBytes) + 6}" y="${y(meanMs) - 6}" fill="#555">${costMs}</text>`,
  );
  const steps = Array.from({ length: TICKS + 1 }, (_, step) => step / TICKS);
  const ticks = steps.flatMap((share) => [
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(share * mostMs)}" y2="${y(share * mostMs)}" stroke="#ddd"/>`,
    `<text x="${LEFT - 8}" y="${y(share * mostMs) + 4}" text-anchor="end">${(share * mostMs).toFixed(0)}</text>`,
    `<text x="${x(share * mostBytes)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${(share * mostBytes).toFixed(1)}</text>`,
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="24" font-size="14">${escaped(title)}</text>`,
    ...ticks,
    `<polyline points="${line}" fill="none" stroke="#2a6f97" stroke-width="1.5"/>`,
    ...dots,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">bytes of candidates per byte of payload</text>`,
    `<text x="${LEFT}" y="${TOP - 8}">mean wait per write, ms; at each point predictionCostMs</text>`,
    '</svg>',
    '',
  ].join('\n');
}

const round = (value: number): number => Math.round(value * 10) / 10;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
