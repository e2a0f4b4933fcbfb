import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivePortions, deriveRunAmounts, type PoolPlan, packetIdOf } from '#libs/domain';
import { type BookedGrab, type BookedGrant, PoolProof } from './pool-proof.ts';

const secret = createHash('sha256').update('a secret of tests').digest();
const plan: PoolPlan = {
  poolId: 7,
  packetCount: 300,
  blockSize: 8,
  budgetFen: 30_000,
  minFen: 1,
  maxFen: 500,
  sharePortions: 3,
  shareBudgetFen: 3000,
};

const grants: BookedGrant[] = [0, 1]
  .flatMap((runNo) => deriveRunAmounts(secret, plan, runNo))
  .map((amountFen, packetNo) => ({
    packetId: packetIdOf({ poolId: 7, blockNo: Math.floor(packetNo / 8), index: packetNo % 8 }),
    amountFen,
  }));
const grabs: BookedGrab[] = grants.flatMap(({ packetId }) =>
  derivePortions(secret, plan, packetId).map((amountFen, i) => ({ packetId, portion: i + 1, amountFen })),
);
const sumOf = (list: readonly BookedGrant[]) => list.reduce((sum, { amountFen }) => sum + amountFen, 0);

describe('PoolProof', () => {
  it('accounts for the pool to the fen whatever was granted and grabbed (invariant 8)', () => {
    const subset = <T>(all: readonly T[]) => fc.subarray([...all]);
    fc.assert(
      fc.property(subset(grants), subset(grabs), (granted, grabbed) => {
        const proof = new PoolProof(secret, plan);
        proof.addGrants(granted);
        proof.addGrabs(grabbed);
        expect(proof.violations).toEqual([]);
        expect(proof.unclaimedFen + sumOf(granted) + sumOf(grabbed)).toBe(33_000);
      }),
      { numRuns: 50 },
    );
  });

  it('has nothing left when everything was claimed', () => {
    const proof = new PoolProof(secret, plan);
    proof.addGrants(grants);
    proof.addGrabs(grabs);
    expect(proof.unclaimedFen).toBe(0);
  });

  it('names an amount that is not the derived one, and packets and portions that do not exist', () => {
    const proof = new PoolProof(secret, plan);
    const tampered = { ...grants[5]!, amountFen: grants[5]!.amountFen + 1 };
    const strange = packetIdOf({ poolId: 7, blockNo: 37, index: 4 });
    proof.addGrants([tampered, { packetId: strange, amountFen: 1 }]);
    proof.addGrabs([{ packetId: tampered.packetId, portion: 4, amountFen: 1 }]);
    expect(proof.violations).toEqual([
      `grant of packet ${tampered.packetId}: ${tampered.amountFen} fen were booked, ${tampered.amountFen - 1} are derived`,
      `grant of packet ${strange}: pool 7 has no such packet`,
      `grab of portion 4 of packet ${tampered.packetId}: there is no such portion`,
    ]);
  });

  it('names a bounded number of them and counts the rest', () => {
    const proof = new PoolProof(secret, plan);
    proof.addGrants(grants.map((grant) => ({ ...grant, amountFen: grant.amountFen + 1 })));
    expect(proof.violations).toHaveLength(201);
    expect(proof.violations.at(-1)).toBe('pool 7: 100 more amounts are not as derived');
  });
});
