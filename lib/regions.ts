/**
 * Where the control table stands. It has to survive the loss of any one site and to be linearizable all the same: a
 * strongly consistent global table, which DynamoDB offers over exactly three regions of one set.
 */

/** The sets of regions over which DynamoDB keeps a table strongly consistent. */
export const REGION_SETS = {
  US: ['us-east-1', 'us-east-2', 'us-west-2'],
  EU: ['eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-central-1'],
  AP: ['ap-northeast-1', 'ap-northeast-2', 'ap-northeast-3'],
} as const;

export type ControlPlacement =
  /** A plain table: all sites share its region, or everything runs on an emulator. */
  | { readonly kind: 'single'; readonly region: string }
  /** A replica in each site's region, and a witness where these are two. */
  | {
      readonly kind: 'global';
      readonly region: string;
      readonly replicas: readonly string[];
      readonly witness?: string;
    };

/** What is wrong with the regions: the field of the props, and what to write there. */
export interface RegionProblem {
  readonly field: 'sites' | 'witness';
  readonly what: string;
}

/**
 * @param regions of the sites, the first is that of home
 * @param witness the third region; needed where the sites are in two, by default the first of their set that is free
 */
export function placeControlTable(
  regions: readonly string[],
  witness: string | undefined,
  local: boolean,
): ControlPlacement | RegionProblem {
  const distinct = [...new Set(regions)];
  const [region = ''] = distinct;
  if (local || distinct.length === 1) {
    return witness === undefined || local
      ? { kind: 'single', region }
      : { field: 'witness', what: 'all sites share a region, so there is none: leave it out' };
  }
  const set = Object.values(REGION_SETS).find((members) => isSubset(distinct, members));
  if (set === undefined) return { field: 'sites', what: `${distinct.join(', ')} are not in one set. ${writeOneSet()}` };
  if (distinct.length > 3) {
    return {
      field: 'sites',
      what: `are in ${distinct.length} regions; a control table spans three: use at most three`,
    };
  }
  const replicas = distinct.slice(1);
  if (distinct.length === 3) {
    return witness === undefined
      ? { kind: 'global', region, replicas }
      : { field: 'witness', what: 'the sites are in three regions already, so there is none: leave it out' };
  }
  const free = set.filter((member) => !distinct.includes(member));
  const chosen = witness ?? free[0] ?? '';
  return free.some((member) => member === chosen)
    ? { kind: 'global', region, replicas, witness: chosen }
    : { field: 'witness', what: `"${chosen}" cannot be one: write ${free.join(' or ')}` };
}

function isSubset(some: readonly string[], all: readonly string[]): boolean {
  return some.every((one) => all.includes(one));
}

function writeOneSet(): string {
  const sets = Object.entries(REGION_SETS).map(([name, members]) => `${name} (${members.join(', ')})`);
  return `Write regions of one of ${sets.join(', ')}; or one region for all`;
}
