/** Names of what only the stacks make; those that functions use as well are in src/adapters/aws/names.ts. */

export const apiName = (deployment: string, site: string): string => `${deployment}-${site}`;
export const deadLettersName = (deployment: string, site: string): string => `${deployment}-${site}-dead-letters`;
export const missedTicksName = (deployment: string, site: string): string => `${deployment}-${site}-missed-ticks`;
export const alarmTopicName = (deployment: string, site: string): string => `${deployment}-${site}-alarms`;
export const dashboardName = (deployment: string, site: string): string => `${deployment}-${site}`;
export const scheduleName = (deployment: string, site: string, what: string): string => `${deployment}-${site}-${what}`;

/** The stage of each REST API, and so the first segment of its paths. */
export const STAGE = 'v1';
