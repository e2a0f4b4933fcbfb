import { deriveBlockAmounts, derivePortions, type Fen, type PacketRef, type PoolPlan, packetIdOf } from '#libs/domain';

/** Blocks whose amounts are kept: 256 numbers each, about 8 MB in all; far more blocks than are out at a time. */
export const derivedBlocksMax = 4096;
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

/** Amounts as they are derived from an event's secret; a block is derived once while it is in use. */
export class DerivedAmounts {
  private readonly blocks: RecentMap<string, readonly Fen[]>;
  private readonly shares: RecentMap<bigint, readonly Fen[]>;

  constructor(blocksMax = derivedBlocksMax, sharesMax = derivedSharesMax) {
    this.blocks = new RecentMap(blocksMax);
    this.shares = new RecentMap(sharesMax);
  }

  /** The amount of a packet that the pool has. @throws RangeError for a block that it has not. */
  amountOf(secret: Buffer, plan: PoolPlan, ref: PacketRef): Fen {
    const key = `${ref.poolId}:${ref.blockNo}`;
    const amounts = this.blocks.getOrMake(key, () => deriveBlockAmounts(secret, plan, ref.blockNo));
    const amount = amounts[ref.index];
    if (amount === undefined) throw new RangeError(`block ${key} has no packet ${ref.index}`);
    return amount;
  }

  /** The portions of a packet's share, first portion first; empty when the pool has no shares. */
  portionsOf(secret: Buffer, plan: PoolPlan, ref: PacketRef): readonly Fen[] {
    const packetId = packetIdOf(ref);
    return this.shares.getOrMake(packetId, () => derivePortions(secret, plan, packetId));
  }
}
