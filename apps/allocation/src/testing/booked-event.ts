/** An event that is live and stocked without Redis, and true claims on its packets: for tests of the ledger. */
import { createHash } from 'node:crypto';
import {
  armEvent,
  createEvent,
  type EventRecord,
  type GrabClaim,
  loadEvents,
  moveEvent,
  type OpenClaim,
  stockBlocks,
} from '#libs/database';
import {
  canonicalPlan,
  commitmentOf,
  derivePortions,
  deriveRunAmounts,
  type EventDraft,
  packetIdOf,
} from '#libs/domain';
import type { TestDatabase } from '../../../../libs/database/src/testing.ts';

const secret = createHash('sha256').update('secret of the tests').digest();
/** When everything of the event happens. */
export const t0 = Date.UTC(2026, 1, 16, 12);
const sponsorCount = 3;
const portions = 3;

function draftOf(packetCount: number): EventDraft {
  const sponsors = Array.from({ length: sponsorCount }, (_, no) => ({ id: `s${no}`, name: `Sponsor ${no}` }));
  const pools = sponsors.map(({ id }) => ({
    sponsorId: id,
    packetCount,
    budgetFen: packetCount * 100,
    minFen: 1,
    maxFen: 500,
    sharePortions: portions,
    shareBudgetFen: packetCount * 30,
    releaseCurve: 'even' as const,
  }));
  return {
    title: 'Test',
    startsAtMs: t0,
    endsAtMs: t0 + 3_600_000,
    sharesEndAtMs: t0 + 7_200_000,
    perUserMax: 3,
    ticketTtlMs: 5000,
    staggerMs: 0,
    shakeIntervalMs: 1000,
    blockLifeMs: 10_000,
    graceMs: 2000,
    reissue: 'event',
    sponsors,
    waves: [{ no: 0, startsAtMs: t0, durationMs: 30_000, pools }],
  };
}

/** Three sponsors with a pool of `packetCount` packets each, all blocks of them out. */
export async function startBookedEvent(db: TestDatabase, packetCount: number): Promise<EventRecord> {
  const eventId = await createEvent(db.pool, draftOf(packetCount), t0);
  const load = async () => (await loadEvents(db.prisma, { ids: [eventId] }))[0]!;
  const plan = canonicalPlan({ ...(await load()), eventId });
  const secretCommitment = commitmentOf(secret, plan);
  const lanes = { openLaneCount: 4, grabLaneCount: 2 };
  await armEvent(db.pool, { eventId, atMs: t0, secret, secretCommitment, canonicalPlan: plan, ...lanes });
  await moveEvent(db.pool, { eventId, from: 'armed', to: 'live', atMs: t0 });
  const pools = (await load()).pools.map(({ poolId, blockCount }) => ({
    poolId,
    upToBlock: blockCount,
    countMax: blockCount,
    issueUntilMs: t0 + 10_000,
  }));
  await stockBlocks(db.pool, { pools, stockedAtMs: t0 });
  return await load();
}

/** Opens of `count` packets of a sponsor's pool from packet `first` on; packet n is opened by user `u<n>`. */
export function opensOf(event: EventRecord, first: number, count: number, sponsorNo = 0): OpenClaim[] {
  const pool = event.pools.find((candidate) => candidate.sponsorNo === sponsorNo)!;
  return Array.from({ length: count }, (_, i) => {
    const n = first + i;
    const ref = { poolId: pool.poolId, blockNo: Math.floor(n / pool.blockSize), index: n % pool.blockSize };
    const amountFen = deriveRunAmounts(secret, pool, n >> 8)[n & 255]!;
    const packetId = packetIdOf(ref);
    return { packetId, eventId: event.id, sponsorNo, userId: `u${n}`, epoch: 1, acceptedAtMs: t0 + 1, amountFen };
  });
}

/** A grab of a packet that was opened. */
export function grabOf(event: EventRecord, open: OpenClaim, userId: string): GrabClaim {
  const { packetId, userId: ownerId, epoch, sponsorNo } = open;
  const pool = event.pools.find((candidate) => candidate.sponsorNo === sponsorNo)!;
  const portionsFen = derivePortions(secret, pool, packetId);
  return { packetId, eventId: event.id, ownerId, userId, epoch, acceptedAtMs: t0 + 2, portionsFen };
}
