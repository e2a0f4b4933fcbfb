import { canReclaim, laneOfBlock } from '#libs/domain';
import type { PoolClient } from '../../pool.ts';
import { inTransaction } from '../../pool.ts';
import { listReclaimable } from '../../sql/list-reclaimable.sql.ts';
import { reclaimBlocks } from '../../sql/reclaim-blocks.sql.ts';
import { restockBlocks } from '../../sql/restock-blocks.sql.ts';
import { retireBlocks } from '../../sql/retire-blocks.sql.ts';
import { type StockedBlockRow, stockBlocks } from '../../sql/stock-blocks.sql.ts';
import { withStockerLock } from '../../stocker-lock.ts';
import { mismatch } from './order.ts';
import type { RefBlock } from './reference.ts';
import { openLaneCount } from './store.ts';
import type { Task } from './task.ts';
import type { World } from './world.ts';

/*
 * The stocker's operations, in the order of steps that allocation takes them in (apps/allocation/src/stock). Each is one tick of a process
 * that gets the lock, or not.
 */

const candidatesMax = 64;

/** What the processes around the database do or leave out. */
export interface Habits {
  /** Is what was accepted waited for before a block is reclaimed, before an event is settled? */
  readonly asksLanes: boolean;
  /** Are the blocks of a store that is gone retired before there is a new one? */
  readonly retiresFirst: boolean;
  /** Is the time of all blocks waited for before an event is settled that was closed early? */
  readonly asksBlocks: boolean;
}

export const goodHabits: Habits = { asksLanes: true, retiresFirst: true, asksBlocks: true };

/** What the model found for an operation at its commit: none when it rolled back. */
interface Found<T> {
  value?: T;
}

async function asStocker(
  task: Task,
  world: World,
  habits: Habits,
  work: (client: PoolClient, stamp: number) => Promise<void>,
): Promise<void> {
  await withStockerLock(task.asPool(), async (client) => {
    const stamp = await checkStore(task, world, habits, client);
    if (stamp !== undefined) await work(client, stamp);
  });
}

/** The stamp to stock under. Of a store that was replaced the blocks are retired first, and only then it gets its stamp (invariant 10). */
async function checkStore(task: Task, world: World, habits: Habits, client: PoolClient): Promise<number | undefined> {
  const { store, reference } = world;
  const { runId, isStamped } = await task.step(() => ({ runId: store.runId, isStamped: store.isStamped }));
  if (isStamped) return runId;
  if (!habits.retiresFirst) await task.step(() => store.reset(runId));
  task.atCommit(() => reference.retire());
  await inTransaction(client, retireBlocks);
  await task.step(() => store.reset(runId));
  return undefined;
}

/** `upToBlock` is absolute, as the release curve is. */
export async function stock(
  task: Task,
  world: World,
  habits: Habits,
  due: { sponsorNo: number; upToBlock: number; countMax: number },
): Promise<void> {
  const { nowMs, reference, store } = world;
  const { poolId } = world.poolOf(due.sponsorNo);
  const issueUntilMs = nowMs + reference.event.blockLifeMs!;
  await asStocker(task, world, habits, async (client, stamp) => {
    const found: Found<readonly StockedBlockRow[]> = {};
    task.atCommit(() => {
      found.value = reference.stock(poolId, due.upToBlock, due.countMax, issueUntilMs).map(stockedRowOf);
    });
    const pools = [{ poolId, upToBlock: due.upToBlock, countMax: due.countMax, issueUntilMs }];
    const blocks = await stockBlocks(client, { pools, stockedAtMs: nowMs });
    mismatch.unless(found.value, blocks, 'what was stocked');
    await task.step(() => store.push(stamp, blocks));
  });
}

export async function restock(
  task: Task,
  world: World,
  habits: Habits,
  due: { poolId: number; countMax: number },
): Promise<void> {
  const { nowMs, reference, store } = world;
  const { poolId } = due;
  const issueUntilMs = nowMs + reference.event.blockLifeMs!;
  await asStocker(task, world, habits, async (client, stamp) => {
    const found: Found<{ stocked: readonly StockedBlockRow[]; closed: number }> = {};
    task.atCommit(() => {
      const { stocked, closed } = reference.restock(poolId, due.countMax, issueUntilMs);
      found.value = { stocked: stocked.map(stockedRowOf), closed };
    });
    const pools = [{ poolId, countMax: due.countMax, issueUntilMs }];
    const { stocked, closed } = await restockBlocks(client, { pools, stockedAtMs: nowMs });
    mismatch.unless(found.value, { stocked, closed: closed.get(poolId) ?? 0 }, 'what was restocked');
    await task.step(() => store.push(stamp, stocked));
  });
}

/** First the candidates, then what is outstanding, then the stamp, and only then the blocks (invariant 3). */
export async function reclaim(task: Task, world: World, habits: Habits): Promise<void> {
  const { nowMs, reference, store } = world;
  const { id: eventId, ticketTtlMs, graceMs } = reference.event;
  await asStocker(task, world, habits, async (client, stamp) => {
    const candidates = await listReclaimable(client, { eventId, nowMs, limit: candidatesMax });
    const oldest = await task.step(() =>
      Array.from({ length: openLaneCount }, (_, lane) => (habits.asksLanes ? store.oldestAcceptedMs(lane) : undefined)),
    );
    const quiet = candidates.filter(({ poolId, blockNo, issueUntilMs }) => {
      const block = { state: 'out', issueUntilMs, ticketTtlMs, graceMs } as const;
      return canReclaim({ nowMs, block, oldestOutstandingMs: oldest[laneOfBlock(poolId, blockNo, openLaneCount)] });
    });
    if (quiet.length === 0) return;
    if (!(await task.step(() => store.runId === stamp && store.isStamped))) return;
    const found: Found<{ reclaimed: number[]; closed: number }> = {};
    task.atCommit(() => {
      const moved = reference.reclaim(nowMs, quiet);
      const reclaimed = moved.filter(({ state }) => state === 'reclaimed').map(({ poolId }) => poolId);
      found.value = { reclaimed: reclaimed.sort(), closed: moved.length - reclaimed.length };
    });
    const { reclaimed, closed } = await reclaimBlocks(client, { nowMs, candidates: quiet });
    mismatch.unless(found.value, { reclaimed: reclaimed.sort(), closed }, 'what was reclaimed');
  });
}

function stockedRowOf({ poolId, blockNo, epoch, issueUntilMs, left }: RefBlock): StockedBlockRow {
  const mask = new Uint8Array(1);
  for (const index of left) mask[0] = mask[0]! | (1 << index);
  return { poolId, blockNo, epoch, issueUntilMs, mask };
}
