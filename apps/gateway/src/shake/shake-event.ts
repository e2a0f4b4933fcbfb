import { type HashKey, luckKeyOf } from '#libs/domain';
import type { GatewayEvent } from '../events/gateway-event.ts';
import { EventStock } from './event-stock.ts';
import { RecentWins } from './recent-wins.ts';
import type { ShakeAdmission } from './shake-admission.ts';
import { AnswerRing, missOf, restOf } from './shake-answers.ts';
import { ShakeRate } from './shake-rate.ts';

/** Winners remembered per event, about 1 KB each: as many as a gateway can answer within a ticket's life. */
const recentWinnersMax = 50_000;
/** Blocks are asked for from this long before their wave starts: stock is pushed a few seconds ahead. */
const waveLeadMs = 10_000;
/** Stock is wanted for the shakes of this long: enough to bridge to the next take, little enough to leave other gateways theirs. */
const wantedAheadMs = 1000;
/** Most blocks of one pool per take, so that one gateway does not empty the list before the others come. */
const takeBlocksMax = 4;
/** Most indexes in hand of one pool. */
const indexesInHandMax = 16_384;

export interface PoolWant {
  readonly poolId: number;
  readonly blocksMax: number;
}

/** One event as it is shaken on this process: its stock, chance, winners and ready-made answers. Nothing is shared between events. */
export class ShakeEvent {
  readonly luckKey: HashKey;
  readonly rate = new ShakeRate();
  readonly stock: EventStock;
  readonly wins = new RecentWins(recentWinnersMax);
  readonly misses: AnswerRing;
  readonly rests: AnswerRing;

  constructor(
    private current: GatewayEvent,
    luckSecret: Buffer,
    private readonly admission: ShakeAdmission,
  ) {
    const { snapshot } = current;
    this.luckKey = luckKeyOf(luckSecret, snapshot.id);
    this.stock = new EventStock(snapshot.pools, this.rate);
    this.misses = new AnswerRing(missOf, admission.intervalMs(snapshot.shakeIntervalMs));
    this.rests = new AnswerRing(restOf, admission.restMs(snapshot.shakeIntervalMs));
  }

  get event(): GatewayEvent {
    return this.current;
  }

  /** Takes a newer snapshot of the same event. */
  update(event: GatewayEvent): void {
    if (event === this.current) return;
    this.current = event;
    this.stock.update(event.snapshot.pools);
  }

  /** Everything that is done off the hot path, each tick. */
  tick(nowMs: number): void {
    this.rate.tick(nowMs);
    this.stock.tune(nowMs);
    this.wins.sweep(nowMs);
    const { shakeIntervalMs } = this.current.snapshot;
    const missMs = this.admission.intervalMs(shakeIntervalMs);
    const restMs = this.admission.restMs(shakeIntervalMs);
    if (this.rate.isShaken) {
      this.misses.refill(missMs);
      this.rests.refill(restMs);
    } else {
      this.misses.follow(missMs);
      this.rests.follow(restMs);
    }
  }

  /** The blocks that should be taken now: none that nobody here could win, so that idle gateways hold nothing back. */
  wanted(nowMs: number): PoolWant[] {
    const { startsAtMs, endsAtMs, state, waves, pools } = this.current.snapshot;
    const isOpen = state === 'armed' || state === 'live';
    if (!this.rate.isShaken || !isOpen || nowMs < startsAtMs || nowMs >= endsAtMs) return [];
    const begun = new Set(waves.filter((wave) => wave.startsAtMs - waveLeadMs <= nowMs).map((wave) => wave.no));
    const open = pools.filter((pool) => begun.has(pool.waveNo));
    return open.flatMap(({ poolId, sponsorNo, blockSize }) => {
      const ahead = (this.rate.perSecondWithout(sponsorNo) * wantedAheadMs) / 1000;
      const wanted = Math.min(Math.ceil(ahead / open.length), indexesInHandMax);
      const missing = wanted - this.stock.leftOf(poolId);
      return missing <= 0 ? [] : [{ poolId, blocksMax: Math.min(Math.ceil(missing / blockSize), takeBlocksMax) }];
    });
  }
}
