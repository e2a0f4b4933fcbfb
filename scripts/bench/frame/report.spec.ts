import { expect, test } from 'vitest';
import type { Machine } from './machine.ts';
import { jsonOf, numberText, tableOf } from './report.ts';
import { judged, type SuiteReport } from './suite.ts';

const machine: Machine = {
  cpu: 'a processor',
  arch: 'x64',
  kernel: '6',
  node: 'v20',
  cores: [0, 1],
  serverCores: [0],
  driverCore: 1,
  busyBefore: 0,
};
const share = judged({ name: 'shakes/s', sense: 'at least', bar: 0.75 }, 0.81);
const wait = judged({ name: 'p99, ms', sense: 'at most', bar: 10 }, null);
const report: SuiteReport = {
  figures: { rate: { ratio: 0.81 } },
  rows: [
    { name: 'shakes/s', value: '40 500', beside: '50 000', ratio: 0.81, bar: share },
    { name: 'p99, ms', value: 'refused', bar: wait },
  ],
  refusals: ['latency: late'],
};
const all = { machine, isQuick: false, reports: new Map([['shakes', report]]) };

test('a bar holds on its own side of the limit, and never without a value', () => {
  const atLeast = { name: 'a', sense: 'at least', bar: 2 } as const;
  const atMost = { name: 'b', sense: 'at most', bar: 2 } as const;
  expect([1, 2, 3].map((value) => judged(atLeast, value).holds)).toEqual([false, true, true]);
  expect([1, 2, 3].map((value) => judged(atMost, value).holds)).toEqual([true, true, false]);
  expect([atLeast, atMost].map((rule) => judged(rule, null).holds)).toEqual([false, false]);
});

test('the table has a line for each row, in columns, with the limit and whether it holds', () => {
  expect(tableOf(all)).toEqual([
    '              value  beside it  ratio           bar',
    'shakes',
    '  shakes/s   40 500     50 000   0.81  ≥ 0.75 holds',
    '  p99, ms   refused                      ≤ 10 FAILS',
  ]);
});

test('the JSON has machine, figures by suite and part, and every bar with name, value, bar and holds', () => {
  expect(jsonOf(all)).toEqual({
    machine,
    isQuick: false,
    figures: { shakes: { rate: { ratio: 0.81 } } },
    bars: [
      { name: 'shakes/s', sense: 'at least', value: 0.81, bar: 0.75, holds: true },
      { name: 'p99, ms', sense: 'at most', value: null, bar: 10, holds: false },
    ],
    refusals: ['shakes/latency: late'],
  });
});

test('numbers are written to be read', () => {
  expect([0, 0.012345, 1.5, 999.4, 1000, 62_100.7, 1_234_567].map(numberText)).toEqual([
    '0',
    '0.0123',
    '1.5',
    '999',
    '1 000',
    '62 101',
    '1 234 567',
  ]);
});
