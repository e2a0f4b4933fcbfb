import { expect, test } from 'vitest';
import { OptionsError, parseOptions } from './options.ts';

const suites = [
  { name: 'shakes', about: '', partNames: ['rate', 'pace'] },
  { name: 'opens', about: '', partNames: ['lanes'] },
];

test('without options every suite runs whole, in the order of the registry', () => {
  expect(parseOptions([], suites)).toEqual({
    suiteNames: ['shakes', 'opens'],
    partNames: undefined,
    isJson: false,
    isQuick: false,
    grants: undefined,
  });
});

test('suites, parts and forms are chosen by name', () => {
  expect(
    parseOptions(['opens', 'shakes', '--json', '--quick', '--parts', 'rate,lanes', '--grants', '20000'], suites),
  ).toEqual({
    suiteNames: ['shakes', 'opens'],
    partNames: new Set(['rate', 'lanes']),
    isJson: true,
    isQuick: true,
    grants: 20_000,
  });
  expect(parseOptions(['--help', 'nonsense'], suites)).toBe('help');
});

test('every fault is named at once, and a part must be one of the chosen suites', () => {
  expect(() => parseOptions(['shakes', 'nonsense', '--parts', 'rats'], suites)).toThrow(
    /no suite "nonsense": shakes, opens\n.*no part "rats": rate, pace/,
  );
  expect(() => parseOptions(['shakes', '--parts', 'lanes'], suites)).toThrow('There is no part "lanes": rate, pace');
  expect(() => parseOptions(['--parts', ','], suites)).toThrow('--parts names none');
  expect(() => parseOptions(['--grants', 'many'], suites)).toThrow('--grants must be a whole number');
  expect(() => parseOptions(['--fast'], suites)).toThrow(OptionsError);
});
