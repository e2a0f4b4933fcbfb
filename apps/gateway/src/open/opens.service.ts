import type { OpenAnswer, OpenItem, OpenOutcome } from '#libs/contracts';
import type { DegradationHolder, ReplyMean } from '#libs/degradation';
import { type Claim, type KeyRing, laneOfBlock, packetRefOf } from '#libs/domain';
import { type LaneAddition, type LaneProducer, openLane } from '#libs/queue';
import { ProblemError } from '#libs/runtime';
import type { EventBook } from '../events/event-book.ts';
import { type GatewayEvent, isOfEvent } from '../events/gateway-event.ts';
import type { LedgerReads } from '../packets/ledger-reads.ts';
import { type Asker, denialOf, type PacketAnswers, problemOfDenial } from '../packets/packet-answers.ts';
import type { StoreTime } from '../process/store-time.ts';
import { isReceiptFor, receiptOf, ticketOf } from './claims.ts';
import type { LateTickets } from './late-tickets.ts';
import type { OpenCounters } from './open-counters.ts';

export interface OpensParts {
  readonly ring: KeyRing;
  readonly time: StoreTime;
  readonly book: EventBook;
  readonly degradation: Pick<DegradationHolder, 'isOn'>;
  readonly producer: Pick<LaneProducer<OpenItem, OpenOutcome>, 'add'>;
  readonly ledger: Pick<LedgerReads, 'packetStatus'>;
  readonly answers: PacketAnswers;
  readonly lateTickets: Pick<LateTickets, 'whenQuiet'>;
  readonly counters: OpenCounters;
  readonly replyTimes: Pick<ReplyMean, 'add'>;
  readonly limits: {
    /** From verification to durable. */
    readonly acceptMaxMs: number;
    /** From durable to the answer. */
    readonly replyWaitMs: number;
    readonly inFlightMax: number;
  };
}

export interface OpenRequest {
  readonly ticket: string;
  readonly receipt?: string | undefined;
}

/** An open whose ticket, user and time are in order. */
interface Admitted {
  readonly ticket: Claim;
  readonly event: GatewayEvent;
  /** Store-clock milliseconds; of the first acceptance when the client has a receipt. */
  readonly acceptedAtMs: number;
  /** The store's time at which this request was admitted: from here on it must be durable in time. */
  readonly nowMs: number;
  readonly asker: Asker;
}

interface Recall {
  readonly ticket: Claim;
  readonly asker: Asker;
  /** What the ledger has nothing of will never be decided: the ticket expired unopened. */
  readonly isOpenFinal: boolean;
}

/** What only the event's settlement decides is not asked for every second, nor by all at once. */
const uncertainRetryAfterMs = { least: 30_000, spread: 30_000 };

function uncertain(): ProblemError {
  const { least, spread } = uncertainRetryAfterMs;
  return new ProblemError(
    'dependency_unavailable',
    'the store that knew of opens of this packet was replaced: whether it was opened in time is certain once the event is settled',
    { retryAfterMs: least + Math.round(Math.random() * spread) },
  );
}

/** Opens: verified here, made durable in a lane, decided by allocation. */
export class OpensService {
  constructor(private readonly parts: OpensParts) {}

  /**
   * One open, however often it is repeated (invariant 7).
   * @throws ProblemError whatever the contract names for `POST /v1/packets/open`.
   */
  async open(request: OpenRequest, asker: Asker): Promise<OpenAnswer> {
    const { ring, time, book, degradation, answers, counters } = this.parts;
    const ticket = ticketOf(ring, request.ticket, asker.userId);
    const receipt = request.receipt === undefined ? undefined : receiptOf(ring, request.receipt, asker.userId);
    if (receipt !== undefined && !isReceiptFor(receipt, ticket))
      throw new ProblemError('ticket_invalid', 'the receipt is of another open');
    if (!degradation.isOn('opens')) throw new ProblemError('feature_off');
    const known = answers.knownOf(String(ticket.packetId), ticket.epoch, asker);
    if (known !== undefined) {
      counters.results.known += 1;
      return known;
    }
    const event = book.find(ticket.eventId);
    if (event === undefined && !book.isLoaded)
      throw new ProblemError('dependency_unavailable', 'the events are not known yet');
    // no gateway issues such a ticket: whoever signed it has the key, and must not get it among the opens of others
    if (event !== undefined && !isOfEvent(event, ticket))
      throw new ProblemError('ticket_invalid', 'the event has no such packet');
    const nowMs = time.freshMs();
    if (nowMs === undefined) throw this.unavailable('the time of the store is not known');
    // a receipt proves that the ticket was opened in time: it is honoured with the time of its acceptance (invariant 6)
    const isPast = receipt === undefined && nowMs >= ticket.atMs;
    if (event === undefined) return await this.recall({ ticket, asker, isOpenFinal: false });
    if (event.snapshot.state === 'settled') return await this.recall({ ticket, asker, isOpenFinal: true });
    this.enter();
    try {
      if (isPast) return await this.openLate(ticket, event, nowMs, asker);
      return await this.settle({ ticket, event, acceptedAtMs: receipt?.atMs ?? nowMs, nowMs, asker });
    } finally {
      counters.inFlight -= 1;
    }
  }

