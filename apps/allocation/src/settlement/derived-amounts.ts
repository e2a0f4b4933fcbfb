import {
  derivePortions,
  deriveRunAmounts,
  type Fen,
  type PacketRef,
  type PoolPlan,
  packetIdOf,
  runPositionOf,
} from '#libs/domain';

/** Runs whose amounts are kept: 256 numbers each, about 8 MB in all; far more runs than are out at a time. */
export const derivedRunsMax = 4096;
/** Shares whose portions are kept: a share that is grabbed is grabbed often within seconds. */
export const derivedSharesMax = 16_384;

/** A bounded map that forgets what was not asked for longest. */
class RecentMap<Key, Value> {
  private readonly entries = new Map<Key, Value>();

  constructor(private readonly entriesMax: number) {}

  getOrMake(key: Key, make: () => Value): Value {
    const known = this.entries.get(key);
    const value = known ?? make();
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > this.entriesMax) this.entries.delete(this.entries.keys().next().value!);
    return value;
  }
}

/** Amounts as they are derived from an event's secret; a run is derived once while it is in use. */
export class DerivedAmounts {
  private readonly runs: RecentMap<string, readonly Fen[]>;
  private readonly shares: RecentMap<bigint, readonly Fen[]>;

  constructor(runsMax = derivedRunsMax, sharesMax = derivedSharesMax) {
    this.runs = new RecentMap(runsMax);
    this.shares = new RecentMap(sharesMax);
  }

  /** The amount of a packet. @throws RangeError for one that the pool does not have. */
  amountOf(secret: Buffer, plan: PoolPlan, ref: PacketRef): Fen {
    const { runNo, position } = runPositionOf(plan, ref);
    return this.runs.getOrMake(`${plan.poolId}:${runNo}`, () => deriveRunAmounts(secret, plan, runNo))[position]!;
  }

  /** The portions of a packet's share, first portion first; empty when the pool has no shares. */
  portionsOf(secret: Buffer, plan: PoolPlan, ref: PacketRef): readonly Fen[] {
    const packetId = packetIdOf(ref);
    return this.shares.getOrMake(packetId, () => derivePortions(secret, plan, packetId));
  }
}
