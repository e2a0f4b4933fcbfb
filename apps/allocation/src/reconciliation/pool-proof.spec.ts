import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivePortions, deriveRunAmounts, type Fen, type PoolPlan, packetIdOf } from '#libs/domain';
import { type BookedGrabs, type BookedGrants, PoolProof } from './pool-proof.ts';

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

interface Grant {
  readonly packetNo: number;
  readonly amountFen: Fen;
}
interface Grab extends Grant {
  readonly portion: number;
}

const packetIdAt = (packetNo: number) =>
  packetIdOf({ poolId: 7, blockNo: Math.floor(packetNo / 8), index: packetNo % 8 });
const grants: Grant[] = [0, 1]
  .flatMap((runNo) => deriveRunAmounts(secret, plan, runNo))
  .map((amountFen, packetNo) => ({ packetNo, amountFen }));
const grabs: Grab[] = grants.flatMap(({ packetNo }) =>
  derivePortions(secret, plan, packetIdAt(packetNo)).map((amountFen, i) => ({ packetNo, portion: i + 1, amountFen })),
);
const sumOf = (list: readonly Grant[]) => list.reduce((sum, { amountFen }) => sum + amountFen, 0);

/** As an audit gives them: a page for each run, in whatever order. */
function pagesOf(granted: readonly Grant[]): BookedGrants[] {
  return [0, 256].map((firstPacketNo) => {
    const page = granted
      .filter(({ packetNo }) => packetNo >= firstPacketNo && packetNo < firstPacketNo + 256)
      .reverse();
    return {
      firstPacketNo,
      offsets: page.map(({ packetNo }) => packetNo - firstPacketNo),
      amounts: page.map(({ amountFen }) => amountFen),
    };
  });
}

const grabPageOf = (grabbed: readonly Grab[]): BookedGrabs => ({
  firstPacketNo: 0,
  offsets: grabbed.map(({ packetNo }) => packetNo),
  portions: grabbed.map(({ portion }) => portion),
  amounts: grabbed.map(({ amountFen }) => amountFen),
});

function proofOf(granted: readonly Grant[], grabbed: readonly Grab[] = []): PoolProof {
  const proof = new PoolProof(secret, plan);
  for (const page of pagesOf(granted)) proof.addGrants(page);
  proof.addGrabs(grabPageOf(grabbed));
  return proof;
}

describe('PoolProof', () => {
  it('accounts for the pool to the fen whatever was granted and grabbed (invariant 8)', () => {
    const subset = <T>(all: readonly T[]) => fc.subarray([...all]);
    fc.assert(
      fc.property(subset(grants), subset(grabs), (granted, grabbed) => {
        const proof = proofOf(granted, grabbed);
        expect(proof.violations).toEqual([]);
        expect(proof.claimedFen).toBe(sumOf(granted) + sumOf(grabbed));
        expect(proof.unclaimedFen + proof.claimedFen).toBe(33_000);
      }),
      { numRuns: 50 },
    );
  });

  it('has nothing left when everything was claimed', () => {
    expect(proofOf(grants, grabs).unclaimedFen).toBe(0);
  });

  it('names amounts that are not the derived ones', () => {
    const tampered = { ...grants[261]!, amountFen: grants[261]!.amountFen + 1 };
    const grab = { ...grabs[10]!, amountFen: grabs[10]!.amountFen + 2 };
    expect(proofOf([grants[5]!, tampered], [grabs[9]!, grab]).violations).toEqual([
      `grant of packet ${packetIdAt(261)}: ${tampered.amountFen} fen were booked, ${tampered.amountFen - 1} are derived`,
      `grab of portion 2 of packet ${packetIdAt(3)}: ${grab.amountFen} fen were booked, ${grab.amountFen - 2} are derived`,
    ]);
  });

  it('names a bounded number of them and counts the rest', () => {
    const proof = proofOf(grants.map((grant) => ({ ...grant, amountFen: grant.amountFen + 1 })));
    expect(proof.violations).toHaveLength(201);
    expect(proof.violations.at(-1)).toBe('pool 7: 100 more amounts are not as derived');
  });
});
