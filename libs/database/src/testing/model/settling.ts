import { derivePortions, deriveRunAmounts, packetRefOf, settlePossibleAtMs } from '#libs/domain';
import { inTransaction } from '../../pool.ts';
import type { PoolRecord } from '../../read/load-events.ts';
import { beginSettlement } from '../../sql/begin-settlement.sql.ts';
import { closeBlocks } from '../../sql/close-blocks.sql.ts';
import { countOpenDeadLetters } from '../../sql/count-dead-letters.sql.ts';
import { readLastIssueUntil } from '../../sql/last-issue-until.sql.ts';
import { moveEvent } from '../../sql/move-event.sql.ts';
import { packetsOfPool } from '../../sql/packet-range.ts';
import { settleEvent } from '../../sql/settle-event.sql.ts';
import { packetIdsOf, testSecret } from '../event.ts';
import type { Habits } from './actors.ts';
import { mismatch } from './order.ts';
import type { Reference } from './reference.ts';
import { type Acceptance, openLaneCount } from './store.ts';
import type { Task } from './task.ts';
import { stockLeadMs, type World } from './world.ts';

/* The end of an event, in the order of steps of apps/allocation/src/events. */

/** Blocks of one transaction: few, so that something comes in between. */
const closeBlocksMax = 3;

export async function close(task: Task, world: World): Promise<void> {
  const { nowMs, reference } = world;
  const eventId = reference.event.id;
  let expected: boolean | undefined;
  task.atCommit(() => {
    expected = reference.close(nowMs);
  });
  const isClosed = await task.withClient((db) =>
    inTransaction(db, (client) => moveEvent(client, { eventId, from: 'live', to: 'closed', atMs: nowMs })),
  );
  mismatch.unless(expected, isClosed, 'the event was closed');
}

/** Refused while anything accepted may be under way; from `beginSettlement` on each step can be repeated by whoever comes next. */
export async function settleAll(task: Task, world: World, habits: Habits): Promise<void> {
  const { nowMs, reference } = world;
  const eventId = reference.event.id;
  const look = reference.isSettling ? undefined : await lookBefore(task, world, habits);
  if (look?.maySettle === false) return;
  await task.withClient(async (db) => {
    task.atCommit(() => {
      if (look !== undefined && !reference.isSettling) checkOver(world, nowMs, look.underWay);
      reference.beginSettlement();
    });
    await inTransaction(db, (client) => beginSettlement(client, { eventId, atMs: nowMs }));
    for (let closed = -1; closed !== 0; ) {
      let expected: number | undefined;
      task.atCommit(() => {
        expected = reference.closeBlocks(closeBlocksMax);
      });
      closed = await inTransaction(db, (client) => closeBlocks(client, { eventId, limit: closeBlocksMax }));
      mismatch.unless(expected, closed, 'blocks that were closed');
    }
    const refunds: { poolId: number; amountFen: number }[] = [];
    for (const pool of reference.event.pools) {
      const { rows } = await db.query<{ id: bigint; portions: number }>(bookedSql, [pool.poolId]);
      refunds.push({ poolId: pool.poolId, amountFen: unclaimedOf(pool, rows) });
    }
    task.atCommit(() => {
      reference.settle(new Map(refunds.map(({ poolId, amountFen }) => [poolId, amountFen])));
    });
    const settling = { eventId, atMs: nowMs, revealedSecret: testSecret.toString('hex'), refunds };
    mismatch.unless(true, await settleEvent(db, settling), 'the event was settled');
  });
}

/** Nobody may hold a promise any more when an event is settled (invariants 4, 6). */
function checkOver(world: World, nowMs: number, underWay: ReadonlySet<Acceptance>): void {
  const valid = world.tickets.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  mismatch.unless([], valid, 'tickets that are valid when the event is settled');
  const lost = world.undecided().filter((acceptance) => underWay.has(acceptance) && world.store.has(acceptance));
  mismatch.unless([], lost, 'accepted opens that are under way when the event is settled');
}

