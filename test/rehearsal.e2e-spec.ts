import { expect, it } from 'vitest';
import { parseOptions } from '../scripts/rehearse/options.ts';
import { rehearse } from '../scripts/rehearse/rehearsal.ts';
import { lastLine } from '../scripts/rehearse/report.ts';
import { openTarget, type Target } from '../scripts/rehearse/target.ts';

const args = '--users 120 --packets 400 --duration 20 --gateways 2 --kill allocation,redis'.split(' ');

/** Proves the rehearsal, and by it the SDK against the real system: everything promised is kept although parts are killed. */
it('a short night on two gateways, with allocation and Redis killed in it, breaks no promise and balances', async () => {
  const options = parseOptions(args, 20_260_216);
  if (options === 'help') throw new Error('unreachable');
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const { signal } = new AbortController();
  let target: Target | undefined;
  try {
    target = await openTarget(options, say, signal);
    const result = await rehearse(options, target, say, signal);
    expect(result.violations).toEqual([]);
    expect(lastLine(result)).toMatch(/^balanced: budget = granted \+ grabbed \+ refunded \+ unclaimed/);
    expect(result.outcomes['open']?.['credited']).toBeGreaterThan(0);
    expect(result.outcomes['grab']?.['credited']).toBeGreaterThan(0);
    expect(lines).toContain('kill -9 allocation');
    expect(lines).toContain('kill -9 redis');
  } finally {
    await target?.close(false);
  }
});
