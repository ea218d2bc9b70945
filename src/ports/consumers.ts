/** Functions that the platform calls with a stream's records: on AWS, event source mappings. */
export interface Consumers {
  /** Lets each read the active replica of its stream, and no other. Repeated, it changes nothing. */
  follow(active: Readonly<Record<string, string>>): Promise<void>;
}

/** For engines that call nobody: readers come by themselves. */
export const NO_CONSUMERS: Consumers = { follow: () => Promise.resolve() };
