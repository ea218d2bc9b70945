/** Which columns of a log hold case, activity and time: found by the names that logs usually give them. */

export type Role = 'case' | 'activity' | 'timestamp';

export type Columns = Readonly<Record<Role, string>>;

/** Without case, blanks and punctuation; the first that a log has wins. */
const USUAL: Readonly<Record<Role, readonly string[]>> = {
  case: ['caseid', 'case', 'caseconceptname', 'caseidentifier', 'casekey', 'traceid', 'trace'],
  activity: ['activityid', 'activity', 'activityname', 'conceptname', 'eventname', 'event', 'task'],
  timestamp: [
    'completetimestamp',
    'timetimestamp',
    'timestamp',
    'endtimestamp',
    'endtime',
    'completetime',
    'time',
    'datetime',
    'date',
  ],
};

export class ColumnError extends Error {}

/**
 * Names for all columns of a header, all different: a second `Variant` becomes `Variant_2`, a column without a name
 * `column_5`.
 */
export function uniqueNames(header: readonly string[]): string[] {
  const wanted = header.map((name, index) => name.trim() || `column_${index + 1}`);
  // A later column may really be called `Variant_2`: it keeps its name.
  const taken = new Set(wanted);
  const given = new Set<string>();
  return wanted.map((name) => {
    let free = name;
    for (let i = 2; given.has(free) || (free !== name && taken.has(free)); i += 1) free = `${name}_${i}`;
    given.add(free);
    return free;
  });
}

/** @param named what the user named; these must be there */
export function findColumns(names: readonly string[], named: Readonly<Partial<Record<Role, string>>>): Columns {
  const pick = (role: Role): string => {
    const wish = named[role];
    const candidates = wish === undefined ? USUAL[role] : [normalise(wish)];
    const exact = names.find((name) => name === wish);
    const found = exact ?? firstMatch(candidates, names);
    if (found !== undefined) return found;
    const problem = wish === undefined ? `no column for the ${role} was found` : `there is no column "${wish}"`;
    throw new ColumnError(`${problem}; name one with --${role}. The columns are: ${names.join(', ')}`);
  };
  return { case: pick('case'), activity: pick('activity'), timestamp: pick('timestamp') };
}

function firstMatch(candidates: readonly string[], names: readonly string[]): string | undefined {
  for (const candidate of candidates) {
    const found = names.find((name) => normalise(name) === candidate);
    if (found !== undefined) return found;
  }
  return undefined;
}

function normalise(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}
