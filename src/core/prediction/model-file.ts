import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { DENSE, type FeatureSchema } from './features.js';
import { Forecaster, type SavedForecaster } from './forecaster.js';
import { pack, unpack } from './packing.js';
import { ModelRefused } from './refused.js';

const FORMAT = 'lockstep-prediction-model';
/** Raised when what is stored changes its meaning. */
const FORMAT_VERSION = 2;

/** What stands at the beginning of a model's file, and says what the rest is. */
export interface PredictionModel {
  readonly format: typeof FORMAT;
  readonly formatVersion: typeof FORMAT_VERSION;
  /** Names this model: the same training gives the same. */
  readonly version: string;
  /** What its training or evaluation measured: name and value. */
  readonly metrics: Readonly<Record<string, number>>;
  /** RFC 3339, from the first beginning to the last end; absent for one that has seen nothing. */
  readonly trainingWindow?: { readonly from: string; readonly to: string };
  /** What it looks at: inputs that are numbers, and what its networks tell apart; null without networks. */
  readonly features: { readonly dense: readonly string[]; readonly sparse: FeatureSchema | null };
  /** SHA-256, hex, over everything else. */
  readonly checksum: string;
}

const header = z.object({
  version: z.string(),
  metrics: z.record(z.string(), z.number()),
  trainingWindow: z.optional(z.object({ from: z.string(), to: z.string() })),
  checksum: z.string(),
  state: z.looseObject({ symbols: z.looseObject({}), sequence: z.looseObject({}), templates: z.array(z.unknown()) }),
});

/** Writes a forecaster down, with what was measured. The text is JSON. */
export function encodeModel(forecaster: Forecaster, metrics: Readonly<Record<string, number>> = {}): string {
  const saved = forecaster.save();
  const state = pack(saved);
  const { trainingWindow } = forecaster.describe();
  const body = {
    format: FORMAT,
    formatVersion: FORMAT_VERSION,
    version: `model-${sha256(JSON.stringify(state)).slice(0, 12)}`,
    metrics,
    ...(trainingWindow === undefined ? {} : { trainingWindow }),
    features: { dense: DENSE, sparse: saved.sequence.networks?.schema ?? null },
    state,
  };
  return `${JSON.stringify({ ...body, checksum: sha256(JSON.stringify(body)) })}\n`;
}

/**
 * Reads what `encodeModel` wrote: it foresees exactly as the one that was written down.
 *
 * @throws ModelRefused for what is no model, one of another version, or one that is not as it was written
 */
export function decodeModel(text: string): { readonly model: PredictionModel; readonly forecaster: Forecaster } {
  const { checksum, ...body } = parse(text);
  const { format, formatVersion } = body as { readonly format?: unknown; readonly formatVersion?: unknown };
  if (format !== FORMAT) throw new ModelRefused('ModelForeign', 'it is no prediction model of Lockstep');
  if (formatVersion !== FORMAT_VERSION) {
    const said = typeof formatVersion === 'number' ? formatVersion : 'none';
    throw new ModelRefused('ModelVersion', `its format has version ${said}, this program reads ${FORMAT_VERSION}`);
  }
  if (checksum !== sha256(JSON.stringify(body))) {
    throw new ModelRefused('ModelCorrupt', 'its checksum does not match: it was changed, or is not whole');
  }
  const checked = header.safeParse({ ...body, checksum });
  if (!checked.success) throw new ModelRefused('ModelCorrupt', 'parts of it are missing');
  const { state, ...model } = { ...body, checksum } as unknown as PredictionModel & { readonly state: unknown };
  return { model, forecaster: load(state, model.version) };
}

function parse(text: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    // The beginning of a model is one that was cut off.
    if (text.includes(FORMAT)) throw new ModelRefused('ModelCorrupt', 'it is cut off', { cause: error });
    throw new ModelRefused('ModelForeign', 'it is not JSON', { cause: error });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ModelRefused('ModelForeign', 'it is no JSON object');
  }
  return content as Record<string, unknown>;
}

function load(state: unknown, version: string): Forecaster {
  try {
    return new Forecaster({ ...(unpack(state) as SavedForecaster), version });
  } catch (error) {
    if (error instanceof ModelRefused) throw error;
    throw new ModelRefused('ModelCorrupt', 'its parts do not fit together', { cause: error });
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
