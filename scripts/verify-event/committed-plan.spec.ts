import { describe, expect, it } from 'vitest';
import { type CommittedPlan, canonicalPlan, commitmentOf } from '#libs/domain';
import { commitmentDifference, committedPools, firstDifference, secretOf } from './committed-plan.ts';

const plan: CommittedPlan = {
  eventId: 7,
  title: 'Night',
  startsAtMs: 1000,
  endsAtMs: 61_000,
  perUserMax: 3,
  sponsors: [{ no: 0, id: 'tea', name: 'Tea' }],
  waves: [{ no: 0, startsAtMs: 1000, durationMs: 60_000 }],
  pools: [
    {
      poolId: 3,
      waveNo: 0,
      sponsorNo: 0,
      packetCount: 64,
      blockSize: 1,
      budgetFen: 6400,
      minFen: 1,
      maxFen: 500,
      sharePortions: 2,
      shareBudgetFen: 640,
      releaseCurve: [
        [0, 0],
        [1, 1],
      ],
    },
  ],
};
const text = canonicalPlan(plan);

describe('a committed plan', () => {
  it('gives its pools when the tables say the same', () => {
    expect(committedPools(text, 7, plan)).toEqual({ pools: plan.pools });
  });

  it('is named with the first field that the tables have otherwise', () => {
    const [pool] = plan.pools;
    const other = { ...plan, pools: [{ ...pool!, budgetFen: 6500 }] };
    expect(committedPools(text, 7, other)).toEqual({
      difference: 'plan: pools[0].budgetFen: committed 6400, in the tables 6500',
    });
    expect(committedPools(text, 7, { ...plan, pools: [] })).toMatchObject({
      difference: expect.stringContaining('pools[0]'),
    });
    expect(committedPools(text, 8, plan)).toEqual({ difference: 'plan: the committed text is of event 7' });
  });

  it('is refused when no amounts derive from it', () => {
    const impossible = text.replace('"maxFen":500', '"maxFen":50');
    expect(committedPools(impossible, 7, plan)).toMatchObject({
      difference: expect.stringMatching(/^plan: pool 3: budgetFen/),
    });
    expect(committedPools('{"version":2}', 7, plan)).toMatchObject({ difference: expect.stringMatching(/is no plan/) });
  });
});

it('the first difference of two values is told with its path, lists by index', () => {
  expect(firstDifference({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] })).toBeUndefined();
  expect(firstDifference({ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] })).toBe('a[1].b: committed 2, in the tables 3');
  expect(firstDifference({ a: 1 }, { a: 1, c: null })).toBe('c: committed undefined, in the tables null');
  expect(firstDifference({ a: [] }, { a: null })).toBe('a: committed [], in the tables null');
});

describe('a commitment', () => {
  const secret = Buffer.alloc(32, 7);
  const published = { commitment: commitmentOf(secret, text), secret, planText: text };

  it('holds for the secret and the plan that were committed to, and for nothing else', () => {
    expect(commitmentDifference(published, undefined)).toBeUndefined();
    expect(commitmentDifference(published, published.commitment)).toBeUndefined();
    const [otherSecret, otherPlan] = [Buffer.alloc(32, 8), text.replace('Night', 'Day')];
    expect(commitmentDifference({ ...published, secret: otherSecret }, undefined)).toMatch(/secret and plan make/);
    expect(commitmentDifference({ ...published, planText: otherPlan }, undefined)).toMatch(/secret and plan make/);
  });

  it('is another one than was noted when all of it was made anew', () => {
    const remade = { ...published, secret: Buffer.alloc(32, 8), commitment: commitmentOf(Buffer.alloc(32, 8), text) };
    expect(commitmentDifference(remade, undefined)).toBeUndefined();
    expect(commitmentDifference(remade, published.commitment)).toMatch(/was noted before the event/);
  });

  it('needs a secret of hexadecimal digits and full length', () => {
    expect(secretOf('07'.repeat(32))).toEqual(secret);
    for (const none of ['', '07', 'x'.repeat(64), '0'.repeat(63)]) expect(secretOf(none)).toBeUndefined();
  });
});
