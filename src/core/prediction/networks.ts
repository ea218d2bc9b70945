import {
  attributeReader,
  DENSE,
  denseOf,
  type FeatureSchema,
  fromPauseUnits,
  sparseOf,
  sparseRows,
} from './features.js';
import { Gru, layoutOf } from './gru.js';
import type { Leaves } from './leaves.js';
import { ModelRefused } from './refused.js';
import type { Track } from './track.js';

/** Which quantiles of the pause a network estimates. */
export const QUANTILES: readonly number[] = [0.25, 0.5, 0.75];

/** Several networks that were trained alike from different seeds: the mean of what they say. */
export class Networks {
  readonly schema: FeatureSchema;
  readonly attributesOf: (leaves: Leaves | undefined) => readonly number[];
  private readonly members: readonly Gru[];
  private readonly hidden: number;
  private readonly dense = new Float64Array(DENSE.length);
  private readonly classes: Float64Array;
  private readonly quantiles = new Float64Array(QUANTILES.length);

  constructor(schema: FeatureSchema, hidden: number, members: readonly Gru[]) {
    this.schema = schema;
    this.hidden = hidden;
    this.members = members;
    this.attributesOf = attributeReader(schema);
    this.classes = new Float64Array(schema.classes);
  }

  /** @param out of these, the first `size` get probabilities; symbols without a class share that of `OTHER` */
  predict(track: Track, out: Float64Array, size: number): void {
    const { classes } = this.schema;
    const state = this.follow(track);
    out.fill(0, 0, size);
    for (const [m, member] of this.members.entries()) {
      member.classes(state.subarray(m * this.hidden, (m + 1) * this.hidden), this.classes);
      const known = Math.min(classes, size);
      for (let s = 0; s < known; s += 1) out[s] = out[s]! + this.classes[s]! / this.members.length;
    }
    if (size <= classes) return;
    const share = out[1]! / (size - classes + 1);
    out[1] = share;
    out.fill(share, classes, size);
  }

  /** Milliseconds. @param quantile the nearest of `QUANTILES` is given */
  pause(track: Track, quantile: number): number {
    const state = this.follow(track);
    let nearest = 0;
    for (const [q, each] of QUANTILES.entries()) {
      if (Math.abs(each - quantile) < Math.abs(QUANTILES[nearest]! - quantile)) nearest = q;
    }
    let sum = 0;
    for (const [m, member] of this.members.entries()) {
      member.quantiles(state.subarray(m * this.hidden, (m + 1) * this.hidden), this.quantiles);
      sum += this.quantiles[nearest]!;
    }
    return fromPauseUnits(sum / this.members.length);
  }

  save(): SavedNetworks {
    return {
      schema: this.schema,
      hidden: this.hidden,
      weights: this.members.map(({ weights }) => new Float32Array(weights)),
    };
  }

  /** @throws ModelRefused where the weights do not fit the schema */
  static load({ schema, hidden, weights }: SavedNetworks): Networks {
    const size = sizeOf(schema, hidden);
    const { total } = layoutOf(size);
    if (weights.some(({ length }) => length !== total)) {
      throw new ModelRefused('ModelCorrupt', 'its weights do not fit its features');
    }
    return new Networks(
      schema,
      hidden,
      weights.map((each) => new Gru(size, Float64Array.from(each))),
    );
  }

  /** The state after the track's last event. */
  private follow(track: Track): Float64Array {
    track.state ??= new Float64Array(this.members.length * this.hidden);
    for (; track.stateLength < track.length; track.stateLength += 1) {
      const index = track.stateLength - (track.length - track.symbols.length);
      if (index < 0) continue;
      denseOf(track, index, this.dense);
      const sparse = sparseOf(this.schema, track, index);
      for (const [m, member] of this.members.entries()) {
        member.step(track.state.subarray(m * this.hidden, (m + 1) * this.hidden), sparse, this.dense);
      }
    }
    return track.state;
  }
}

export interface SavedNetworks {
  readonly schema: FeatureSchema;
  readonly hidden: number;
  readonly weights: readonly Float32Array[];
}

export function sizeOf(schema: FeatureSchema, hidden: number): Gru['size'] {
  return {
    sparse: sparseRows(schema),
    dense: DENSE.length,
    hidden,
    classes: schema.classes,
    quantiles: QUANTILES.length,
  };
}
