import { describe, expect, it } from 'vitest';
import { emptyPeriod } from '../driver/impatient-phones.ts';
import type { OverloadRun } from './overload-run.ts';
import { backAfterSeconds, reactionMs, stepFigures } from './step-figures.ts';

const startedAtMs = 1_000_000;
const none = emptyPeriod();
const latencies = { p50Ms: 1, p99Ms: 2, lagP99Ms: 0 };

/** Two seconds at three times the capacity, then one after the peak. */
function runOf(given: Partial<OverloadRun>): OverloadRun {
  return {
    setup: { isSplit: true, hasAdmission: true },
    heldBy: '',
    steps: [
      { name: 'triple', order: { ms: 2000, load: 3 } },
      { name: 'after', order: { ms: 60_000, load: 0.5 } },
    ],
    shakes: {
      startedAtMs,
      capacityPerSecond: 10,
      periods: [],
      steps: [
        { fromMs: 0, untilMs: 2000, ...latencies },
        { fromMs: 2000, untilMs: 3000, ...latencies },
      ],
    },
    beside: { opens: [], reads: [], unsettled: 0, answers: {}, lagP99Ms: 0 },
    looks: [],
    checked: 0,
    ...given,
  };
}

const lookAt = (ms: number, tier: 0 | 1 | 4, sinceMs?: number) => ({ atMs: startedAtMs + ms, tier, level: 0, sinceMs });

describe('what became of each load', () => {
  it('counts shakes per second of the load in which they were due, and answers per second of that in which they came', () => {
    const { shakes } = runOf({});
    const periods = Array.from({ length: 30 }, (_, at) =>
      at < 20
        ? { ...none, sent: 3, unsent: 1, decided: 1, rested: 1, gaveUp: 1, answers: 1 }
        : { ...none, sent: 1, decided: 1, answers: 3 },
    );
    const [triple, after] = stepFigures(runOf({ shakes: { ...shakes, periods } }));
    expect(triple).toMatchObject({ meant: 40, offered: 30, decided: 10, rested: 10, inTime: 10, gaveUp: 10 });
    expect(after).toMatchObject({ meant: 10, offered: 10, decided: 10, inTime: 30, gaveUp: 0 });
  });

  it('an open succeeds when it has its outcome in time and was never refused', () => {
    const dueAtMs = startedAtMs + 10;
    const opens = [
      { dueAtMs, tookMs: 100, refusals: 0 },
      { dueAtMs, tookMs: 200, refusals: 1 },
      { dueAtMs, tookMs: 2001, refusals: 0 },
      { dueAtMs, refusals: 0 },
      { dueAtMs: startedAtMs + 2500, tookMs: 5, refusals: 0 },
    ];
    const [triple, after] = stepFigures(runOf({ beside: { ...runOf({}).beside, opens } }));
    expect(triple!.opens).toEqual({ count: 4, succeeded: 0.25, p50Ms: 200, p99Ms: null });
    expect(after!.opens).toEqual({ count: 1, succeeded: 1, p50Ms: 5, p99Ms: 5 });
  });

  it('does not round up what succeeded', () => {
    const opens = Array.from({ length: 3 }, (_, at) => ({
      dueAtMs: startedAtMs,
      tookMs: 1,
      refusals: at === 0 ? 1 : 0,
    }));
    expect(stepFigures(runOf({ beside: { ...runOf({}).beside, opens } }))[0]!.opens.succeeded).toBe(0.66666);
  });
});

describe('how soon it steps back and returns', () => {
  it('counts from the jump of the load to the level', () => {
    expect(reactionMs(runOf({ looks: [lookAt(500, 0), lookAt(1500, 0, startedAtMs + 220)] }))).toBe(220);
    expect(reactionMs(runOf({ looks: [lookAt(500, 0)] }))).toBeNull();
    const before = startedAtMs - 3000;
    expect(reactionMs(runOf({ looks: [lookAt(500, 1, before), lookAt(1500, 1, before)] }))).toBeNull();
  });

  it('counts from the end of the peak to the tier that stays at 0', () => {
    const looks = [lookAt(1000, 4), lookAt(2100, 0), lookAt(2300, 1), lookAt(2500, 0), lookAt(2800, 0)];
    expect(backAfterSeconds(runOf({ looks }))).toBe(0.5);
    expect(backAfterSeconds(runOf({ looks: [lookAt(1000, 0), lookAt(2900, 0)] }))).toBe(0);
    expect(backAfterSeconds(runOf({ looks: [...looks, lookAt(2900, 1)] }))).toBeNull();
  });
});
