import { expect, test } from 'vitest';
import { coreListOf, cpuTimesOf, peakBytesOf, ranMicrosOf, reapedTicksOf, residentBytesOf } from './proc-parse.ts';

const status = 'Name:\tnode\nVmHWM:\t  130000 kB\nVmRSS:\t  120000 kB\nCpus_allowed_list:\t0-2,5\n';

test('the cores of a process are single ones and ranges', () => {
  expect(coreListOf(status)).toEqual([0, 1, 2, 5]);
  expect(coreListOf('Cpus_allowed_list:\t3\n')).toEqual([3]);
  expect(coreListOf('nothing')).toEqual([]);
});

test('memory is in bytes, and a process that has ended has none', () => {
  expect(residentBytesOf(status)).toBe(122_880_000);
  expect(peakBytesOf(status)).toBe(133_120_000);
  expect(() => residentBytesOf('Name:\tnode\nState:\tZ (zombie)\n')).toThrow('has ended');
});

test('run time is in microseconds, of nanoseconds', () => {
  expect(ranMicrosOf('1500500 2000 3\n')).toBe(1500.5);
  expect(() => ranMicrosOf('none')).toThrow('no schedstat');
});

test('busy time counts the named cores alone, steal with it and idle time without', () => {
  const stat = 'cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 1 5 80 4 0 2 3 0 0\ncpu1 1 0 0 99 0 0 0 0 0 0\n';
  expect(cpuTimesOf(stat, [0])).toEqual({ total: 105, busy: 21 });
  expect(cpuTimesOf(stat, [0, 1])).toEqual({ total: 205, busy: 22 });
});

test('what ended children had is found behind a name with blanks and brackets', () => {
  const stat = '7 (a (odd) name) S 1 7 7 0 -1 4194560 100 200 0 0 11 12 13 14 20 0 1 0 55 1000 10\n';
  expect(reapedTicksOf(stat)).toBe(13 + 14);
  expect(() => reapedTicksOf('7 (name) S 1')).toThrow('no times of children');
});