  /** Past its expiry, without a receipt: decided only when no earlier open of it can be on its way. */
  private async openLate(ticket: Claim, event: GatewayEvent, nowMs: number, asker: Asker): Promise<OpenAnswer> {
    await this.parts.lateTickets.whenQuiet(ticket, event, nowMs);
    return await this.recall({ ticket, asker, isOpenFinal: true });
  }

  /** Not for a lane (any more): the outcome is what the ledger has of this ticket; nothing is worked out anew (invariant 7). */
  private async recall({ ticket, asker, isOpenFinal }: Recall): Promise<OpenAnswer> {
    const { ledger, answers, counters } = this.parts;
    const { packetId, epoch } = ticket;
    const status = await ledger.packetStatus({ packetId: String(packetId), userId: asker.userId, epoch });
    if (status.status === 'credited') return answers.creditedByLedger(status, asker);
    if (status.status === 'pending') {
      counters.results.pending += 1;
      return answers.pending(ticket, status.acceptedAtMs);
    }
    // its event lives, and this process does not know it: a store that came back empty, a snapshot of another version
    if ((status.status === 'open' || status.status === 'uncertain') && !isOpenFinal)
      throw new ProblemError('dependency_unavailable', 'the event of this ticket is not known here yet');
    // nobody but the holder of a receipt, if there is one, knows whether it was opened in time (invariants 6 and 7)
    if (status.status === 'uncertain') {
      counters.results.uncertain += 1;
      throw uncertain();
    }
    const denial = denialOf(status.status);
    counters.results[denial] += 1;
    throw problemOfDenial(denial);
  }

  /** Counts one more open under way. @throws ProblemError `overloaded` when there are too many. */
  private enter(): void {
    const { counters, limits } = this.parts;
    if (counters.inFlight >= limits.inFlightMax) {
      counters.results.overloaded += 1;
      throw new ProblemError('overloaded');
    }
    counters.inFlight += 1;
  }

  /**
   * One whose reply does not come counts with the time that was waited for it: leaving it out would let go of reads when opens are slowest. What
   * is known took no time, and is not counted.
   */
  private async settle(open: Admitted): Promise<OpenAnswer> {
    const { limits, replyTimes } = this.parts;
    const cameAtMs = performance.now();
    const addition = await this.enqueue(open);
    if (addition.status !== 'durable') throw this.refusalOf(addition.status);
    const outcome = await addition.whenReplied(limits.replyWaitMs);
    replyTimes.add(performance.now() - cameAtMs);
    return this.answerOf(open, outcome);
  }

  private enqueue({ ticket, event, acceptedAtMs, nowMs }: Admitted): Promise<LaneAddition<OpenOutcome>> {
    const { producer, limits } = this.parts;
    const { packetId, eventId, userId, epoch, sponsorNo } = ticket;
    const { poolId, blockNo } = packetRefOf(packetId);
    const lane = openLane(laneOfBlock(poolId, blockNo, event.snapshot.openLaneCount));
    const item = { packetId: String(packetId), eventId, userId, epoch, sponsorNo, acceptedAtMs };
    // durable well before its block may be reclaimed, whatever the two services were told (invariant 4)
    return producer.add(lane, item, nowMs + Math.min(limits.acceptMaxMs, event.snapshot.graceMs / 2));
  }

  /** A dead letter can be replayed, so its user is told to wait, like one whose reply has not come. */
  private answerOf({ ticket, event, acceptedAtMs, asker }: Admitted, outcome: OpenOutcome | undefined): OpenAnswer {
    const { answers, counters } = this.parts;
    if (outcome === undefined || outcome.outcome === 'dead') {
      counters.results.pending += 1;
      return answers.pending(ticket, acceptedAtMs);
    }
    counters.results[outcome.outcome] += 1;
    if (outcome.outcome === 'credited') return answers.creditedByLane(ticket, event, outcome.amountFen, asker);
    throw problemOfDenial(outcome.outcome);
  }

  private refusalOf(status: Exclude<LaneAddition<OpenOutcome>['status'], 'durable'>): ProblemError {
    if (status !== 'buffer_full') return this.unavailable();
    this.parts.counters.results.overloaded += 1;
    return new ProblemError('overloaded', 'the lane of this packet is full');
  }

  private unavailable(detail?: string): ProblemError {
    this.parts.counters.results.queue_unavailable += 1;
    return new ProblemError('queue_unavailable', detail);
  }
}
