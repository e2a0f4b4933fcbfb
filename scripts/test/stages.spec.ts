import { describe, expect, it } from 'vitest';
import { countReport } from './stages.ts';

const file = (status: string, ...statuses: string[]) => ({
  name: 'a.spec.ts',
  status,
  message: status === 'failed' ? 'cannot be read' : '',
  assertionResults: statuses.map((one, i) => ({ fullName: `test ${i}`, status: one })),
});

describe('countReport', () => {
  it('counts tests by their own outcome, and what did not run as skipped', () => {
    const report = { testResults: [file('passed', 'passed', 'passed', 'todo'), file('failed', 'failed', 'pending')] };
    expect(countReport(report)).toEqual({ passed: 2, failed: 1, skipped: 2, failures: ['a.spec.ts › test 0'] });
  });

  it('counts a file that failed before or outside of its tests as one failure', () => {
    const report = { testResults: [file('failed'), file('failed', 'passed')] };
    expect(countReport(report)).toMatchObject({
      passed: 1,
      failed: 2,
      failures: Array(2).fill('a.spec.ts › cannot be read'),
    });
  });
});
