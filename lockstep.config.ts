import { Duration } from 'aws-cdk-lib';
import type { LockstepProps } from './lib/index.js';

/** What `cdk deploy` deploys from here (bin/lockstep.ts). Every prop is described in lib/props.ts. */
export const id = 'Orders';

export const props: LockstepProps = {
  sites: [
    { name: 'east', region: 'us-east-1' },
    { name: 'west', region: 'us-west-2' },
  ],
  streams: {
    orders: { shards: 2 },
    payments: { ordering: 'versioned' },
    // Its mirror is made by the first transaction that names it.
    audit: { mirrors: { create: 'on-begin' }, retentionHours: 168 },
  },
  barPeriod: Duration.seconds(5),
};
