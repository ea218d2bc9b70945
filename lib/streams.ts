import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { Construct } from 'constructs';
import type { StreamPolicy } from '../src/core/api.js';
import { physicalNameOf } from '../src/core/ids.js';
import type { Settings, SiteProps } from './props.js';

/** The first replica of a stream at a site. One that has to begin anew gets the next number, outside of CloudFormation. */
const FIRST_GENERATION = 1;
const DEFAULT_SHARDS = 1;
const DEFAULT_RETENTION_HOURS = 24;

export interface SiteStreamsProps {
  readonly settings: Settings;
  readonly site: SiteProps;
  readonly key: IKey;
}

/** A site's Kinesis streams: those that are primary here, and mirrors that are to be there from the beginning. */
export class SiteStreams extends Construct {
  readonly streams: ReadonlyMap<string, Stream>;

  constructor(scope: Construct, id: string, { settings, site, key }: SiteStreamsProps) {
    super(scope, id);
    Validations.of(this).acknowledge({
      id: 'AwsSolutions-KDS3',
      reason:
        'The key of the site, on purpose: it also guards the log. Kinesis asks it once per shard and five minutes.',
    });
    this.streams = new Map(
      streamsAt(settings, site).map(([name, policy]) => [
        name,
        new Stream(this, name, {
          streamName: physicalNameOf(settings.deployment, site.name, name, FIRST_GENERATION),
          streamMode: StreamMode.PROVISIONED,
          shardCount: policy.shards ?? DEFAULT_SHARDS,
          retentionPeriod: Duration.hours(policy.retentionHours ?? DEFAULT_RETENTION_HOURS),
          encryption: StreamEncryption.KMS,
          encryptionKey: key,
          // Renamed or taken out of the props, it stays with all that stands on it.
          removalPolicy: settings.local ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        }),
      ]),
    );
  }
}

/** Home has all; the sites after it have those whose mirrors are not left to the first transaction. */
function streamsAt({ sites, streams }: Settings, site: SiteProps): readonly (readonly [string, StreamPolicy])[] {
  const place = sites.findIndex(({ name }) => name === site.name);
  return Object.entries(streams).filter(([, { mirrors }]) => {
    if (place === 0) return true;
    return mirrors?.create !== 'on-begin' && place <= (mirrors?.count ?? 1);
  });
}
