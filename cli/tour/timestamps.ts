const YEAR_FIRST = /^(?<year>\d{4})[-/.](?<month>\d{1,2})[-/.](?<day>\d{1,2})(?:[T ]+(?<time>\d{1,2}:\d{2}.*))?$/;
const DAY_FIRST = /^(?<day>\d{1,2})\.(?<month>\d{1,2})\.(?<year>\d{4})(?:[T ]+(?<time>\d{1,2}:\d{2}.*))?$/;
const TIME =
  /^(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?\s*(?<zone>Z|[+-]\d{2}:?\d{2})?$/i;
const EPOCH = /^\d{10}(\d{3})?$/;

/**
 * The RFC 3339 form, in UTC with milliseconds, of a time as logs write it: `2012-04-03 16:55:38`,
 * `2012/10/09 14:50:17.000`, `9.10.2012 14:50`, with or without zone, or seconds or milliseconds since 1970. Without a
 * zone it is UTC. Undefined for anything else, `04/05/2012` included, which half of the world reads as another day.
 */
export function toRfc3339(text: string): string | undefined {
  const trimmed = text.trim();
  if (EPOCH.test(trimmed)) return new Date(Number(trimmed) * (trimmed.length === 10 ? 1000 : 1)).toISOString();
  const date = (YEAR_FIRST.exec(trimmed) ?? DAY_FIRST.exec(trimmed))?.groups;
  if (date === undefined) return undefined;
  const time = TIME.exec(date['time'] ?? '00:00')?.groups;
  if (time === undefined) return undefined;

  const day = fields(date, 'year', 'month', 'day');
  const clock = fields(time, 'hour', 'minute', 'second');
  const milliseconds = Number((time['fraction'] ?? '').padEnd(3, '0').slice(0, 3));
  const utc = Date.UTC(day[0], day[1] - 1, day[2], clock[0], clock[1], clock[2], milliseconds);
  if (!isSame(utc, day, clock)) return undefined;
  return new Date(utc - zoneMinutes(time['zone']) * 60_000).toISOString();
}

type Triple = readonly [number, number, number];

function fields(groups: Readonly<Record<string, string | undefined>>, a: string, b: string, c: string): Triple {
  return [Number(groups[a] ?? 0), Number(groups[b] ?? 0), Number(groups[c] ?? 0)];
}

/** `Date.UTC` takes the 31st of April for the first of May; a log that says so is broken. */
function isSame(utc: number, [year, month, day]: Triple, [hour, minute, second]: Triple): boolean {
  const date = new Date(utc);
  return (
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second
  );
}

function zoneMinutes(zone: string | undefined): number {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return zone.startsWith('-') ? -minutes : minutes;
}
