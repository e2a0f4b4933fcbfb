import { setTimeout as sleep } from 'node:timers/promises';
import { type Claim, laneOfBlock, packetRefOf } from '#libs/domain';
import { type Lane, type OutstandingLook, openLane } from '#libs/queue';
import { ProblemError } from '#libs/runtime';
import type { GatewayEvent } from '../events/gateway-event.ts';

export interface LateTicketsParts {
  /** What is on its way in a lane, and when by the store's own clock. Rejects when Redis is away. */
  readonly look: (lane: Lane) => Promise<OutstandingLook>;
  /** Run id of the store that the stock was laid on, if it is this one. Rejects when Redis is away. */
  readonly readStamp: () => Promise<string | undefined>;
  /** Longest that an accepted open may take until it is in its lane: the store refuses it from then on. */
  readonly acceptMaxMs: number;
}

/**
 * Tickets that are opened after their expiry. An open of the same ticket may have been accepted in time, by any gateway, and its answer
 * lost: "expired" may be said only when none can be on its way any more, or it would be taken back later (invariant 6).
 */
export class LateTickets {
  constructor(private readonly parts: LateTicketsParts) {}

  /**
   * Returns once no accepted open of this ticket can be outstanding: what the ledger says from then on is final. Waits about
   * `acceptMaxMs` at most for an acceptance in the ticket's last moment to reach its lane.
   * @throws ProblemError `dependency_unavailable` while the lane is behind or the store is not the one that knew, `queue_unavailable` when Redis is away: ask again.
   */
  async whenQuiet(ticket: Claim, event: GatewayEvent, nowMs: number): Promise<void> {
    const { acceptMaxMs } = this.parts;
    const inLaneAtMs = ticket.atMs + acceptMaxMs;
    if (nowMs < inLaneAtMs) await sleep(Math.min(inLaneAtMs - nowMs, acceptMaxMs));
    const { poolId, blockNo } = packetRefOf(ticket.packetId);
    const lane = openLane(laneOfBlock(poolId, blockNo, event.snapshot.openLaneCount));
    let look = await this.look(lane);
    if (look.nowMs < inLaneAtMs) {
      // this process took its time for further than it is
      await sleep(Math.min(inLaneAtMs - look.nowMs, acceptMaxMs));
      look = await this.look(lane);
    }
    // a store that took another's place knows nothing of what was on its way there; it is stamped when what was out has been retired, which
    // the ledger then tells whoever asks about such a packet
    if ((await this.asked(this.parts.readStamp())) === undefined)
      throw new ProblemError(
        'dependency_unavailable',
        'the store was replaced, and nobody can say what was on its way',
      );
    if (look.nowMs < inLaneAtMs || (look.oldestMs ?? ticket.atMs) < ticket.atMs)
      throw new ProblemError(
        'dependency_unavailable',
        'opens that were accepted before this ticket expired are still on their way',
      );
  }

  private look(lane: Lane): Promise<OutstandingLook> {
    return this.asked(this.parts.look(lane));
  }

  private asked<T>(question: Promise<T>): Promise<T> {
    return question.catch((cause: unknown) => {
      throw new ProblemError('queue_unavailable', 'Redis does not say what is on its way', {}, { cause });
    });
  }
}
