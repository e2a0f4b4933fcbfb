import type { EventState, Fen, PoolPlan, Reissue, ReleaseCurve } from '#libs/domain';
import type { Prisma } from '../generated/client.ts';
import type { PrismaClient } from '../prisma.ts';
import { msOf, safeNumber } from '../safe-number.ts';

export interface SponsorRecord {
  readonly no: number;
  readonly id: string;
  readonly name: string;
}

export interface WaveRecord {
  readonly no: number;
  readonly startsAtMs: number;
  readonly durationMs: number;
}

export interface PoolRecord extends PoolPlan {
  readonly eventId: number;
  readonly waveNo: number;
  readonly sponsorNo: number;
  readonly releaseCurve: ReleaseCurve;
  readonly blockCount: number;
  /** For how long a block may be issued once it is stocked. */
  readonly blockLifeMs: number;
  /** Blocks before it were stocked. */
  readonly nextBlock: number;
}

/** An event with its whole plan; lists are sorted by their numbers. What is undefined comes with a later state. */
export interface EventRecord {
  readonly id: number;
  readonly title: string;
  readonly state: EventState;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly sharesEndAtMs: number;
  readonly perUserMax: number;
  readonly ticketTtlMs: number;
  readonly staggerMs: number;
  readonly shakeIntervalMs: number;
  /** What the plan asked for all pools; the pools say what holds. */
  readonly blockLifeMs: number | undefined;
  readonly graceMs: number;
  readonly reissue: Reissue;
  readonly openLaneCount: number | undefined;
  readonly grabLaneCount: number | undefined;
  readonly secretCommitment: string | undefined;
  readonly canonicalPlan: string | undefined;
  readonly revealedSecret: string | undefined;
  readonly createdAtMs: number;
  readonly armedAtMs: number | undefined;
  readonly closedAtMs: number | undefined;
  readonly settlingAtMs: number | undefined;
  readonly settledAtMs: number | undefined;
  readonly sponsors: readonly SponsorRecord[];
  readonly waves: readonly WaveRecord[];
  readonly pools: readonly PoolRecord[];
}

const plan = {
  sponsors: { orderBy: { no: 'asc' } },
  waves: { orderBy: { no: 'asc' } },
  pools: { orderBy: { id: 'asc' } },
} satisfies Prisma.EventInclude;

type EventRow = Prisma.EventGetPayload<{ include: typeof plan }>;

export interface EventFilter {
  readonly ids?: readonly number[];
  readonly states?: readonly EventState[];
  /** Besides those in `states`, the events that were settled at this time or later. */
  readonly settledSinceMs?: number;
}

/** Events with their plans, by start; all of them without a filter. */
export async function loadEvents(prisma: PrismaClient, filter: EventFilter = {}): Promise<EventRecord[]> {
  const rows = await prisma.event.findMany({
    where: whereOf(filter),
    include: plan,
    orderBy: [{ startsAt: 'asc' }, { id: 'asc' }],
  });
  return rows.map(eventRecordOf);
}

function whereOf({ ids, states, settledSinceMs }: EventFilter): Prisma.EventWhereInput {
  const kinds: Prisma.EventWhereInput[] = [];
  if (states !== undefined) kinds.push({ state: { in: [...states] } });
  if (settledSinceMs !== undefined) kinds.push({ settledAt: { gte: new Date(settledSinceMs) } });
  return { ...(ids && { id: { in: [...ids] } }), ...(kinds.length > 0 && { OR: kinds }) };
}

function eventRecordOf(row: EventRow): EventRecord {
  return {
    ...settingsOf(row),
    startsAtMs: msOf(row.startsAt),
    endsAtMs: msOf(row.endsAt),
    sharesEndAtMs: msOf(row.sharesEndAt),
    createdAtMs: msOf(row.createdAt),
    armedAtMs: msOf(row.armedAt),
    closedAtMs: msOf(row.closedAt),
    settlingAtMs: msOf(row.settlingAt),
    settledAtMs: msOf(row.settledAt),
    openLaneCount: row.openLaneCount ?? undefined,
    grabLaneCount: row.grabLaneCount ?? undefined,
    secretCommitment: row.secretCommitment ?? undefined,
    canonicalPlan: row.canonicalPlan ?? undefined,
    revealedSecret: row.revealedSecret ?? undefined,
    sponsors: row.sponsors.map(({ no, sponsorId, name }) => ({ no, id: sponsorId, name })),
    waves: row.waves.map(({ no, startsAt, durationMs }) => ({
      no,
      startsAtMs: msOf(startsAt),
      durationMs: safeNumber(durationMs),
    })),
    pools: row.pools.map(poolRecordOf),
  };
}

function settingsOf(row: EventRow) {
  const { id, title, perUserMax, ticketTtlMs, staggerMs, shakeIntervalMs, graceMs } = row;
  // CHECKs keep both columns to these words
  const words = { state: row.state as EventState, reissue: row.reissue as Reissue };
  const blockLifeMs = row.blockLifeMs ?? undefined;
  return { id, title, ...words, perUserMax, ticketTtlMs, staggerMs, shakeIntervalMs, blockLifeMs, graceMs };
}

function poolRecordOf(row: EventRow['pools'][number]): PoolRecord {
  const { id, budgetFen, shareBudgetFen, releaseCurve, accountId: _, ...same } = row;
  const money: { budgetFen: Fen; shareBudgetFen: Fen } = {
    budgetFen: safeNumber(budgetFen),
    shareBudgetFen: safeNumber(shareBudgetFen),
  };
  return { ...same, ...money, poolId: id, releaseCurve: releaseCurve as unknown as ReleaseCurve };
}
