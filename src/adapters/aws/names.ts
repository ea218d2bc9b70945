import type { WorkflowName } from '../../ports/workflows.js';

/**
 * The names of everything that a deployment has on AWS. They follow from the deployment's and the site's name alone, so
 * that a stack in one region can grant rights on what another region's stack makes without waiting for it.
 */

/** The functions of a site. */
export const FUNCTIONS = [
  'api',
  'mirror-agent',
  'sweeper',
  'applier',
  'health',
  'backfill',
  'workflow-step',
  'stream-provisioner',
] as const;
export type FunctionRole = (typeof FUNCTIONS)[number];

/** And the one that a site has whose predictor is trained. */
export const TRAINER = 'trainer';

/** What a deployment may be called: it stands in front of every name, and function names have 64 characters. */
export const DEPLOYMENT_NAME = /^[a-z][a-z0-9-]{0,15}$/;

/** A site's log, marks, guards, versions and stagings. */
export const siteTableName = (deployment: string, site: string): string => `${deployment}-${site}`;

/** The route, the streams' definitions, incidents, conflicts, proofs; one name in every region. */
export const controlTableName = (deployment: string): string => `${deployment}-control`;

/** The key by which a site's data are encrypted. */
export const keyAlias = (deployment: string, site: string): string => `alias/${deployment}-${site}`;

/** The index of the site's table that lists entries by status; nothing is decided by it. */
export const STATUS_INDEX = 'by-status';

export const functionName = (deployment: string, site: string, role: FunctionRole | typeof TRAINER): string =>
  `${deployment}-${site}-${role}`;

export const stateMachineName = (deployment: string, site: string, workflow: WorkflowName): string =>
  `${deployment}-${site}-${workflow}`;

/** The endpoint of SageMaker that foresees for a site. */
export const predictorName = (deployment: string, site: string): string => `${deployment}-${site}-predictor`;

/** Stands in front of a run's name in those of its training job, model and configuration. */
export const trainingPrefix = (deployment: string, site: string): string => `${deployment}-${site}`;

/** Of what a site's predictor is trained from, and of its models: the names of buckets are one space for all accounts. */
export const modelBucketName = (deployment: string, site: string, account: string): string =>
  `${deployment}-${site}-${account}`;

/** A consumer's function at a site: by it the site knows which event source mappings to switch. */
export const consumerFunctionName = (deployment: string, site: string, consumer: string): string =>
  `${consumerPrefix(deployment, site)}${consumer}`;
export const consumerPrefix = (deployment: string, site: string): string => `${deployment}-${site}-on-`;

/** What consumers have handled; one name in every region. */
export const consumersTableName = (deployment: string): string => `${deployment}-consumers`;

/** Every physical stream of a site starts with it (`physicalNameOf` in core/ids.ts): rights are granted on the prefix. */
export const streamPrefix = (deployment: string, site: string): string => `${deployment}-${site}-`;

/** Metrics that alarms stand on; each has the dimensions `Deployment` and `Site`. */
export const METRICS_NAMESPACE = 'Lockstep';
export const METRICS = {
  /** Streams and sites that were left, by themselves or by order. */
  incidents: 'Incidents',
  /** As the site sees it once a minute: sites that are not in sync. */
  sitesOut: 'SitesOut',
  /** Once a minute: streams whose replica here lags. */
  streamsBehind: 'StreamsBehind',
} as const;
