/** The ways in which any call through a port may fail, beside what the call itself defines. */

/** No answer, or an answer that says the other side is not working: the outcome is unknown. */
export class PortUnavailable extends Error {
  override readonly name = 'PortUnavailable';
}

/** Refused for load: nothing was done. Load, not failure: it never opens a breaker. */
export class PortThrottled extends Error {
  override readonly name = 'PortThrottled';
}

/** The disk is full, or the store refuses to grow: nothing was written. */
export class PortFull extends Error {
  override readonly name = 'PortFull';
}
