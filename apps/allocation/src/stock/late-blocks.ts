import { blocksDue, issueEndMs, type StockEvent, type StockPool, type StockWave } from './stock-plan.ts';

export interface LatePool extends StockPool {
  readonly poolId: number;
  readonly wave: StockWave;
}

export interface StockMoment {
  readonly nowMs: number;
  readonly leadMs: number;
}

/** Ticks that lie further apart had an outage between them. */
const gapMs = 3000;
/** What is late is spread over so many times the outage: beside what the curve releases it comes at half of the pace of that time. */
const spreadFactor = 2;
/** Of an outage that nobody saw the beginning of (the stocker is new). */
const spreadUnknownMs = 30_000;
/** All of it is out this long before issuing ends. */
const marginMs = 10_000;

interface Late {
  readonly blocks: number;
  readonly perMs: number;
}

/**
 * Blocks that the curve released while nobody could stock: without a store, a database or a stocker. Stocked at once they would all be won
 * within seconds, by a crowd that has just waited, and opened against lanes that have just come back. So they follow by and by; a pool that
 * has stocked nothing yet begins as its curve says, however late.
 */
export class LateBlocks<Pool extends LatePool = LatePool> {
  private readonly late = new Map<number, Late>();
  /** By event: when its pools were looked at last. */
  private readonly lookedAtMs = new Map<number, number>();

  /** To be called once for each tick of an event, before its pools are asked about. */
  look(
    event: StockEvent & { readonly id: number },
    pools: readonly Pool[],
    nextBlockOf: (pool: Pool) => number,
    { nowMs, leadMs }: StockMoment,
  ): void {
    const lookedAtMs = this.lookedAtMs.get(event.id);
    this.lookedAtMs.set(event.id, nowMs);
    const sinceMs = lookedAtMs === undefined ? undefined : nowMs - lookedAtMs;
    const spreadMs = sinceMs === undefined ? spreadUnknownMs : sinceMs * spreadFactor;
    for (const pool of pools) {
      if (sinceMs !== undefined && sinceMs <= gapMs) this.letOut(event, pool, nowMs, sinceMs);
      else this.count(pool, blocksDue(pool.wave, pool, nowMs - gapMs, leadMs), nextBlockOf(pool), spreadMs);
    }
  }

  /** Blocks of the pool that are due and not to be stocked yet. */
  of(poolId: number): number {
    return Math.ceil(this.late.get(poolId)?.blocks ?? 0);
  }

  private count({ poolId }: Pool, due: number, nextBlock: number, spreadMs: number): void {
    const blocks = nextBlock === 0 ? 0 : due - nextBlock;
    if (blocks > 0) this.late.set(poolId, { blocks, perMs: blocks / spreadMs });
    else this.late.delete(poolId);
  }

  private letOut(event: StockEvent, { poolId, wave }: Pool, nowMs: number, sinceMs: number): void {
    const late = this.late.get(poolId);
    if (late === undefined) return;
    const leftMs = issueEndMs(event, wave) - nowMs - marginMs;
    const perMs = Math.max(late.perMs, leftMs > 0 ? (2 * late.blocks) / leftMs : late.blocks);
    const blocks = late.blocks - perMs * Math.max(sinceMs, 0);
    if (blocks > 0) this.late.set(poolId, { ...late, blocks });
    else this.late.delete(poolId);
  }
}
