/** Why a model is not taken. The codes are stable. */
export type RefusalCode =
  /** Not a model of Lockstep. */
  | 'ModelForeign'
  /** One of a version that this program does not know. */
  | 'ModelVersion'
  /** Cut off, changed, or with numbers that are none. */
  | 'ModelCorrupt';

export class ModelRefused extends Error {
  readonly code: RefusalCode;

  /** @param why one half of a sentence */
  constructor(code: RefusalCode, why: string, options?: ErrorOptions) {
    super(`${code}: this model is not taken: ${why}`, options);
    this.name = 'ModelRefused';
    this.code = code;
  }
}
