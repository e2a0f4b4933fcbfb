import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DraftPool, type DraftWave, type EventDraft, eventLimits, findEventFaults } from './event-plan.ts';

const startsAtMs = 1_800_000_000_000;
const pool: DraftPool = {
  sponsorId: 'acme',
  packetCount: 100,
  budgetFen: 10_000,
  minFen: 1,
  maxFen: 1000,
  sharePortions: 0,
  shareBudgetFen: 0,
  releaseCurve: 'even',
};
const wave: DraftWave = { no: 1, startsAtMs, durationMs: 60_000, pools: [pool, { ...pool, sponsorId: 'zeta' }] };
const draft: EventDraft = {
  title: 'Gala',
  startsAtMs,
  endsAtMs: startsAtMs + 600_000,
  perUserMax: 3,
  ticketTtlMs: 60_000,
  staggerMs: 1000,
  shakeIntervalMs: 1000,
  graceMs: 2000,
  reissue: 'event',
  sharesEndAtMs: startsAtMs + 3_600_000,
  sponsors: [
    { id: 'acme', name: 'Acme' },
    { id: 'zeta', name: '泽塔' },
  ],
  waves: [wave, { ...wave, no: 2, startsAtMs: startsAtMs + 60_000 }],
};

const withWave = (fields: Partial<DraftWave>): EventDraft => ({
  ...draft,
  waves: [{ ...wave, ...fields }, draft.waves[1]!],
});
const withPool = (fields: Partial<DraftPool>): EventDraft => withWave({ pools: [{ ...pool, ...fields }] });

/** What each mistake must be called, by the field of the REST body. */
const mistakes: readonly [string, EventDraft, string][] = [
  ['an empty title', { ...draft, title: ' ' }, 'title'],
  ['a long title', { ...draft, title: 'x'.repeat(201) }, 'title'],
  ['a start that is no time', { ...draft, startsAtMs: Number.NaN }, 'startsAt'],
  ['an end that is no time', { ...draft, endsAtMs: 2 ** 60 }, 'endsAt'],
  ['an end at the start', { ...draft, endsAtMs: startsAtMs }, 'endsAt'],
  ['an end years later', { ...draft, endsAtMs: startsAtMs + 1e12, sharesEndAtMs: startsAtMs + 1e12 }, 'endsAt'],
  ['shares that end before the event', { ...draft, sharesEndAtMs: draft.endsAtMs - 1 }, 'sharesEndAt'],
  ['shares that end years later', { ...draft, sharesEndAtMs: draft.endsAtMs + 1e12 }, 'sharesEndAt'],
  ['a shares’ end that is no time', { ...draft, sharesEndAtMs: Number.NaN }, 'sharesEndAt'],
  ['no packet per user', { ...draft, perUserMax: 0 }, 'perUserMax'],
  ['more packets per user than a state holds', { ...draft, perUserMax: 65 }, 'perUserMax'],
  ['tickets without life', { ...draft, ticketTtlMs: 0 }, 'ticketTtlMs'],
  ['a stagger that is no number', { ...draft, staggerMs: -1 }, 'staggerMs'],
  ['a stagger as long as the event', { ...draft, staggerMs: 600_000 }, 'staggerMs'],
  ['an interval of a millisecond', { ...draft, shakeIntervalMs: 1 }, 'shakeIntervalMs'],
  ['blocks without life', { ...draft, blockLifeMs: 0 }, 'blockLifeMs'],
  ['a negative grace', { ...draft, graceMs: -1 }, 'graceMs'],
  ['an unknown reissue', { ...draft, reissue: 'always' as 'event' }, 'reissue'],
  [
    'a sponsor id with a space',
    { ...draft, sponsors: [...draft.sponsors, { id: 'a b', name: 'x' }] },
    'sponsors[2].id',
  ],
  ['a sponsor without a name', { ...draft, sponsors: [...draft.sponsors, { id: 'c', name: '' }] }, 'sponsors[2].name'],
  ['a sponsor twice', { ...draft, sponsors: [...draft.sponsors, draft.sponsors[0]!] }, 'sponsors[2].id'],
  ['no waves', { ...draft, waves: [] }, 'waves'],
  ['a wave number twice', { ...draft, waves: [wave, { ...draft.waves[1]!, no: 1 }] }, 'waves[1].no'],
  ['a wave number that is no number', withWave({ no: -1 }), 'waves[0].no'],
  ['a wave before the event', withWave({ startsAtMs: startsAtMs - 1 }), 'waves[0].startsAt'],
  ['a wave that is at no time', withWave({ startsAtMs: Number.NaN }), 'waves[0].startsAt'],
  ['a wave after the event', { ...draft, waves: [{ ...wave, durationMs: 600_001 }] }, 'waves[0].durationMs'],
  ['a wave without duration', withWave({ durationMs: 0 }), 'waves[0].durationMs'],
  ['waves that overlap', withWave({ durationMs: 60_001 }), 'waves[1].startsAt'],
  ['a wave without pools', withWave({ pools: [] }), 'waves[0].pools'],
  ['a sponsor twice in a wave', withWave({ pools: [pool, pool] }), 'waves[0].pools[1].sponsorId'],
  ['a sponsor that is not in the event', withPool({ sponsorId: 'nobody' }), 'waves[0].pools[0].sponsorId'],
  ['a pool without packets', withPool({ packetCount: 0 }), 'waves[0].pools[0].packetCount'],
  ['a budget below the minimum', withPool({ budgetFen: 99 }), 'waves[0].pools[0].budgetFen'],
  ['a budget above the maximum', withPool({ budgetFen: 100_001 }), 'waves[0].pools[0].budgetFen'],
  ['a minimum above the maximum', withPool({ minFen: 1001 }), 'waves[0].pools[0].minFen'],
  ['shares without a budget', withPool({ sharePortions: 5 }), 'waves[0].pools[0].shareBudgetFen'],
  ['an unknown curve', withPool({ releaseCurve: 'sudden' as 'even' }), 'waves[0].pools[0].releaseCurve'],
];

