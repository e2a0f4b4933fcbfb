import { type EventRecord, listReclaimable, type ReclaimCandidate, reclaimBlocks } from '#libs/database';
import { canReclaim, laneOfBlock } from '#libs/domain';
import { grabLane, OrphanSweeper, oldestOutstandingMs, openLane } from '#libs/queue';
import { type RedisClient, readStamp } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { AllocationMetrics } from '../process/metrics.ts';
import type { StockTick } from './stocker.ts';

/** Blocks looked at in one round, oldest first; what a lane that is behind holds back must not crowd out the others. */
const candidatesMax = 8192;
/** Outstanding entries younger than this are not suspected of having no job: most jobs are done by then. */
const orphanAfterMs = 2000;
/**
 * An entry without a job for so long has none coming that anybody was told of: longer than an item may take until it is durable, which is
 * half the grace of its event, and never more than gateways and shares may be set to (OPEN_ACCEPT_MAX_MS, GRAB_ACCEPT_MAX_MS).
 */
const orphanConfirmMs = { min: 2000, max: 11_000 } as const;

export interface ReclaimerDeps {
  readonly cache: RedisClient;
  readonly logger: Logger;
  readonly metrics: AllocationMetrics;
  readonly openLaneCount: number;
  readonly grabLaneCount: number;
}

/**
 * Takes back the blocks whose time, tickets and grace are past, if no accepted open of them can be on its way (invariant 3). What
 * is on its way is in Redis: while that cannot be asked, nothing is reclaimed.
 */
export class Reclaimer {
  private readonly sweepers: ReadonlyMap<string, OrphanSweeper>;

  constructor(private readonly deps: ReclaimerDeps) {
    const lanes = [
      ...Array.from({ length: deps.openLaneCount }, (_, no) => openLane(no)),
      ...Array.from({ length: deps.grabLaneCount }, (_, no) => grabLane(no)),
    ];
    this.sweepers = new Map(lanes.map((lane) => [lane, new OrphanSweeper(deps.cache, lane)]));
  }

  /** One round over a live event; the pools of the blocks that were reclaimed, one entry for each block. @throws the database's or the client's error. */
  async reclaim({ client, nowMs, stamp }: StockTick, event: EventRecord): Promise<readonly number[]> {
    if (event.state !== 'live') return [];
    const candidates = await listReclaimable(client, { eventId: event.id, nowMs, limit: candidatesMax });
    const quiet = await this.quietOf(event, candidates, nowMs);
    if (quiet.length === 0) return [];
    // the index of a store that was emptied or replaced says nothing: its blocks are to be retired
    if ((await readStamp(this.deps.cache)) !== stamp) return [];
    const { reclaimed, closed } = await reclaimBlocks(client, { nowMs, candidates: quiet });
    this.deps.metrics.blocks.inc({ change: 'reclaimed' }, reclaimed.length);
    this.deps.metrics.blocks.inc({ change: 'closed' }, closed);
    return reclaimed;
  }

  /** Entries whose enqueue failed, or whose producer died in between, must not hold back what waits for their lane. */
  async dropOrphans(nowMs: number, events: readonly EventRecord[]): Promise<void> {
    const { min, max } = orphanConfirmMs;
    const sweep = {
      acceptedBeforeMs: nowMs - orphanAfterMs,
      confirmMs: Math.min(Math.max(min, ...events.map(({ graceMs }) => graceMs)), max),
      nowMs: performance.now(),
    };
    for (const [lane, sweeper] of this.sweepers) {
      const dropped = await sweeper.sweep(sweep);
      if (dropped > 0) this.deps.logger.info({ lane, dropped }, 'outstanding entries without a job were dropped');
    }
  }

  /**
   * The candidates with a quiet lane. The index is read after the candidates were listed: each entry of their opens is in it
   * since before their grace was over, or its commit is done.
   */
  private async quietOf(
    event: EventRecord,
    candidates: readonly ReclaimCandidate[],
    nowMs: number,
  ): Promise<ReclaimCandidate[]> {
    const laneNoOf = ({ poolId, blockNo }: ReclaimCandidate) => laneOfBlock(poolId, blockNo, event.openLaneCount!);
    const oldest = new Map<number, number | undefined>();
    for (const laneNo of new Set(candidates.map(laneNoOf))) {
      oldest.set(laneNo, await oldestOutstandingMs(this.deps.cache, openLane(laneNo)));
    }
    const { ticketTtlMs, graceMs } = event;
    return candidates.filter((candidate) => {
      const block = { state: 'out', issueUntilMs: candidate.issueUntilMs, ticketTtlMs, graceMs } as const;
      return canReclaim({ nowMs, block, oldestOutstandingMs: oldest.get(laneNoOf(candidate)) });
    });
  }
}
