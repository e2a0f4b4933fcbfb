import {
  type CommittedPlan,
  derivePortions,
  deriveRunAmounts,
  type Fen,
  hasPacket,
  packetRefOf,
  runBudgetFen,
  runPositionOf,
} from '#libs/domain';
import type { BookedTransfer, Booking, BookingKind, Page } from './read-bookings.ts';
import type { PoolLedger, PoolTransfer } from './read-event.ts';

export type CommittedPool = CommittedPlan['pools'][number];

/** What the audit of a pool has added up. Booked sums and derived ones are the same when no difference was found. */
export interface PoolSums {
  readonly poolId: number;
  readonly fundedFen: Fen;
  readonly grantedFen: Fen;
  readonly grabbedFen: Fen;
  readonly refundedFen: Fen;
  /** Of the derived amounts what nobody claimed and nobody got back. */
  readonly unclaimedFen: Fen;
  readonly grants: number;
  readonly grabs: number;
  readonly transfers: number;
}

/**
 * Holds everything that is booked of one pool against what derives from the secret and the committed plan. Fed with pages in the order of
 * packets, grants first. Each method gives the first difference as a sentence, undefined when there is none.
 */
export class PoolAudit {
  #grants = 0;
  #grabs = 0;
  #transfers = 0;
  #grantedFen = 0;
  #grabbedFen = 0;
  #run: { readonly no: number; readonly amounts: readonly Fen[] } | undefined;
  #share: { readonly packetId: bigint; readonly portions: readonly Fen[]; taken: number } | undefined;

  constructor(
    private readonly eventId: number,
    private readonly secret: Buffer,
    private readonly plan: CommittedPool,
    private readonly ledger: PoolLedger,
  ) {}

  addPage(kind: BookingKind, { bookings, transfers }: Page): string | undefined {
    for (const [at, booking] of bookings.entries()) {
      const difference = this.#addBooking(kind, booking, transfers[at]);
      if (difference !== undefined) return difference;
    }
    const extra = transfers[bookings.length];
    return extra === undefined ? undefined : withoutBooking(kind, extra);
  }