/** As far as the clock goes. */
export function settleAtMs(reference: Reference, { asksBlocks }: Habits): number {
  const issueUntilMs = Math.max(...[...reference.blocks.values()].map((block) => block.issueUntilMs));
  return settleTimeMs(reference, asksBlocks ? issueUntilMs : undefined);
}

function settleTimeMs(reference: Reference, issueUntilMs: number | undefined): number {
  const { ticketTtlMs, graceMs, sharesEndAtMs } = reference.event;
  return settlePossibleAtMs({
    closedAtMs: lastIssueMs(reference, issueUntilMs),
    ticketTtlMs,
    graceMs,
    sharesEndAtMs,
  });
}

/** A gateway that does not hear of the end issues what it holds. */
function lastIssueMs({ closedAtMs, event }: Reference, issueUntilMs = 0): number {
  return Math.max(closedAtMs! + stockLeadMs + event.blockLifeMs!, issueUntilMs);
}

interface Look {
  readonly maySettle: boolean;
  /** In a lane when the lanes were looked at. Whose job was lost with a store, and who asks with his receipt only after that, comes too late. */
  readonly underWay: ReadonlySet<Acceptance>;
}

/** As in allocation: time first, then the lanes under one stamp, then the dead letters. */
async function lookBefore(task: Task, world: World, habits: Habits): Promise<Look> {
  const { nowMs, reference, store } = world;
  let underWay: ReadonlySet<Acceptance> = new Set();
  if (reference.closedAtMs === undefined) return { maySettle: false, underWay };
  const { event } = reference;
  const issueUntilMs = habits.asksBlocks ? await task.withClient((db) => readLastIssueUntil(db, event.id)) : undefined;
  if (nowMs < settleTimeMs(reference, issueUntilMs)) return { maySettle: false, underWay };
  const lastAcceptedMs = lastIssueMs(reference, issueUntilMs) + event.ticketTtlMs;
  const isQuiet = await task.step(() => {
    underWay = new Set(world.undecided().filter((acceptance) => store.has(acceptance)));
    const oldest = Array.from({ length: openLaneCount }, (_, lane) => store.oldestAcceptedMs(lane));
    if (!habits.asksLanes) return true;
    return store.isStamped && oldest.every((ms) => ms === undefined || ms > lastAcceptedMs);
  });
  const maySettle = isQuiet && (await task.withClient((db) => countOpenDeadLetters(db, event.id))) === 0;
  return { maySettle, underWay };
}

const bookedSql = `
  SELECT g.packet_id AS id, (SELECT count(*)::int FROM grabs x WHERE x.packet_id = g.packet_id) AS portions
  FROM (SELECT $1::int AS id) p JOIN grants g ON ${packetsOfPool('g.packet_id', 'p.id')}`;

/** What nobody claimed, derived from the secret (invariant 8). */
function unclaimedOf(pool: PoolRecord, booked: readonly { readonly id: bigint; readonly portions: number }[]): number {
  const grabbed = new Map(booked.map(({ id, portions }) => [id, portions]));
  const amounts = deriveRunAmounts(testSecret, pool, 0);
  let fen = 0;
  for (const [packetNo, id] of packetIdsOf(pool).entries()) {
    const taken = grabbed.get(id);
    if (taken === undefined) fen += amounts[packetNo]!;
    for (const portionFen of derivePortions(testSecret, pool, id).slice(taken ?? 0)) fen += portionFen;
  }
  return fen;
}

/** After all: what every pool got has gone to somebody, to the fen. */
export function checkSpent({ reference }: World): void {
  for (const { poolId, budgetFen, shareBudgetFen } of reference.event.pools) {
    let fen = reference.refunds.get(poolId) ?? 0;
    for (const [id, { amountFen }] of reference.grants) if (packetRefOf(id).poolId === poolId) fen += amountFen;
    for (const [id, grabs] of reference.grabs)
      if (packetRefOf(id).poolId === poolId) for (const { amountFen } of grabs) fen += amountFen;
    mismatch.unless(budgetFen + shareBudgetFen, fen, `what pool ${poolId} gave out (invariant 8)`);
  }
}