describe('findEventFaults', () => {
  it('finds nothing in an event that can be held', () => {
    expect(findEventFaults(draft)).toEqual([]);
    expect(findEventFaults({ ...draft, staggerMs: 0, graceMs: 0, sharesEndAtMs: draft.endsAtMs })).toEqual([]);
  });

  it.each(mistakes)('names %s, and nothing else', (_what, faulty, path) => {
    const paths = findEventFaults(faulty).map((fault) => fault.slice(0, fault.indexOf(': ')));
    expect([...new Set(paths)]).toEqual([path]);
  });

  it('names all mistakes of a draft at once', () => {
    const faulty = {
      ...draft,
      title: '',
      perUserMax: 0,
      endsAtMs: startsAtMs - 1,
      sponsors: [],
      waves: [{ ...wave, pools: [{ ...pool, budgetFen: 1, releaseCurve: [] }] }],
    };
    const paths = findEventFaults(faulty).map((fault) => fault.slice(0, fault.indexOf(': ')));
    expect(paths).toEqual([
      'perUserMax',
      'title',
      'endsAt',
      'sponsors',
      'waves[0].pools[0].sponsorId',
      'waves[0].pools[0].budgetFen',
      'waves[0].pools[0].releaseCurve',
    ]);
  });

  it('finds a long wave that overlaps one which does not follow it directly', () => {
    const at = (no: number, fromMs: number, durationMs: number): DraftWave => ({
      ...wave,
      no,
      startsAtMs: startsAtMs + fromMs,
      durationMs,
    });
    const faults = findEventFaults({ ...draft, waves: [at(1, 50_000, 1000), at(2, 0, 100_000), at(3, 10_000, 1000)] });
    expect(faults).toEqual([
      expect.stringMatching(/^waves\[2\]\.startsAt: .*waves\[1\]/),
      expect.stringMatching(/^waves\[0\]\.startsAt: .*waves\[1\]/),
    ]);
  });

  it('keeps the sum of all budgets and the number of pools within what can be added up', () => {
    const rich = { ...pool, packetCount: 1e9, budgetFen: 5e15, maxFen: 1e9 };
    const faults = findEventFaults({ ...draft, waves: [{ ...wave, pools: [rich, { ...rich, sponsorId: 'zeta' }] }] });
    expect(faults).toEqual([expect.stringMatching(/^waves: all budgets/)]);
    const sponsors = Array.from({ length: 1000 }, (_, i) => ({ id: `s${i}`, name: 'S' }));
    const pools = sponsors.map(({ id }) => ({ ...pool, sponsorId: id }));
    const waves = Array.from({ length: 5 }, (_, no) => ({ ...wave, no, startsAtMs: startsAtMs + no * 60_000, pools }));
    expect(findEventFaults({ ...draft, sponsors, waves })).toEqual([expect.stringMatching(/^waves: .*4096 pools/)]);
  });

  it('never throws, whatever numbers a draft has', () => {
    const anyNumber = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY));
    const numbers = fc.array(anyNumber, { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(numbers, ([a, b, c, d, e, f, g, h, i, j, k, l]) => {
        const oddPool = {
          ...pool,
          packetCount: a!,
          budgetFen: b!,
          minFen: c!,
          maxFen: d!,
          sharePortions: e!,
          shareBudgetFen: f!,
        };
        const oddWave = { no: g!, startsAtMs: h!, durationMs: i!, pools: [oddPool] };
        const faults = findEventFaults({
          ...draft,
          startsAtMs: j!,
          endsAtMs: k!,
          staggerMs: l!,
          waves: [oddWave, wave],
        });
        for (const fault of faults) expect(fault).toMatch(/^[a-zA-Z0-9.[\]]+: \S/);
      }),
    );
    expect(eventLimits.perUserMaxMax).toBe(64);
  });
});
