import type { FeedEntry, GrabItem, GrabOutcome, OpenItem, OpenOutcome } from '#libs/contracts';
import {
  type Db,
  type GrabClaim,
  type GrabSettlement,
  type OpenClaim,
  type OpenSettlement,
  settleGrabs,
  settleOpens,
} from '#libs/database';
import type { DerivedAmounts } from './derived-amounts.ts';
import type { BookedPacket } from './event-book.ts';

type Item = OpenItem | GrabItem;

/** What opens and grabs do differently on their way from a lane's item to its outcome. */
export interface SettlementKind<I extends Item, Claim, Settlement, Outcome> {
  readonly kind: FeedEntry['kind'];
  /** The claim that the item makes on a packet of its event. */
  readonly claimOf: (item: I, packet: BookedPacket, amounts: DerivedAmounts) => Claim;
  readonly settle: (db: Db, claims: readonly Claim[]) => Promise<readonly Settlement[]>;
  /** What its user is told. */
  readonly outcomeOf: (settlement: Settlement) => Outcome;
  /** What was booked by this very call, in fen; undefined when nothing was. */
  readonly bookedFen: (settlement: Settlement) => number | undefined;
  readonly expired: Outcome;
  readonly dead: Outcome;
}

const bookedFen = (settlement: OpenSettlement | GrabSettlement): number | undefined =>
  settlement.outcome === 'credited' && settlement.isNew ? settlement.amountFen : undefined;

export const openKind: SettlementKind<OpenItem, OpenClaim, OpenSettlement, OpenOutcome> = {
  kind: 'open',
  claimOf: ({ eventId, sponsorNo, userId, epoch, acceptedAtMs }, { packetId, ref, pool, secret }, amounts) => ({
    packetId,
    eventId,
    sponsorNo,
    userId,
    epoch,
    acceptedAtMs,
    amountFen: amounts.amountOf(secret, pool, ref),
  }),
  settle: settleOpens,
  outcomeOf: (settlement) =>
    settlement.outcome === 'credited'
      ? { outcome: 'credited', amountFen: settlement.amountFen }
      : { outcome: settlement.outcome },
  bookedFen,
  expired: { outcome: 'expired' },
  dead: { outcome: 'dead' },
};

export const grabKind: SettlementKind<GrabItem, GrabClaim, GrabSettlement, GrabOutcome> = {
  kind: 'grab',
  claimOf: ({ eventId, ownerId, userId, epoch, acceptedAtMs }, { packetId, ref, pool, secret }, amounts) => ({
    packetId,
    eventId,
    ownerId,
    userId,
    epoch,
    acceptedAtMs,
    portionsFen: amounts.portionsOf(secret, pool, ref),
  }),
  settle: settleGrabs,
  outcomeOf: (settlement) =>
    settlement.outcome === 'credited'
      ? { outcome: 'credited', amountFen: settlement.amountFen, portion: settlement.portion }
      : { outcome: settlement.outcome },
  bookedFen,
  expired: { outcome: 'expired' },
  dead: { outcome: 'dead' },
};
