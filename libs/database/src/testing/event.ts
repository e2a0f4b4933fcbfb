/** An armed, live event with money, and claims on its packets: for the tests of this lib. */
import { createHash } from 'node:crypto';
import {
  canonicalPlan,
  commitmentOf,
  type DraftPool,
  derivePortions,
  deriveRunAmounts,
  type EventDraft,
  packetIdOf,
  packetRefOf,
  packetsInBlock,
  runPositionOf,
} from '#libs/domain';
import type { Db } from '../pool.ts';
import { type EventRecord, loadEvents, type PoolRecord } from '../read/load-events.ts';
import { armEvent } from '../sql/arm-event.sql.ts';
import { createEvent } from '../sql/create-event.sql.ts';
import { moveEvent } from '../sql/move-event.sql.ts';
import type { GrabClaim } from '../sql/settle-grabs.sql.ts';
import type { OpenClaim } from '../sql/settle-opens.sql.ts';
import { stockBlocks } from '../sql/stock-blocks.sql.ts';
import type { TestDatabase } from '../testing.ts';

export const testSecret = createHash('sha256').update('secret of the tests').digest();
/** All times of the tests hang on this one; nothing in the database looks at a clock of its own to decide. */
export const t0 = Date.UTC(2026, 1, 16, 12);
export const issueUntilMs = t0 + 10_000;

/** An hour's event of one wave with one pool per sponsor; 64 packets in 32 blocks, 3 portions each, unless told otherwise. */
export function draftOf(
  sponsorCount: number,
  event: Partial<EventDraft> = {},
  pool: Partial<DraftPool> = {},
): EventDraft {
  const sponsors = Array.from({ length: sponsorCount }, (_, no) => ({ id: `s${no}`, name: `Sponsor ${no}` }));
  const pools = sponsors.map(({ id }) => poolOf(id, pool));
  return {
    title: 'Test',
    startsAtMs: t0,
    endsAtMs: t0 + 3_600_000,
    sharesEndAtMs: t0 + 7_200_000,
    perUserMax: 3,
    ticketTtlMs: 5_000,
    staggerMs: 0,
    shakeIntervalMs: 1_000,
    blockLifeMs: 10_000,
    graceMs: 2_000,
    reissue: 'event',
    sponsors,
    waves: [{ no: 0, startsAtMs: t0, durationMs: 30_000, pools }],
    ...event,
  };
}

function poolOf(sponsorId: string, pool: Partial<DraftPool>): DraftPool {
  const packetCount = pool.packetCount ?? 64;
  return {
    sponsorId,
    packetCount,
    budgetFen: packetCount * 100,
    minFen: 1,
    maxFen: 500,
    sharePortions: 3,
    shareBudgetFen: packetCount * 30,
    releaseCurve: 'even',
    ...pool,
  };
}

/** Creates, arms and starts the event and stocks all of its blocks. */
export async function startEvent(db: TestDatabase, draft: EventDraft): Promise<EventRecord> {
  const eventId = await armDraft(db, draft);
  await moveEvent(db.pool, { eventId, from: 'armed', to: 'live', atMs: t0 });
  const event = await loadEvent(db, eventId);
  await stockAll(db.pool, event.pools);
  return await loadEvent(db, eventId);
}

export async function armDraft(db: TestDatabase, draft: EventDraft): Promise<number> {
  const eventId = await createEvent(db.pool, draft, t0);
  const plan = canonicalPlan({ ...(await loadEvent(db, eventId)), eventId });
  await armEvent(db.pool, {
    eventId,
    atMs: t0,
    secret: testSecret,
    secretCommitment: commitmentOf(testSecret, plan),
    canonicalPlan: plan,
    openLaneCount: 4,
    grabLaneCount: 2,
  });
  return eventId;
}

function stockAll(db: Db, pools: readonly PoolRecord[]) {
  const all = pools.map(({ poolId, blockCount }) => ({
    poolId,
    upToBlock: blockCount,
    countMax: blockCount,
    issueUntilMs,
  }));
  return stockBlocks(db, { pools: all, stockedAtMs: t0 });
}

export async function loadEvent(db: TestDatabase, eventId: number): Promise<EventRecord> {
  const [event] = await loadEvents(db.prisma, { ids: [eventId] });
  return event!;
}

/** All packet ids of a pool, in order. */
export function packetIdsOf(pool: PoolRecord): bigint[] {
  return Array.from({ length: pool.blockCount }, (_, blockNo) =>
    Array.from({ length: packetsInBlock(pool, blockNo) }, (_, index) =>
      packetIdOf({ poolId: pool.poolId, blockNo, index }),
    ),
  ).flat();
}

/** The amount of a packet as it derives from the tests' secret. */
export function amountOf(pool: PoolRecord, packetId: bigint): number {
  const { runNo, position } = runPositionOf(pool, packetRefOf(packetId));
  return deriveRunAmounts(testSecret, pool, runNo)[position]!;
}

/** An open of the event's packet `n` of one sponsor's pool by a user, with its true amount. */
export function openOf(
  event: EventRecord,
  userId: string,
  { sponsorNo = 0, n = 0, ...rest }: { sponsorNo?: number; n?: number } & Partial<OpenClaim> = {},
): OpenClaim {
  const pool = poolOfSponsor(event, sponsorNo);
  const packetId = rest.packetId ?? packetIdsOf(pool)[n]!;
  const amountFen = rest.amountFen ?? amountOf(pool, packetId);
  return { packetId, eventId: event.id, sponsorNo, userId, epoch: 1, acceptedAtMs: t0 + 1, amountFen, ...rest };
}

/** A grab of a granted packet by a friend of its owner. */
export function grabOf(event: EventRecord, open: OpenClaim, userId: string, rest: Partial<GrabClaim> = {}): GrabClaim {
  const pool = poolOfSponsor(event, open.sponsorNo);
  return {
    packetId: open.packetId,
    eventId: event.id,
    ownerId: open.userId,
    userId,
    epoch: open.epoch,
    acceptedAtMs: t0 + 2,
    portionsFen: derivePortions(testSecret, pool, open.packetId),
    ...rest,
  };
}

export function poolOfSponsor(event: EventRecord, sponsorNo: number): PoolRecord {
  return event.pools.find((pool) => pool.sponsorNo === sponsorNo)!;
}
