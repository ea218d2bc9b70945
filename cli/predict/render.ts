import type { PredictionsAnswer } from '../../src/core/api.js';
import type { SeenEvent } from '../../src/core/prediction/context.js';
import type { Evaluation } from '../../src/core/prediction/evaluation.js';
import type { Explanation } from '../../src/core/prediction/forecaster.js';
import { renderFacts, renderTable } from '../ui/table.js';
import type { Terminal } from '../ui/terminal.js';
import { plain } from '../ui/text.js';

const SHOWN_FIELDS = 6;
const MS_PER_UNIT = [
  ['days', 86_400_000],
  ['hours', 3_600_000],
  ['minutes', 60_000],
  ['seconds', 1000],
] as const;

/** One more step of a transaction: what was expected before it, and what came. */
export interface ExplainedStep {
  readonly explanation: Explanation;
  /** Undefined where nothing more has come. */
  readonly came: SeenEvent | undefined;
}

export function renderEvaluation(evaluation: Evaluation, trainSeconds: number, { width, style }: Terminal): string[] {
  const { baselines, calibrationError, precisionTopQuarter, suffixSimilarity, drifts } = evaluation;
  const { usPerPrediction, usPerUpdate, predictions } = evaluation;
  const rows = [
    { name: 'mixture', figures: evaluation },
    { name: 'Markov-1', figures: baselines.markov1 },
    { name: 'most frequent', figures: baselines.mostFrequent },
  ].map(({ name, figures }) => [
    name,
    percent(figures.accuracy),
    percent(figures.top3),
    figures.logLoss.toFixed(3),
    figures.maeDays.toFixed(3),
  ]);
  return [
    ...renderTable(
      [
        { title: '' },
        { title: 'ACCURACY', align: 'right' },
        { title: 'TOP 3', align: 'right' },
        { title: 'LOG-LOSS', align: 'right' },
        { title: 'TIME ERROR, DAYS', align: 'right' },
      ],
      rows,
      width,
      style.dim,
    ),
    '',
    ...renderFacts(
      [
        ['predictions', String(predictions)],
        ['calibration error', calibrationError.toFixed(3)],
        ['most certain quarter', `${percent(precisionTopQuarter)} right`],
        ['suffix similarity', suffixSimilarity.toFixed(3)],
        ['drifts noticed', String(drifts)],
        ['time, p50', `${usPerPrediction.toFixed(1)} µs to predict, ${usPerUpdate.toFixed(1)} µs to update`],
        ['training', `${trainSeconds.toFixed(1)} s`],
      ],
      width,
    ),
  ];
}

export function renderSteps(steps: readonly ExplainedStep[], terminal: Terminal): string[] {
  return steps.flatMap(({ explanation, came }, index) => {
    const { style } = terminal;
    const head = came === undefined ? 'so far nothing more' : `${plain(came.stream)} ${plain(came.type)}`;
    const pause = explanation.pauseMs === undefined ? '' : `, half of the time within ${duration(explanation.pauseMs)}`;
    return [
      style.bold(`${index + 1}. ${head}`),
      `   expected${pause}:`,
      ...explanation.expected.flatMap((each) => renderExpected(each, came, terminal)),
    ];
  });
}

function renderExpected(
  { kind, probability, voices, draft, sources }: Explanation['expected'][number],
  came: SeenEvent | undefined,
  { style }: Terminal,
): string[] {
  const isRight = kind !== 'end' && kind.stream === came?.stream && kind.type === came.type;
  const name = kind === 'end' ? 'the end' : `${plain(kind.stream)} ${plain(kind.type)}`;
  const said = voices.map((voice) => `${voice.name} ${percent(voice.probability)} × ${voice.weight.toFixed(2)}`);
  const line = `   ${percent(probability).padStart(7)}  ${name}`;
  const lines = [`${isRight ? style.good(line) : line}${style.dim(`  (${said.join(', ')})`)}`];
  if (!isRight || draft === undefined) return lines;
  const from = [...sources].slice(0, SHOWN_FIELDS).map(([path, source]) => {
    return `${plain(path)} from ${plain(source.source)} (right ${percent(source.bound)} at least)`;
  });
  const rest = sources.size > SHOWN_FIELDS ? [`and ${sources.size - SHOWN_FIELDS} more`] : [];
  lines.push(
    style.dim(`            whole payload exact: ${percent(draft.exact)} at least; ${[...from, ...rest].join('; ')}`),
  );
  return lines;
}

export function renderPredictions(
  { model, counts, bytes, waitSavedMs }: PredictionsAnswer,
  { width }: Terminal,
): string[] {
  const metrics = Object.entries(model.metrics).map(([name, value]): [string, string] => [
    plain(name),
    value.toFixed(4),
  ]);
  const used = counts.written === 0 ? '' : ` (${percent(counts.confirmed / counts.written)})`;
  return renderFacts(
    [
      ['model', `${plain(model.name)} ${model.version}`],
      ...(model.trainingWindow
        ? [['trained on', `${model.trainingWindow.from} to ${model.trainingWindow.to}`] as [string, string]]
        : []),
      ...metrics,
      ['candidates', `${counts.written} written, ${counts.confirmed} confirmed${used}`],
      ['not used', `${counts.wrong} wrong, ${counts.expired} expired`],
      ['bytes', `${bytes.written} written, ${bytes.wasted} wasted`],
      ['wait saved', duration(waitSavedMs)],
    ],
    width,
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function duration(ms: number): string {
  const [name, unit] = MS_PER_UNIT.find(([, each]) => ms >= each) ?? ['ms', 1];
  return `${(ms / unit).toFixed(1)} ${name}`;
}