  #addBooking(kind: BookingKind, booking: Booking, transfer: BookedTransfer | undefined): string | undefined {
    const what = nameOf(kind, booking);
    const derived = kind === 'grant' ? this.#deriveGrant(booking) : this.#deriveGrab(booking);
    if (typeof derived === 'string') return `${what}: ${derived}`;
    if (booking.amountFen !== derived.fen) return differs(what, booking.amountFen, derived.fen);
    const fault = this.#faultOf(booking) ?? this.#transferFault(kind, booking, transfer);
    if (fault !== undefined) return fault.startsWith('transfer') ? fault : `${what}: ${fault}`;
    this.#transfers += 1;
    if (kind === 'grant') {
      this.#grants += 1;
      this.#grantedFen += derived.fen;
    } else {
      this.#grabs += 1;
      this.#grabbedFen += derived.fen;
    }
    return undefined;
  }

  #deriveGrant({ packetId }: Booking): { fen: Fen } | string {
    const ref = packetRefOf(packetId);
    if (!hasPacket(this.plan, ref)) return 'the committed plan has no such packet';
    const { runNo, position } = runPositionOf(this.plan, ref);
    if (this.#run?.no !== runNo) {
      const amounts = deriveRunAmounts(this.secret, this.plan, runNo);
      const sumFen = amounts.reduce((sum, fen) => sum + fen, 0);
      const budgetFen = runBudgetFen(this.plan, runNo);
      if (sumFen !== budgetFen)
        return `the amounts of run ${runNo} add up to ${sumFen} fen, its budget is ${budgetFen}`;
      this.#run = { no: runNo, amounts };
    }
    return { fen: this.#run.amounts[position]! };
  }

  #deriveGrab({ packetId, portion }: Booking): { fen: Fen } | string {
    if (this.#share?.packetId !== packetId) {
      if (!hasPacket(this.plan, packetRefOf(packetId))) return 'the committed plan has no such packet';
      this.#share = { packetId, portions: derivePortions(this.secret, this.plan, packetId), taken: 0 };
    }
    const fen = this.#share.portions[portion - 1];
    if (fen === undefined) return `the committed plan has ${this.#share.portions.length} portions for each packet`;
    this.#share.taken += 1;
    return portion === this.#share.taken ? { fen } : `portion ${this.#share.taken} was given to nobody`;
  }

  /** What else a row says of itself. */
  #faultOf({ eventId, portion, standing }: Booking): string | undefined {
    if (eventId !== this.eventId) return `is booked for event ${eventId}`;
    if (portion > 0) return standing === true ? undefined : 'its packet was granted to nobody';
    return standing === this.plan.sponsorNo
      ? undefined
      : `is booked for sponsor ${standing}, not ${this.plan.sponsorNo}`;
  }

  #transferFault(kind: BookingKind, booking: Booking, transfer: BookedTransfer | undefined): string | undefined {
    if (transfer === undefined || isAfter(transfer, booking)) return 'there is no transfer for it';
    if (isAfter(booking, transfer)) return withoutBooking(kind, transfer);
    const what = `transfer of ${nameOf(kind, booking)}`;
    if (transfer.amountFen !== BigInt(booking.amountFen)) return differs(what, transfer.amountFen, booking.amountFen);
    if (transfer.eventId !== this.eventId) return `${what}: is booked for event ${transfer.eventId}`;
    if (transfer.debitAccount !== this.ledger.poolAccount || transfer.creditAccount !== booking.account) {
      return `${what}: moved from account ${transfer.debitAccount} to ${transfer.creditAccount}, not from the pool's (${this.ledger.poolAccount}) to its owner's (${booking.account})`;
    }
    return undefined;
  }

  /** When all pages are in: what the sponsor gave and got back. */
  close(): string | undefined {
    const { poolId, poolAccount, sponsorAccount, fund, refund } = this.ledger;
    const dueFen = this.plan.budgetFen + this.plan.shareBudgetFen;
    const restFen = dueFen - this.#grantedFen - this.#grabbedFen;
    const fundFault = wholeFault(`fund of pool ${poolId}`, fund, dueFen, [sponsorAccount, poolAccount]);
    return fundFault ?? wholeFault(`refund of pool ${poolId}`, refund, restFen, [poolAccount, sponsorAccount]);
  }

  get sums(): PoolSums {
    const { poolId, fund, refund } = this.ledger;
    const [fundedFen, refundedFen] = [fund?.amountFen ?? 0, refund?.amountFen ?? 0];
    const wholes = [fund, refund].filter((transfer) => transfer !== undefined).length;
    return {
      poolId,
      fundedFen,
      refundedFen,
      grantedFen: this.#grantedFen,
      grabbedFen: this.#grabbedFen,
      unclaimedFen: this.plan.budgetFen + this.plan.shareBudgetFen - this.#grantedFen - this.#grabbedFen - refundedFen,
      grants: this.#grants,
      grabs: this.#grabs,
      transfers: this.#transfers + wholes,
    };
  }
}

type Keyed = Pick<Booking, 'packetId' | 'portion'>;

function isAfter(a: Keyed, b: Keyed): boolean {
  return a.packetId === b.packetId ? a.portion > b.portion : a.packetId > b.packetId;
}

function nameOf(kind: BookingKind, { packetId, portion }: Keyed): string {
  const { poolId, blockNo, index } = packetRefOf(packetId);
  const packet = `packet ${packetId} (pool ${poolId}, block ${blockNo}, index ${index})`;
  return kind === 'grant' ? `grant of ${packet}` : `grab of portion ${portion} of ${packet}`;
}

function withoutBooking(kind: BookingKind, transfer: BookedTransfer): string {
  return `transfer of ${nameOf(kind, transfer)}: ${transfer.amountFen} fen were moved, and there is no ${kind}`;
}

function differs(what: string, bookedFen: Fen | bigint, derivedFen: Fen): string {
  return `${what}: booked ${bookedFen} fen, derived ${derivedFen} fen`;
}

/** A transfer of nothing is not booked. */
function wholeFault(
  what: string,
  transfer: PoolTransfer | undefined,
  dueFen: Fen,
  [debit, credit]: readonly [bigint, bigint],
): string | undefined {
  if ((transfer?.amountFen ?? 0) !== dueFen) return differs(what, transfer?.amountFen ?? 0, dueFen);
  if (transfer === undefined || (transfer.debitAccount === debit && transfer.creditAccount === credit))
    return undefined;
  return `${what}: moved from account ${transfer.debitAccount} to ${transfer.creditAccount}, not from ${debit} to ${credit}`;
}
