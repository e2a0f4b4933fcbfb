/** Events, blocks and claims as tests make them. */
import type { EventSnapshot, StockedBlock } from '#libs/contracts';
import { type Claim, type ClaimKind, createKeyRing, fullMask, packetIdOf, signClaim } from '#libs/domain';

export const testTicketKey = Buffer.alloc(32, 7);
export const testRing = createKeyRing([{ id: 1, key: testTicketKey }]);

/** A live event of three sponsors with a pool each (ids 101, 102, 103 for event 1). */
export function testEvent(changes: Partial<EventSnapshot> = {}): EventSnapshot {
  const id = changes.id ?? 1;
  const startsAtMs = changes.startsAtMs ?? Date.now() - 60_000;
  const numbers = [0, 1, 2];
  return {
    id,
    title: `event ${id}`,
    state: 'live',
    startsAtMs,
    endsAtMs: startsAtMs + 3_600_000,
    sharesEndAtMs: startsAtMs + 7_200_000,
    perUserMax: 3,
    ticketTtlMs: 60_000,
    staggerMs: 0,
    shakeIntervalMs: 50,
    stockLeadMs: 3000,
    graceMs: 60_000,
    openLaneCount: 2,
    grabLaneCount: 1,
    sponsors: numbers.map((no) => ({ no, id: `sponsor-${no}`, name: `Sponsor ${no}` })),
    waves: [{ no: 0, startsAtMs, durationMs: 3_600_000 }],
    pools: numbers.map((no) => ({
      poolId: poolIdOf(id, no),
      waveNo: 0,
      sponsorNo: no,
      packetCount: 8192,
      blockSize: 256,
      blockLifeMs: 60_000,
      sharePortions: no === 2 ? 0 : 3,
      releaseCurve: 'even',
    })),
    secretCommitment: '0'.repeat(64),
    ...changes,
  };
}

export const poolIdOf = (eventId: number, sponsorNo: number): number => eventId * 100 + sponsorNo + 1;

/** A block with `size` indexes to issue for a minute; changes of its mask bring their count along. */
export function testBlock(
  poolId: number,
  changes: Partial<StockedBlock> & { readonly size?: number } = {},
): StockedBlock {
  const { size = 256, ...fields } = changes;
  const mask = Buffer.from(fullMask(size)).toString('base64url');
  return { poolId, blockNo: 0, epoch: 1, issueUntilMs: Date.now() + 60_000, mask, count: size, ...fields };
}

/** A claim on index 0 of block 0 of event 1's first pool, a minute ahead, for alice. */
export function testClaim(kind: ClaimKind, changes: Partial<Claim> = {}): Claim {
  return {
    kind,
    eventId: 1,
    packetId: packetIdOf({ poolId: poolIdOf(1, 0), blockNo: 0, index: 0 }),
    epoch: 1,
    sponsorNo: 0,
    atMs: Date.now() + 60_000,
    userId: 'alice',
    ...changes,
  };
}

export const signed = (kind: ClaimKind, changes: Partial<Claim> = {}): string =>
  signClaim(testRing, testClaim(kind, changes));
