/** docs/COST.md says what the counts come to. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bill, idle, perMillion, predictor, PREDICTOR_PRICES, PRICES, sumOf } from './cost.js';

const ROOT = join(__dirname, '..', '..');
const document = readFileSync(join(ROOT, 'docs', 'COST.md'), 'utf8').replaceAll(/ +/g, ' ');

/** What the example of lockstep.config.ts has: checked against its stacks in stacks.test.ts. */
const EXAMPLE = { guardCopies: 16, barPeriodSeconds: 5, replicas: 5, shards: 7, extendedShards: 1, alarms: 59 };

const dollars = (amount: number): string => `$${amount.toFixed(2)}`;

function expectTable(...bills: readonly Bill[]): void {
  const [first = {}] = bills;
  for (const item of Object.keys(first)) {
    expect(document).toContain(`| ${item} | ${bills.map((bill) => dollars(bill[item] ?? 0)).join(' | ')} |`);
  }
  expect(document).toContain(`| **Together** | ${bills.map((bill) => `**${dollars(sumOf(bill))}**`).join(' | ')} |`);
}

test('per million transactions', () => {
  expectTable(
    perMillion({ eventKb: 0.5, versioned: false, perCall: 1 }),
    perMillion({ eventKb: 0.5, versioned: true, perCall: 1 }),
    perMillion({ eventKb: 0.5, versioned: false, perCall: 100 }),
  );
});

test('idle, per month', () => {
  expectTable(idle(EXAMPLE), idle({ ...EXAMPLE, barPeriodSeconds: 60, guardCopies: 4 }));
});

test('a predictor that is an endpoint, per month', () => {
  expectTable(predictor({ writes: 1e6, endpointGb: 2, runsPerDay: 2 }));
  for (const price of Object.values(PREDICTOR_PRICES)) {
    expect(document).toContain(`$${price.toFixed(6).replace(/0+$/, '')} per`);
  }
});

test('every price that is used stands there', () => {
  for (const price of Object.values(PRICES)) expect(document).toContain(`$${price}`);
});

test('the prices in the doc comments of the props', () => {
  const props = readFileSync(join(ROOT, 'lib', 'props.ts'), 'utf8').replaceAll(/\n\s*\*\s/g, ' ');
  const bars = (30 * 24 * 3600) / 5;
  const copy = (bars * 2 * PRICES.writes) / 1e6;
  expect(props).toContain(`${bars.toLocaleString('en')} times a month at 5 seconds, ${dollars(copy)} a copy and month`);
  expect(props).toContain(`${dollars(copy * 16)} for 16`);
  expect(props).toContain(`${dollars((bars * PRICES.writes) / 1e6)} per stream and site`);
  expect(props).toContain(`${dollars(30 * 24 * 3600 * 0.25 * PRICES.gbSeconds)} for the sweeper`);
});
