import type { FeedEntry } from '#libs/contracts';
import { publishFeed } from '#libs/redis';
import { DeadLetterBox } from '../dead-letters/dead-letter-box.ts';
import { ReplayDeadLetter } from '../dead-letters/replay.service.ts';
import { ArmEvent } from '../events/arm-event.service.ts';
import { CloseEvent } from '../events/close-event.service.ts';
import { CreateEvent } from '../events/create-event.service.ts';
import { EventKeeper } from '../events/event-keeper.ts';
import { SettleEvent } from '../events/settle-event.service.ts';
import { SnapshotBoard } from '../events/snapshot-board.ts';
import { LedgerWatch, ledgerPace } from '../reconciliation/ledger-watch.ts';
import { Reconciler } from '../reconciliation/reconciler.ts';
import { DerivedAmounts } from '../settlement/derived-amounts.ts';
import { EventBook } from '../settlement/event-book.ts';
import { biggestEntries } from '../settlement/feed.ts';
import { ItemSettler } from '../settlement/item-settler.ts';
import { LaneWorkers } from '../settlement/lane-workers.ts';
import { grabKind, openKind } from '../settlement/settlement-kind.ts';
import { Reclaimer } from '../stock/reclaimer.ts';
import { type StockHands, StockLoop } from '../stock/stock-loop.ts';
import { Stocker } from '../stock/stocker.ts';
import { StoreWatch } from '../stock/store-watch.ts';
import type { Resources } from './resources.ts';

/** How long one settle call waits for lanes that are still busy before it says when to come again. */
const quietWaitMaxMs = 10_000;

/** Everything this process is made of, wired by hand: the types check it, Nest only serves it. */
export interface AllocationParts {
  readonly resources: Resources;
  readonly createEvent: CreateEvent;
  readonly armEvent: ArmEvent;
  readonly closeEvent: CloseEvent;
  readonly settleEvent: SettleEvent;
  readonly replayDeadLetter: ReplayDeadLetter;
  readonly reconciler: Reconciler;
  readonly laneWorkers: LaneWorkers;
  readonly stockLoop: StockLoop;
  readonly ledgerWatch: LedgerWatch;
}

/** Makes the parts over open resources; nothing runs before `AllocationLifecycle` starts it. */
export function createAllocationParts(resources: Resources): AllocationParts {
  const board = new SnapshotBoard(resources.cache, resources.logger, resources.config.STOCK_LEAD_MS);
  const reconciler = new Reconciler({ ...resources, pool: resources.reportPool });
  const stockLoop = stockLoopOf(resources, board);
  return {
    resources,
    ...eventParts(resources, board, reconciler),
    ...settlementParts(resources),
    stockLoop,
    reconciler,
    // the stocker's term is this one's too: one process of all
    ledgerWatch: new LedgerWatch({
      ...resources,
      pool: resources.reportPool,
      isOnDuty: () => stockLoop.isStocker,
      pace: ledgerPace,
    }),
  };
}

function eventParts(resources: Resources, board: SnapshotBoard, reconciler: Reconciler) {
  const { config, moneyPool: pool, prisma, clock, cache, logger } = resources;
  const shared = { pool, prisma, clock, board };
  return {
    createEvent: new CreateEvent({ pool, prisma, wallMs: Date.now, graceMs: config.GRACE_MS }),
    armEvent: new ArmEvent({ ...shared, openLaneCount: config.OPEN_LANES, grabLaneCount: config.GRAB_LANES }),
    closeEvent: new CloseEvent(shared),
    settleEvent: new SettleEvent({
      ...shared,
      reconciler,
      cache,
      logger,
      stockLeadMs: config.STOCK_LEAD_MS,
      receiptGraceMs: config.RECEIPT_GRACE_MS,
      quietWaitMaxMs,
    }),
  };
}

function settlementParts(resources: Resources) {
  const { config, name, moneyPool: pool, prisma, logger, metrics } = resources;
  const onBooked = (entries: readonly FeedEntry[]) => tellFeed(resources, entries);
  const deps = { pool, book: new EventBook(pool, prisma), amounts: new DerivedAmounts(), metrics, onBooked };
  const opens = new ItemSettler(openKind, deps);
  const grabs = new ItemSettler(grabKind, deps);
  const box = new DeadLetterBox(pool, logger, metrics);
  const laneWorkers = new LaneWorkers({
    redisUrl: config.REDIS_URL,
    name,
    logger,
    openLaneCount: config.OPEN_LANES,
    grabLaneCount: config.GRAB_LANES,
    opens,
    grabs,
    letters: box,
  });
  const { stopped } = laneWorkers;
  return { laneWorkers, replayDeadLetter: new ReplayDeadLetter({ pool, prisma, box, opens, grabs, stopped }) };
}

/** The feed is an extra: it is not waited for, and what it misses is missed. */
function tellFeed({ cache, logger }: Resources, entries: readonly FeedEntry[]): void {
  publishFeed(cache, biggestEntries(entries)).catch((error: unknown) => {
    logger.debug({ err: error }, 'the feed missed a batch');
  });
}

function stockLoopOf(resources: Resources, board: SnapshotBoard): StockLoop {
  const { config, stockerPool: pool, prisma, cache, clock, logger, metrics } = resources;
  const lanes = { openLaneCount: config.OPEN_LANES, grabLaneCount: config.GRAB_LANES };
  const makeHands = (): StockHands => ({
    keeper: new EventKeeper({ prisma, cache, board, logger }),
    watch: new StoreWatch(cache, logger, metrics),
    stocker: new Stocker({ cache, logger, metrics, leadMs: config.STOCK_LEAD_MS }),
    reclaimer: new Reclaimer({ cache, logger, metrics, ...lanes }),
  });
  return new StockLoop({ pool, clock, logger, metrics, makeHands });
}
