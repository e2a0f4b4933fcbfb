import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { deriveBlockAmounts, derivePortions, type PoolPlan, packetIdOf } from '#libs/domain';
import { DerivedAmounts } from './derived-amounts.ts';

const secret = createHash('sha256').update('a secret of tests').digest();
const plan: PoolPlan = {
  poolId: 7,
  packetCount: 300,
  budgetFen: 30_000,
  minFen: 1,
  maxFen: 500,
  sharePortions: 3,
  shareBudgetFen: 3000,
};

describe('DerivedAmounts', () => {
  it('gives the same amounts whether a block is in memory or was forgotten', () => {
    const amounts = new DerivedAmounts(2, 2);
    for (const round of [0, 1, 2]) {
      for (const blockNo of [0, 1, 2, 3]) {
        const ref = { poolId: 7, blockNo, index: round };
        expect(amounts.amountOf(secret, plan, ref)).toBe(deriveBlockAmounts(secret, plan, blockNo)[round]);
        expect(amounts.portionsOf(secret, plan, ref)).toEqual(derivePortions(secret, plan, packetIdOf(ref)));
      }
    }
  });

  it('refuses an index that the last, short block does not have', () => {
    const amounts = new DerivedAmounts();
    expect(() => amounts.amountOf(secret, plan, { poolId: 7, blockNo: 37, index: 4 })).toThrow(RangeError);
  });
});
