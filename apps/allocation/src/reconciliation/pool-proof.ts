import type { GrabsPage, GrantsPage } from '#libs/database';
import {
  derivePortions,
  deriveRunAmounts,
  type Fen,
  type PoolPlan,
  packetIdOf,
  packetRefOf,
  packetShareBudgetFen,
  runBudgetFen,
  runPacketsMax,
} from '#libs/domain';

/** Violations of one pool that are named; the rest is counted. */
const violationsNamedMax = 200;

/** Grants as they were booked: packet numbers of the pool, less the first one, in no order. */
export type BookedGrants = Pick<GrantsPage, 'firstPacketNo' | 'offsets' | 'amounts'>;
/** Grabs as they were booked, packet by packet; portions from 1. */
export type BookedGrabs = Pick<GrabsPage, 'firstPacketNo' | 'offsets' | 'portions' | 'amounts'>;

/**
 * Recomputes what nobody claimed of one pool (invariant 8): the derived amounts of the packets that are not granted, and the
 * derived portions that are not grabbed. Fed with pages of the pool's grants, none of which shares a run with another, and of its
 * grabs, none of which shares a packet. Amounts are derived for the runs and shares that somebody claimed from; of the
 * others, all of it is unclaimed, and that is their budget.
 */
export class PoolProof {
  private readonly named: string[] = [];
  private unnamedCount = 0;
  private packetsFen: Fen;
  private sharesFen: Fen;

  constructor(
    private readonly secret: Buffer,
    private readonly plan: PoolPlan,
  ) {
    this.packetsFen = plan.budgetFen;
    this.sharesFen = plan.shareBudgetFen;
  }

  /** Packets and portions that nobody claimed, by derivation; of it, what was refunded is not unclaimed any more. */
  get unclaimedFen(): Fen {
    return this.packetsFen + this.sharesFen;
  }

  /** What was claimed of the pool, as it derives; the transfers must say the same. */
  get claimedFen(): Fen {
    return this.plan.budgetFen + this.plan.shareBudgetFen - this.unclaimedFen;
  }

  get violations(): readonly string[] {
    const rest = `pool ${this.plan.poolId}: ${this.unnamedCount} more amounts are not as derived`;
    return this.unnamedCount === 0 ? this.named : [...this.named, rest];
  }

  addGrants({ firstPacketNo, offsets, amounts }: BookedGrants): void {
    // amounts are at least 1 fen: 0 is a packet that is not granted
    const booked = new Float64Array(offsets.reduce((most, offset) => Math.max(most, offset + 1), 0));
    for (let i = 0; i < offsets.length; i++) booked[offsets[i]!] = amounts[i]!;
    for (let start = 0; start < booked.length; start += runPacketsMax) {
      this.addRun(firstPacketNo + start, booked.subarray(start, start + runPacketsMax));
    }
  }

  /** `booked` holds the amounts of a run from its first packet on. */
  private addRun(firstPacketNo: number, booked: Float64Array): void {
    if (booked.every((amountFen) => amountFen === 0)) return;
    const runNo = firstPacketNo / runPacketsMax;
    const derived = deriveRunAmounts(this.secret, this.plan, runNo);
    // the run's budget gives way to its derived amounts, so that a wrong derivation shows
    this.packetsFen += sumOf(derived) - runBudgetFen(this.plan, runNo);
    for (let i = 0; i < booked.length; i++) {
      if (booked[i] === 0) continue;
      const derivedFen = derived[i]!;
      this.packetsFen -= derivedFen;
      if (booked[i] !== derivedFen) {
        const packetId = this.packetIdAt(firstPacketNo + i);
        this.note(`grant of packet ${packetId}: ${booked[i]} fen were booked, ${derivedFen} are derived`);
      }
    }
  }

  addGrabs({ firstPacketNo, offsets, portions, amounts }: BookedGrabs): void {
    let derived: readonly Fen[] = [];
    for (let i = 0; i < offsets.length; i++) {
      const packetNo = firstPacketNo + offsets[i]!;
      if (offsets[i] !== offsets[i - 1]) derived = this.derivePortions(packetNo);
      const derivedFen = derived[portions[i]! - 1]!;
      this.sharesFen -= derivedFen;
      if (amounts[i] !== derivedFen) {
        const what = `grab of portion ${portions[i]} of packet ${this.packetIdAt(packetNo)}`;
        this.note(`${what}: ${amounts[i]} fen were booked, ${derivedFen} are derived`);
      }
    }
  }

  private derivePortions(packetNo: number): readonly Fen[] {
    const packetId = this.packetIdAt(packetNo);
    const derived = derivePortions(this.secret, this.plan, packetId);
    this.sharesFen += sumOf(derived) - packetShareBudgetFen(this.plan, packetRefOf(packetId));
    return derived;
  }

  private packetIdAt(packetNo: number): bigint {
    const { poolId, blockSize } = this.plan;
    return packetIdOf({ poolId, blockNo: Math.floor(packetNo / blockSize), index: packetNo % blockSize });
  }

  private note(violation: string): void {
    if (this.named.length < violationsNamedMax) this.named.push(violation);
    else this.unnamedCount += 1;
  }
}

function sumOf(amounts: readonly Fen[]): Fen {
  let sum = 0;
  for (const amount of amounts) sum += amount;
  return sum;
}
