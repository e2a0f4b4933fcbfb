import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Breaker, type CallOutcome, type Permit } from './breaker.ts';

const options = { callsWatched: 8, failuresMax: 4, openFirstMs: 100, openMaxMs: 400, probesToClose: 3 };

function breakerAt(start = 0) {
  const clock = { nowMs: start };
  const breaker = new Breaker({ ...options, monotonicMs: () => clock.nowMs });
  const call = (outcome: CallOutcome): boolean => {
    const permit = breaker.enter();
    permit?.(outcome);
    return permit !== undefined;
  };
  const open = (): void => {
    for (let i = 0; i < options.failuresMax; i++) call('failed');
  };
  return { clock, breaker, call, open };
}

describe('breaker', () => {
  it('opens when half of the latest calls have failed, and then lets nobody through', () => {
    const { breaker, call } = breakerAt();
    for (const outcome of ['failed', 'ok', 'failed', 'ok', 'failed', 'ok'] as const) call(outcome);
    expect(breaker.state).toBe('closed');
    call('failed');
    expect(breaker.state).toBe('open');
    expect(call('ok')).toBe(false);
    expect(breaker.openCount).toBe(1);
  });

  it('forgets failures that have left the calls it watches, and does not count what says nothing', () => {
    const { breaker, call } = breakerAt();
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < options.failuresMax - 1; i++) call('failed');
      for (let i = 0; i < options.callsWatched; i++) call('ok');
      for (let i = 0; i < 10; i++) call('unknown');
    }
    expect(breaker.state).toBe('closed');
  });

  it('asks again after its time: one probe, one more with each that succeeds, then everybody', () => {
    const { clock, breaker, open } = breakerAt();
    open();
    clock.nowMs = 99;
    expect(breaker.enter()).toBeUndefined();
    clock.nowMs = 100;
    const first = breaker.enter()!;
    expect(breaker.state).toBe('probing');
    expect(breaker.enter()).toBeUndefined();
    first('ok');
    const [second, third] = [breaker.enter()!, breaker.enter()!];
    expect(breaker.enter()).toBeUndefined();
    second('ok');
    expect(breaker.state).toBe('probing');
    third('ok');
    expect(breaker.state).toBe('closed');
    expect(Array.from({ length: 100 }, () => breaker.enter()).every((permit) => permit !== undefined)).toBe(true);
  });

  it('stays open for longer after each probe that fails, up to its limit, and for its first time after it was closed', () => {
    const { clock, breaker, call, open } = breakerAt();
    open();
    for (const openMs of [100, 200, 400, 400]) {
      clock.nowMs += openMs - 1;
      expect(call('ok')).toBe(false);
      clock.nowMs += 1;
      expect(call('failed')).toBe(true);
      expect(breaker.state).toBe('open');
    }
    clock.nowMs += 400;
    for (let i = 0; i < options.probesToClose; i++) call('ok');
    expect(breaker.state).toBe('closed');
    open();
    clock.nowMs += 100;
    expect(call('ok')).toBe(true);
  });

  it('is told nothing by calls that were let in before its last transition', () => {
    const { clock, breaker, open } = breakerAt();
    const early = Array.from({ length: 20 }, () => breaker.enter()!);
    open();
    for (const permit of early) permit('failed');
    expect(breaker.openCount).toBe(1);
    clock.nowMs = 100;
    const probe = breaker.enter()!;
    for (const permit of early) permit('failed');
    expect(breaker.state).toBe('probing');
    probe('ok');
    probe('failed');
    expect(breaker.state).toBe('probing');
  });
});

type Step =
  | { readonly kind: 'enter' }
  | { readonly kind: 'tell'; readonly outcome: CallOutcome }
  | { readonly kind: 'wait' };
const stepOf: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: 'enter' } as const) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('tell' as const),
      outcome: fc.constantFrom('ok', 'failed', 'unknown' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'wait' } as const) },
);

// Whatever happens: while it is open nobody is let in before its time, while it probes no more at once than have succeeded and one, and a
// dependency that is well again is soon asked by everybody.
it('never lets more through than its state allows, and always comes back', () => {
  fc.assert(
    fc.property(fc.array(stepOf, { maxLength: 200 }), (steps) => {
      const { clock, breaker } = breakerAt();
      let probes: Permit[] = [];
      const held: Permit[] = [];
      let openings = 0;
      for (const step of steps) {
        const before = breaker.state;
        if (step.kind === 'wait') clock.nowMs += 150;
        else if (step.kind === 'tell') {
          const told = held.shift();
          told?.(step.outcome);
          probes = probes.filter((probe) => probe !== told);
        } else {
          const permit = breaker.enter();
          if (permit !== undefined) held.push(permit);
          if (permit !== undefined && breaker.state === 'probing') probes.push(permit);
          if (before === 'open' && breaker.state === 'open') expect(permit).toBeUndefined();
        }
        if (breaker.state !== 'probing') probes = [];
        expect(probes.length).toBeLessThanOrEqual(options.probesToClose);
        expect(breaker.openCount).toBeGreaterThanOrEqual(openings);
        openings = breaker.openCount;
      }
      for (let i = 0; i < 10 * options.probesToClose && breaker.state !== 'closed'; i++) {
        clock.nowMs += options.openMaxMs;
        for (const permit of held.splice(0)) permit('unknown');
        breaker.enter()?.('ok');
      }
      expect(breaker.state).toBe('closed');
    }),
  );
});
