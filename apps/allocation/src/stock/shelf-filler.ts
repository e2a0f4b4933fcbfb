import type { StockedBlock } from '#libs/contracts';
import { isDatabaseAway, type StockedBlockRow } from '#libs/database';
import { countOf } from '#libs/domain';
import { isRedisAway, pushBlocks, pushBlocksMax, type RedisClient } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { AllocationMetrics } from '../process/metrics.ts';

/** Pools and blocks of one transaction: some ten milliseconds, and what one fault sends into the search for it. */
export const commitPoolsMax = 512;
export const commitBlocksMax = 2048;
/** Blocks on a pool's list: 10 MB. Only a step of a curve gets there; what is past leaves the list by itself. */
const listBlocksMax = 65_536;

export type Filled = 'pushed' | 'nothing' | 'store_changed';

/** What is to be committed of a pool: at most `countMax` blocks. */
export interface PoolDue {
  readonly poolId: number;
  readonly countMax: number;
}

export interface Filling<Due extends PoolDue> {
  /** Stamp of the store that the blocks are for. */
  readonly stamp: string;
  readonly due: readonly Due[];
  /** Commits blocks of these pools in one transaction, all or none. */
  readonly commit: (due: readonly Due[]) => Promise<StockedBlockRow[]>;
}

export interface ShelfFillerDeps {
  readonly cache: RedisClient;
  readonly logger: Logger;
  readonly metrics: AllocationMetrics;
}

/**
 * Commits the blocks of many pools together and pushes them at once, so that no later fault can come between; a push that fails, or
 * whose outcome is unknown, is never repeated: time brings the blocks back (invariant 2). A fault in one pool keeps no other from
 * its stock: the pools at fault are found by halves, and then go alone, after the others, until they are sound again.
 */
export class ShelfFiller {
  private readonly faulty = new Set<number>();

  constructor(private readonly deps: ShelfFillerDeps) {}

  /** @throws the error of a database or a client that is away: what was committed and not pushed comes back by time. */
  async fill<Due extends PoolDue>(filling: Filling<Due>): Promise<Filled> {
    const sound = filling.due.filter(({ poolId }) => !this.faulty.has(poolId));
    const alone = filling.due.filter(({ poolId }) => this.faulty.has(poolId));
    return this.fillAll(filling, [...groupsOf(sound), ...alone.map((due) => [due])]);
  }

  private async fillAll<Due extends PoolDue>(
    filling: Filling<Due>,
    groups: readonly (readonly Due[])[],
  ): Promise<Filled> {
    let all: Filled = 'nothing';
    for (const group of groups) {
      const filled = await this.fillGroup(filling, group);
      if (filled === 'store_changed') return filled;
      if (filled === 'pushed') all = filled;
    }
    return all;
  }

  private async fillGroup<Due extends PoolDue>(filling: Filling<Due>, group: readonly Due[]): Promise<Filled> {
    let rows: readonly StockedBlockRow[];
    try {
      rows = await filling.commit(group);
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      if (group.length > 1) {
        const half = group.length >> 1;
        return this.fillAll(filling, [group.slice(0, half), group.slice(half)]);
      }
      this.blame(group, error);
      return 'nothing';
    }
    const filled = await this.push(rows, filling.stamp);
    if (filled !== 'faulty') for (const { poolId } of group) this.faulty.delete(poolId);
    return filled === 'faulty' ? 'nothing' : filled;
  }

  private async push(rows: readonly StockedBlockRow[], expectedStamp: string): Promise<Filled | 'faulty'> {
    let outcome: Filled | 'faulty' = rows.length === 0 ? 'nothing' : 'pushed';
    for (let from = 0; from < rows.length; from += pushBlocksMax) {
      const blocks = rows.slice(from, from + pushBlocksMax).map(stockedBlockOf);
      try {
        const pushed = await pushBlocks(this.deps.cache, { expectedStamp, blocks, listBlocksMax });
        if (pushed.status === 'store_changed') return 'store_changed';
        this.deps.metrics.blocks.inc({ change: 'pushed' }, blocks.length);
      } catch (error) {
        if (isRedisAway(error)) throw error;
        this.blame(blocks, error);
        outcome = 'faulty';
      }
    }
    return outcome;
  }

  private blame(pools: readonly { readonly poolId: number }[], error: unknown): void {
    const poolIds = [...new Set(pools.map(({ poolId }) => poolId))];
    for (const poolId of poolIds) this.faulty.add(poolId);
    this.deps.metrics.stockFailures.inc({ step: 'pool' });
    this.deps.logger.error(
      { poolIds: poolIds.slice(0, 10), pools: poolIds.length, err: error },
      'pools could not be stocked',
    );
  }
}

/** Cuts what is due into transactions of bounded size. */
function groupsOf<Due extends PoolDue>(due: readonly Due[]): Due[][] {
  const groups: Due[][] = [];
  let blocks = 0;
  for (const one of due) {
    blocks += one.countMax;
    const group = groups.at(-1);
    if (group !== undefined && group.length < commitPoolsMax && blocks <= commitBlocksMax) group.push(one);
    else {
      groups.push([one]);
      blocks = one.countMax;
    }
  }
  return groups;
}

function stockedBlockOf({ poolId, blockNo, epoch, issueUntilMs, mask }: StockedBlockRow): StockedBlock {
  return { poolId, blockNo, epoch, issueUntilMs, mask: Buffer.from(mask).toString('base64url'), count: countOf(mask) };
}
