/** A stream as its consumers at one site are to know it. */
export interface ConsumedStream {
  /** Whether they are to read here. */
  readonly isActiveHere: boolean;
  /** The physical stream of the replica here, once it is there. */
  readonly physicalName?: string;
}

/** Functions that the platform calls with a stream's records: on AWS, event source mappings. */
export interface Consumers {
  /**
   * Lets those of this site read the streams that are active here, and no other. Repeated, it changes nothing.
   *
   * @param streams by name; what is not named is not read
   * @throws PortUnavailable, PortThrottled some may not have followed yet
   */
  follow(streams: Readonly<Record<string, ConsumedStream>>): Promise<void>;
}

/** For engines that call nobody: readers come by themselves. */
export const NO_CONSUMERS: Consumers = { follow: () => Promise.resolve() };
