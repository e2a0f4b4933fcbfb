import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canEventGo,
  type EventState,
  eventPhaseAt,
  eventStateDue,
  eventStates,
  settlePossibleAtMs,
} from './event-state.ts';

const legal = ['draft→armed', 'armed→live', 'armed→closed', 'live→closed', 'closed→settled'];

const anyEvent = fc
  .record({
    state: fc.constantFrom(...eventStates),
    startsAtMs: fc.nat(1000),
    lastsMs: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ state, startsAtMs, lastsMs }) => ({ state, startsAtMs, endsAtMs: startsAtMs + lastsMs }));

describe('event states', () => {
  it('go exactly where the table lets them: every other pair is refused', () => {
    const allowed = eventStates.flatMap((from) =>
      eventStates.filter((to) => canEventGo(from, to)).map((to) => `${from}→${to}`),
    );
    expect(allowed.sort()).toEqual([...legal].sort());
  });

  it('never come back: no state can be reached from itself, and all end in settled', () => {
    const reachable = (from: EventState): EventState[] =>
      eventStates.filter((to) => canEventGo(from, to)).flatMap((to) => [to, ...reachable(to)]);
    for (const state of eventStates) {
      expect(reachable(state)).not.toContain(state);
      if (state !== 'settled') expect(reachable(state)).toContain('settled');
    }
  });

  it('an armed or live event runs from its start to before its end, whatever the clock of its last transition', () => {
    const event = { state: 'armed', startsAtMs: 100, endsAtMs: 200 } as const;
    for (const state of ['armed', 'live'] as const) {
      expect([99, 100, 199, 200].map((nowMs) => eventPhaseAt({ ...event, state }, nowMs))).toEqual([
        'not_started',
        'running',
        'running',
        'over',
      ]);
    }
  });

  it('a draft never runs, and a closed or settled event is over at any time', () => {
    fc.assert(
      fc.property(anyEvent, fc.nat(3000), (event, nowMs) => {
        const phase = eventPhaseAt(event, nowMs);
        if (event.state === 'draft') expect(phase).toBe('not_started');
        if (event.state === 'closed' || event.state === 'settled') expect(phase).toBe('over');
      }),
    );
  });

  it('the state that is due is reached by legal steps and asks for nothing more at the same instant', () => {
    fc.assert(
      fc.property(anyEvent, fc.nat(3000), (event, nowMs) => {
        const due = eventStateDue(event, nowMs);
        expect(due === event.state || canEventGo(event.state, due)).toBe(true);
        expect(eventStateDue({ ...event, state: due }, nowMs)).toBe(due);
        if (event.state === 'armed' || event.state === 'live') {
          expect(due === 'closed').toBe(nowMs >= event.endsAtMs);
        }
      }),
    );
  });

  it('settling waits for the last ticket and the shares, whichever is later, and for grace', () => {
    const event = { closedAtMs: 1000, ticketTtlMs: 50, sharesEndAtMs: 2000, graceMs: 5 };
    expect(settlePossibleAtMs(event)).toBe(2005);
    expect(settlePossibleAtMs({ ...event, sharesEndAtMs: 1000 })).toBe(1055);
  });
});
