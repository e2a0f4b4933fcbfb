import { createHash } from 'node:crypto';
import {
  armEvent,
  beginSettlement,
  closeBlocks,
  createEvent,
  type Db,
  type EventRecord,
  type GrabClaim,
  loadEvents,
  moveEvent,
  type OpenClaim,
  type PoolRecord,
  type PrismaClient,
  settleEvent,
  stockBlocks,
} from '#libs/database';
import {
  canonicalPlan,
  commitmentOf,
  derivePortions,
  deriveRunAmounts,
  type EventDraft,
  packetIdOf,
  packetRefOf,
  poolFundsFen,
  runPositionOf,
} from '#libs/domain';

/** What the events of these tests derive from. */
export const playedSecret = createHash('sha256').update('secret of a played event').digest();

export interface PlayOptions {
  readonly sponsors: number;
  readonly packetsPerSponsor: number;
  readonly startsAtMs: number;
  readonly durationMs: number;
  readonly sharePortions: number;
}

/** Creates, arms and starts an event of one wave, as allocation does. */
export async function startPlayedEvent(db: Db, prisma: PrismaClient, options: PlayOptions): Promise<EventRecord> {
  const draft = draftOf(options);
  const eventId = await createEvent(db, draft, draft.startsAtMs - 1000);
  const plan = canonicalPlan({ ...(await loadPlayed(prisma, eventId)), eventId });
  await armEvent(db, {
    eventId,
    atMs: draft.startsAtMs - 500,
    secret: playedSecret,
    secretCommitment: commitmentOf(playedSecret, plan),
    canonicalPlan: plan,
    openLaneCount: 4,
    grabLaneCount: 2,
  });
  await moveEvent(db, { eventId, from: 'armed', to: 'live', atMs: draft.startsAtMs });
  return await loadPlayed(prisma, eventId);
}

function draftOf({ sponsors, packetsPerSponsor, startsAtMs, durationMs, sharePortions }: PlayOptions): EventDraft {
  const list = Array.from({ length: sponsors }, (_, no) => ({ id: `s${no}`, name: `Sponsor ${no}` }));
  const pools = list.map(({ id }) => ({
    sponsorId: id,
    packetCount: packetsPerSponsor,
    budgetFen: packetsPerSponsor * 100,
    minFen: 1,
    maxFen: 500,
    sharePortions,
    shareBudgetFen: packetsPerSponsor * sharePortions * 10,
    releaseCurve: 'even' as const,
  }));
  return {
    title: 'Played',
    startsAtMs,
    endsAtMs: startsAtMs + durationMs,
    sharesEndAtMs: startsAtMs + durationMs,
    perUserMax: 3,
    ticketTtlMs: 5000,
    staggerMs: 0,
    shakeIntervalMs: 1000,
    blockLifeMs: 10_000,
    graceMs: 2000,
    reissue: 'event',
    sponsors: list,
    waves: [{ no: 0, startsAtMs, durationMs, pools }],
  };
}

export async function loadPlayed(prisma: PrismaClient, eventId: number): Promise<EventRecord> {
  const [event] = await loadEvents(prisma, { ids: [eventId] });
  return event!;
}

/** Stocks each pool up to this block, for issuing until `issueUntilMs`. */
export async function stockUpTo(db: Db, event: EventRecord, upToBlock: number, issueUntilMs: number): Promise<void> {
  const countMax = 1024;
  const pools = event.pools.map(({ poolId, blockCount }) => ({
    poolId,
    upToBlock: Math.min(upToBlock, blockCount),
    countMax,
    issueUntilMs,
  }));
  while ((await stockBlocks(db, { pools, stockedAtMs: issueUntilMs - 1 })).length > 0);
}

/** The id of the pool's packet `n`. */
export function packetOf(pool: PoolRecord, n: number): bigint {
  return packetIdOf({ poolId: pool.poolId, blockNo: Math.floor(n / pool.blockSize), index: n % pool.blockSize });
}

const runs = new Map<string, readonly number[]>();

/** An accepted open of the pool's packet `n` by a user, with its true amount. */
export function openOf(event: EventRecord, pool: PoolRecord, n: number, userId: string): OpenClaim {
  const packetId = packetOf(pool, n);
  const { runNo, position } = runPositionOf(pool, packetRefOf(packetId));
  const key = `${pool.poolId}/${runNo}`;
  const amounts = runs.get(key) ?? deriveRunAmounts(playedSecret, pool, runNo);
  runs.set(key, amounts);
  const { sponsorNo } = pool;
  const amountFen = amounts[position]!;
  return { packetId, eventId: event.id, sponsorNo, userId, epoch: 1, acceptedAtMs: event.startsAtMs + n, amountFen };
}

/** An accepted grab of the packet of an open by a friend of its user. */
export function grabOf(event: EventRecord, pool: PoolRecord, open: OpenClaim, userId: string): GrabClaim {
  const { packetId, userId: ownerId, epoch, acceptedAtMs } = open;
  const portionsFen = derivePortions(playedSecret, pool, packetId);
  return { packetId, eventId: event.id, ownerId, userId, epoch, acceptedAtMs, portionsFen };
}

/** Ends the event: refunds what nobody claimed by sums over the ledger, and reveals the secret. */
export async function settlePlayed(db: Db, event: EventRecord): Promise<void> {
  const { id: eventId, endsAtMs } = event;
  await moveEvent(db, { eventId, from: 'live', to: 'closed', atMs: endsAtMs });
  await beginSettlement(db, { eventId, atMs: endsAtMs });
  while ((await closeBlocks(db, { eventId, limit: 10_000 })) > 0);
  const { rows } = await db.query<{ pool_id: number; fen: bigint }>(
    `SELECT pool_id, sum(amount_fen)::bigint AS fen FROM transfers
     WHERE event_id = $1 AND kind IN ('grant', 'grab') GROUP BY pool_id`,
    [eventId],
  );
  const claimed = new Map(rows.map((row) => [row.pool_id, Number(row.fen)]));
  const refunds = event.pools.map((pool) => ({
    poolId: pool.poolId,
    amountFen: poolFundsFen(pool) - (claimed.get(pool.poolId) ?? 0),
  }));
  const revealedSecret = playedSecret.toString('hex');
  if (!(await settleEvent(db, { eventId, atMs: endsAtMs, revealedSecret, refunds }))) throw new Error('not settled');
}
