/** Seeds that failed once, with what they found: each was a bug of the protocol or of its code. */
export const FAILED_ONCE: readonly { readonly seed: number; readonly transactions?: number; readonly found: string }[] =
  [
    { seed: 1, found: 'a read of a throttled stream ended in an error without a code' },
    { seed: 14, found: 'a staged event of more than 400 KB ended in an error without a code' },
    { seed: 23, found: 'a reconciliation that could not be planned kept the backlogs from being drained' },
    { seed: 21, found: 'a process that did not know of a new replica left a hole in it' },
    { seed: 912, found: 'mirrors that could not be made when a transaction wanted them were never made' },
  ];
