import { RemovalPolicy } from 'aws-cdk-lib';
import {
  AttributeType,
  Billing,
  ProjectionType,
  StreamViewType,
  TableEncryptionV2,
  TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { STATUS_INDEX, keyAlias, siteTableName } from '../src/adapters/aws/names.js';
import type { Settings, SiteProps } from './props.js';

/** What holds a site's data: one key, and one table with the log, marks, guards, versions and stagings. */
export class SiteStorage extends Construct {
  readonly key: Key;
  readonly table: TableV2;

  constructor(scope: Construct, id: string, settings: Settings, site: SiteProps) {
    super(scope, id);
    const removalPolicy = settings.local ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
    this.key = new Key(this, 'Key', {
      alias: keyAlias(settings.deployment, site.name),
      description: `Data of ${settings.deployment} at ${site.name}`,
      enableKeyRotation: true,
      removalPolicy,
    });
    this.table = new TableV2(this, 'Table', {
      tableName: siteTableName(settings.deployment, site.name),
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      globalSecondaryIndexes: [
        {
          indexName: STATUS_INDEX,
          partitionKey: { name: 'indexPk', type: AttributeType.STRING },
          sortKey: { name: 'indexSk', type: AttributeType.STRING },
          // Lists and expiry need nothing but the keys; the entries are then read where they are consistent.
          projectionType: ProjectionType.KEYS_ONLY,
        },
      ],
      billing: Billing.onDemand(),
      encryption: TableEncryptionV2.customerManagedKey(this.key),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      // For the backfill agent.
      dynamoStream: StreamViewType.NEW_IMAGE,
      deletionProtection: settings.deletionProtection,
      removalPolicy,
    });
  }
}
