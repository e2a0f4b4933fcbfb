import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { derivePortions, deriveRunAmounts, type PoolPlan, packetIdOf } from '#libs/domain';
import { DerivedAmounts } from './derived-amounts.ts';

const secret = createHash('sha256').update('a secret of tests').digest();
const plan: PoolPlan = {
  poolId: 7,
  packetCount: 1000,
  blockSize: 8,
  budgetFen: 100_000,
  minFen: 1,
  maxFen: 500,
  sharePortions: 3,
  shareBudgetFen: 3000,
};

describe('DerivedAmounts', () => {
  it('gives the same amounts whether a run is in memory or was forgotten', () => {
    const amounts = new DerivedAmounts(2, 2);
    for (const round of [0, 1, 2]) {
      for (const blockNo of [0, 1, 31, 32, 64, 96, 124]) {
        const ref = { poolId: 7, blockNo, index: round };
        const run = deriveRunAmounts(secret, plan, Math.floor(blockNo / 32));
        expect(amounts.amountOf(secret, plan, ref)).toBe(run[(blockNo % 32) * 8 + round]);
        expect(amounts.portionsOf(secret, plan, ref)).toEqual(derivePortions(secret, plan, packetIdOf(ref)));
      }
    }
  });

  it('refuses a packet that the pool does not have', () => {
    const amounts = new DerivedAmounts();
    const shorter = { ...plan, packetCount: 997, budgetFen: 99_700 };
    expect(() => amounts.amountOf(secret, shorter, { poolId: 7, blockNo: 124, index: 5 })).toThrow(RangeError);
  });
});
