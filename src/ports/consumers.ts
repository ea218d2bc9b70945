/** Functions that the platform calls with a stream's records: on AWS, event source mappings. */
export interface Consumers {
  /**
   * Lets those of this site read the streams that are active here, and no other. Repeated, it changes nothing.
   *
   * @param active site by stream @throws PortUnavailable, PortThrottled some may not have followed yet
   */
  follow(active: Readonly<Record<string, string>>): Promise<void>;
}

/** For engines that call nobody: readers come by themselves. */
export const NO_CONSUMERS: Consumers = { follow: () => Promise.resolve() };
