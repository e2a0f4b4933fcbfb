import { setTimeout as sleep } from 'node:timers/promises';
import { type Claim, laneOfBlock, packetRefOf } from '#libs/domain';
import { type Lane, openLane } from '#libs/queue';
import { ProblemError } from '#libs/runtime';
import type { GatewayEvent } from '../events/gateway-event.ts';

export interface LateTicketsParts {
  /** Oldest acceptance (store-clock ms) that is on its way in a lane. Rejects when Redis is away. */
  readonly oldestOutstandingMs: (lane: Lane) => Promise<number | undefined>;
  /** Longest that an accepted open may take until it is in its lane. */
  readonly acceptMaxMs: number;
}

/**
 * Tickets that are opened after their expiry. An open of the same ticket may have been accepted in time, by any gateway, and its answer
 * lost: "expired" may be said only when none can be on its way any more, or it would be taken back later (invariant 6).
 */
export class LateTickets {
  constructor(private readonly parts: LateTicketsParts) {}

  /**
   * Returns once no accepted open of this ticket can be outstanding: what the ledger says from then on is final. Waits at most
   * `acceptMaxMs` for an acceptance in the ticket's last moment to reach its lane.
   * @throws ProblemError `dependency_unavailable` while the lane is behind, `queue_unavailable` when Redis is away: ask again.
   */
  async whenQuiet(ticket: Claim, event: GatewayEvent, nowMs: number): Promise<void> {
    const inLaneAtMs = ticket.atMs + this.parts.acceptMaxMs;
    if (nowMs < inLaneAtMs) await sleep(Math.min(inLaneAtMs - nowMs, this.parts.acceptMaxMs));
    const { poolId, blockNo } = packetRefOf(ticket.packetId);
    const lane = openLane(laneOfBlock(poolId, blockNo, event.snapshot.openLaneCount));
    const oldestMs = await this.oldestMs(lane);
    if (oldestMs !== undefined && oldestMs < ticket.atMs)
      throw new ProblemError(
        'dependency_unavailable',
        'opens that were accepted before this ticket expired are still on their way',
      );
  }

  private oldestMs(lane: Lane): Promise<number | undefined> {
    return this.parts.oldestOutstandingMs(lane).catch((cause: unknown) => {
      throw new ProblemError('queue_unavailable', 'Redis does not say what is on its way', {}, { cause });
    });
  }
}
