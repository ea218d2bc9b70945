/**
 * npm run bench:scaling [-- --json] [-- --logs DIRECTORY]: whether the forecast is better than the obvious ones on real
 * arrivals, and what that is worth: a day of them, with a burst, under rules that foresee, rules that react, and none.
 *
 * Everything is computed; nothing is timed, so that each run prints the same.
 */
import { arrivalsOf, logs, seriesOf } from './arrivals.js';
import { compareForecasts } from './compare.js';
import { type DayRow, days } from './days.js';

const HOUR_MS = 3_600_000;

function main(args: readonly string[]): void {
  const json = args.includes('--json');
  const at = args.indexOf('--logs');
  const directory = at < 0 ? process.env['LOCKSTEP_EVENT_LOGS'] : args[at + 1];
  const found = logs(directory);
  const forecasts = found.map(({ name, file }) => ({
    log: name,
    ...compareForecasts(seriesOf(arrivalsOf(file), HOUR_MS)),
  }));
  // The busiest log that is there.
  const busiest = [...found].sort((a, b) => arrivalsOf(b.file).length - arrivalsOf(a.file).length)[0];
  const rows = busiest === undefined ? [] : days(arrivalsOf(busiest.file));
  if (json) {
    console.log(JSON.stringify({ forecasts, day: { log: busiest?.name, rows } }));
    return;
  }
  console.log('Arrivals by the hour, an hour ahead: mean absolute error, and pinball loss over six quantiles');
  for (const { log, hours, errors } of forecasts) {
    console.log(`  ${log}, ${hours} hours`);
    for (const { method, mae, pinball } of errors) {
      console.log(`    ${method.padEnd(16)} ${mae.toFixed(3).padStart(8)} ${pinball.toFixed(4).padStart(9)}`);
    }
  }
  console.log(`A day of ${busiest?.name ?? 'nothing'}: an event is 700 records a second for a quarter of an hour`);
  console.log('  day                       policy      throttled      of all  shard-hours  changes  most');
  for (const row of rows) console.log(lineOf(row));
}

function lineOf({ day, policy, outcome }: DayRow): string {
  const { throttled, records, shardHours, changes, mostShards } = outcome;
  const share = `${((100 * throttled) / records).toFixed(3)} %`;
  return (
    `  ${day.padEnd(26)}${policy.padEnd(10)}${String(Math.round(throttled)).padStart(11)}${share.padStart(12)}` +
    `${shardHours.toFixed(0).padStart(13)}${String(changes).padStart(9)}${String(mostShards).padStart(6)}`
  );
}

main(process.argv.slice(2));
