import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { AttributeType, Billing, MultiRegionConsistency, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import { consumersTableName, controlTableName } from '../src/adapters/aws/names.js';
import type { Settings } from './props.js';

/**
 * What all sites share: the control table, with the route, the streams' definitions, incidents, conflicts and proofs.
 * It is not on the path of a transaction.
 */
export class ControlStack extends Stack {
  readonly table: TableV2;
  readonly #settings: Settings;
  #consumers: TableV2 | undefined;

  constructor(scope: Construct, id: string, settings: Settings, props: StackProps) {
    super(scope, id, props);
    this.#settings = settings;
    this.table = this.#shared('Table', controlTableName(settings.deployment));
  }

  /** What consumers have handled; made with the first that wants to know. */
  addConsumersTable(): TableV2 {
    return (this.#consumers ??= this.#shared('Consumers', consumersTableName(this.#settings.deployment)));
  }

  /** One table for all sites, in which each reads what any of them has written. */
  #shared(id: string, tableName: string): TableV2 {
    const { control, deletionProtection, local } = this.#settings;
    return new TableV2(this, id, {
      tableName,
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billing: Billing.onDemand(),
      // KMS, with the key that AWS keeps for tables in each region: one of ours would have to be in each before the table.
      encryption: TableEncryptionV2.awsManagedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      // Each replica has it: CloudFormation cannot take a site's replica away by mistake either.
      deletionProtection,
      removalPolicy: local ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
      ...(control.kind === 'global'
        ? {
            multiRegionConsistency: MultiRegionConsistency.STRONG,
            replicas: control.replicas.map((region) => ({ region })),
            ...(control.witness === undefined ? {} : { witnessRegion: control.witness }),
          }
        : {}),
    });
  }
}
