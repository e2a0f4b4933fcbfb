import { isoOf, type Share } from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import { type Claim, type KeyRing, packetRefOf, signClaim } from '#libs/domain';
import { ProblemError } from '#libs/runtime';
import type { EventBook } from '../events/event-book.ts';
import { type AddressedRequest, type EndpointSettings, endpointsOf } from '../events/public-address.ts';
import { ticketOf } from '../open/claims.ts';
import type { LedgerReads } from '../packets/ledger-reads.ts';
import { packetIdOf } from '../packets/packets.service.ts';
import type { StoreTime } from '../process/store-time.ts';

export interface ShareTokensParts {
  readonly ring: KeyRing;
  readonly time: StoreTime;
  readonly book: EventBook;
  readonly degradation: Pick<DegradationHolder, 'isOn' | 'modeOf'>;
  readonly ledger: Pick<LedgerReads, 'packetStatus'>;
  readonly config: EndpointSettings;
}

export interface ShareRequest {
  readonly packetId: string;
  readonly ticket: string | undefined;
  readonly userId: string;
  readonly address: AddressedRequest;
}

/** What a share is made of; whoever holds the packet, the same every time. */
type Shared = Pick<Claim, 'eventId' | 'packetId' | 'epoch' | 'sponsorNo' | 'userId'>;

/**
 * Share tokens: signed here and written nowhere, so that they are made whatever else is down. A token promises nothing: a grab
 * checks in its lane that the owner was granted the packet.
 */
export class ShareTokensService {
  constructor(private readonly parts: ShareTokensParts) {}

  /**
   * The share token of a packet: from its ticket, which may be past, or for the packet's owner by the ledger's word.
   * @throws ProblemError `bad_request`, `ticket_invalid`, `ticket_not_yours`, `packet_unknown`, `share_expired`, `state_conflict`
   * (the packet has no portions), `feature_off`, `dependency_unavailable`, `overloaded`.
   */
  async create(request: ShareRequest): Promise<Share> {
    const packetId = packetIdOf(request.packetId);
    if (!this.parts.degradation.isOn('share_creation')) throw new ProblemError('feature_off');
    if (request.ticket === undefined) return this.share(await this.sharedByLedger(packetId, request.userId), request);
    const ticket = ticketOf(this.parts.ring, request.ticket, request.userId);
    if (String(ticket.packetId) !== packetId)
      throw new ProblemError('ticket_invalid', 'the ticket is of another packet');
    return this.share(ticket, request);
  }

  private async sharedByLedger(packetId: string, userId: string): Promise<Shared> {
    const { degradation, ledger } = this.parts;
    if (degradation.modeOf('share_creation') === 'reduced')
      throw new ProblemError('feature_off', 'shares are made from tickets only right now');
    const status = await ledger.packetStatus({ packetId, userId });
    if (status.status !== 'credited') throw new ProblemError('packet_unknown');
    const { eventId, epoch, sponsorNo } = status;
    return { eventId: Number(eventId), packetId: BigInt(packetId), epoch, sponsorNo, userId };
  }

  private share({ eventId, packetId, epoch, sponsorNo, userId }: Shared, { address }: ShareRequest): Share {
    const { ring, time, book, config } = this.parts;
    const event = book.find(eventId);
    if (event === undefined) throw new ProblemError('dependency_unavailable', 'the event is not known here yet');
    const { sharesEndAtMs } = event.snapshot;
    if (time.approxMs() >= sharesEndAtMs) throw new ProblemError('share_expired');
    const portions = event.pools.get(packetRefOf(packetId).poolId)?.sharePortions ?? 0;
    if (portions === 0) throw new ProblemError('state_conflict', 'packets of this pool are not shared');
    const claim = { kind: 'share', eventId, packetId, epoch, sponsorNo, atMs: sharesEndAtMs, userId } as const;
    const shareToken = signClaim(ring, claim);
    const { money } = endpointsOf(config, address);
    return { shareToken, url: `${money}/play?share=${shareToken}`, portions, expiresAt: isoOf(sharesEndAtMs) };
  }
}
