export const SITES = [
  { name: 'east', region: 'us-east-1' },
  { name: 'west', region: 'us-west-2' },
] as const;
export const STREAMS = ['orders', 'payments'] as const;

/** Where the consumer counts. */
export const LEDGER = (deployment: string): string => `${deployment}-ledger`;
