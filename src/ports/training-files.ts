/** Where a site keeps what its predictor is trained from, and what training made of it. Texts by name, `/` between parts. */
export interface TrainingFiles {
  /** Written as a whole. @throws PortUnavailable whether it was is unknown */
  put(name: string, text: string): Promise<void>;

  /** @returns undefined where there is none @throws PortUnavailable */
  get(name: string): Promise<string | undefined>;

  /** The model in what a training job packed. @returns undefined where there is none @throws PortUnavailable */
  getModel(name: string): Promise<string | undefined>;

  /** By which others find it. */
  url(name: string): string;
}
