import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CommittedPlan, canonicalPlan, commitmentOf } from './commitment.ts';

const pool = {
  poolId: 11,
  waveNo: 1,
  sponsorNo: 0,
  packetCount: 300,
  blockSize: 8,
  budgetFen: 30_000,
  minFen: 1,
  maxFen: 1000,
  sharePortions: 0,
  shareBudgetFen: 0,
  releaseCurve: 'even' as const,
};
const plan: CommittedPlan = {
  eventId: 7,
  title: '新年快乐 "2026"',
  startsAtMs: 1_700_000_000_000,
  endsAtMs: 1_700_000_600_000,
  perUserMax: 3,
  sponsors: [
    { no: 0, id: 'acme', name: 'Acme' },
    { no: 1, id: 'zeta', name: 'Zeta' },
  ],
  waves: [
    { no: 1, startsAtMs: 1_700_000_000_000, durationMs: 1000 },
    { no: 2, startsAtMs: 1_700_000_001_000, durationMs: 1000 },
  ],
  pools: [
    pool,
    {
      ...pool,
      poolId: 12,
      sponsorNo: 1,
      releaseCurve: [
        [0, 0],
        [0.5, 0.1],
        [1, 1],
      ],
    },
  ],
};
const secret = Buffer.alloc(32, 9);

describe('the canonical plan', () => {
  it('is one text for one plan, in whatever order lists and keys come and whatever else rows carry', () => {
    const shuffled = fc.tuple(
      fc.shuffledSubarray([...plan.sponsors], { minLength: 2 }),
      fc.shuffledSubarray([...plan.waves], { minLength: 2 }),
      fc.shuffledSubarray([...plan.pools], { minLength: 2 }),
    );
    const reversed = <T extends object>(object: T): T => Object.fromEntries(Object.entries(object).reverse()) as T;
    fc.assert(
      fc.property(shuffled, ([sponsors, waves, pools]) => {
        const other = {
          ...plan,
          sponsors,
          waves: waves.map(reversed),
          pools: pools.map((each) => ({ ...reversed(each), nextBlock: 3 })),
        };
        expect(canonicalPlan(reversed(other))).toBe(canonicalPlan(plan));
      }),
    );
  });

  it('is JSON with sorted keys and no white space that says the whole plan', () => {
    const text = canonicalPlan({ ...plan, sponsors: [], waves: [], pools: [pool] });
    expect(text).toBe(
      '{"endsAtMs":1700000600000,"eventId":7,"perUserMax":3,"pools":[{"blockSize":8,"budgetFen":30000,"maxFen":1000,"minFen":1,' +
        '"packetCount":300,"poolId":11,"releaseCurve":"even","shareBudgetFen":0,"sharePortions":0,"sponsorNo":0,"waveNo":1}],' +
        '"sponsors":[],"startsAtMs":1700000000000,"title":"新年快乐 \\"2026\\"","version":1,"waves":[]}',
    );
    expect(JSON.parse(canonicalPlan(plan))).toEqual({ ...plan, version: 1 });
  });

  it('changes with every committed field', () => {
    const changes: Partial<CommittedPlan>[] = [
      { eventId: 8 },
      { title: 'x' },
      { startsAtMs: 1 },
      { endsAtMs: 2 },
      { perUserMax: 4 },
      { sponsors: plan.sponsors.slice(1) },
      { waves: plan.waves.slice(1) },
      ...Object.keys(pool).map((key) => ({
        pools: [{ ...pool, [key]: key === 'releaseCurve' ? 'back' : 77 }, plan.pools[1]!],
      })),
    ];
    const texts = [plan, ...changes.map((change) => ({ ...plan, ...change }))].map(canonicalPlan);
    expect(new Set(texts).size).toBe(texts.length);
  });
});

describe('the commitment', () => {
  it('is the documented hash, so that anybody can check it', () => {
    expect(commitmentOf(secret, '{}')).toBe('e5071c475f9570e5f16df4c85cc4ac9b4552aec9fbdff4a41bb9e7bc26a0f369');
  });

  it('no other secret or plan has it, nor another cut between the two', () => {
    const anyBytes = fc.uint8Array({ minLength: 32, maxLength: 40 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(anyBytes, anyBytes, fc.string(), fc.string(), (a, b, text, other) => {
        if (!a.equals(b)) expect(commitmentOf(a, text)).not.toBe(commitmentOf(b, text));
        if (text !== other) expect(commitmentOf(a, text)).not.toBe(commitmentOf(a, other));
        expect(commitmentOf(Buffer.concat([a, Buffer.from('x')]), text)).not.toBe(commitmentOf(a, `x${text}`));
      }),
    );
  });
});
