import {
  derivePortions,
  deriveRunAmounts,
  type Fen,
  hasPacket,
  type PacketRef,
  type PoolPlan,
  packetRefOf,
  packetShareBudgetFen,
  runBudgetFen,
  runPositionOf,
} from '#libs/domain';

/** Violations of one pool that are named; the rest is counted. */
const violationsNamedMax = 200;

export interface BookedGrant {
  readonly packetId: bigint;
  readonly amountFen: Fen;
}

export interface BookedGrab extends BookedGrant {
  /** From 1. */
  readonly portion: number;
}

/**
 * Recomputes what nobody claimed of one pool (invariant 8): the derived amounts of the packets that are not granted, and the
 * derived portions that are not grabbed. Fed with the pool's grants and grabs in ascending order of packets. Amounts are derived
 * for the runs and shares that somebody claimed from; of the others, all of it is unclaimed, and that is their budget.
 */
export class PoolProof {
  private readonly named: string[] = [];
  private unnamedCount = 0;
  private packetsFen: Fen;
  private sharesFen: Fen;
  private run: { readonly runNo: number; readonly amounts: readonly Fen[] } | undefined;
  private share: { readonly packetId: bigint; readonly portions: readonly Fen[] } | undefined;

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

  get violations(): readonly string[] {
    const rest = `pool ${this.plan.poolId}: ${this.unnamedCount} more amounts are not as derived`;
    return this.unnamedCount === 0 ? this.named : [...this.named, rest];
  }

  addGrants(grants: readonly BookedGrant[]): void {
    for (const grant of grants) this.addGrant(grant);
  }

  addGrabs(grabs: readonly BookedGrab[]): void {
    for (const grab of grabs) this.addGrab(grab);
  }

  private addGrant({ packetId, amountFen }: BookedGrant): void {
    const ref = packetRefOf(packetId);
    if (!hasPacket(this.plan, ref)) {
      this.note(`grant of packet ${packetId}: pool ${this.plan.poolId} has no such packet`);
      return;
    }
    const derivedFen = this.amountOf(ref);
    this.packetsFen -= derivedFen;
    if (amountFen !== derivedFen) {
      this.note(`grant of packet ${packetId}: ${amountFen} fen were booked, ${derivedFen} are derived`);
    }
  }

  private addGrab({ packetId, portion, amountFen }: BookedGrab): void {
    const ref = packetRefOf(packetId);
    const derivedFen = hasPacket(this.plan, ref) ? this.portionsOf(packetId, ref)[portion - 1] : undefined;
    if (derivedFen === undefined) {
      this.note(`grab of portion ${portion} of packet ${packetId}: there is no such portion`);
      return;
    }
    this.sharesFen -= derivedFen;
    if (amountFen !== derivedFen) {
      const what = `grab of portion ${portion} of packet ${packetId}`;
      this.note(`${what}: ${amountFen} fen were booked, ${derivedFen} are derived`);
    }
  }

  private note(violation: string): void {
    if (this.named.length < violationsNamedMax) this.named.push(violation);
    else this.unnamedCount += 1;
  }

  /** Replaces the run's budget by the sum of its derived amounts, so that a wrong derivation shows. */
  private amountOf(ref: PacketRef): Fen {
    const { runNo, position } = runPositionOf(this.plan, ref);
    if (this.run?.runNo !== runNo) {
      const amounts = deriveRunAmounts(this.secret, this.plan, runNo);
      this.packetsFen += sumOf(amounts) - runBudgetFen(this.plan, runNo);
      this.run = { runNo, amounts };
    }
    return this.run.amounts[position]!;
  }

  private portionsOf(packetId: bigint, ref: PacketRef): readonly Fen[] {
    if (this.share?.packetId === packetId) return this.share.portions;
    const portions = derivePortions(this.secret, this.plan, packetId);
    this.sharesFen += sumOf(portions) - packetShareBudgetFen(this.plan, ref);
    this.share = { packetId, portions };
    return portions;
  }
}

function sumOf(amounts: readonly Fen[]): Fen {
  let sum = 0;
  for (const amount of amounts) sum += amount;
  return sum;
}
