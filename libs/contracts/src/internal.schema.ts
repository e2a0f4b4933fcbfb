/**
 * Internal HTTP between our own processes (`Authorization: Bearer <INTERNAL_TOKEN>`; never reachable from outside).
 *
 * allocation:
 *   POST /internal/v1/events                       body eventPlan          → 201 opsEvent | problem plan_invalid
 *   POST /internal/v1/events/:id/{arm,close,settle}                        → 200 opsEvent | problem state_conflict, too_early
 *   GET  /internal/v1/events/:id                                           → 200 opsEvent
 *   GET  /internal/v1/events/:id/reconciliation                            → 200 reconciliation
 *   POST /internal/v1/dead-letters/:id/replay                              → 200 deadLetter
 *   GET  /internal/v1/packets/:packetId?userId=&epoch=                     → 200 packetStatus (epoch of the ticket: optional)
 *   GET  /internal/v1/users/:userId/packets?cursor=&limit=                 → 200 history
 *   GET  /internal/v1/users/:userId/wallet                                 → 200 wallet
 * share (the user is named by the header `x-hongbao-user`, set by the gateway after it verified the session):
 *   GET  /internal/v1/shares/:token · POST /internal/v1/shares/:token/grab
 *   GET  /internal/v1/events/:id/leaderboard · GET /internal/v1/events/:id/feed (SSE)
 *   — same answers as the public routes that the gateway forwards.
 */
import { z } from 'zod';
import { eventIdSchema, packetIdSchema } from './primitives.schema.ts';

export const userHeader = 'x-hongbao-user';
/** How important a forwarded request is, and its user's priority in this minute, in [0, 1): `grab 0.25`. */
export const importanceHeader = 'x-hongbao-importance';
export const historyPageMax = 50;

/**
 * What the ledger says of a user's ticket, that is of (packet, epoch, user): its one outcome, however often it is asked (invariant 7).
 * `pending`: accepted at that time (ms) and set aside as a dead letter that may be replayed. `open`: nothing of it is in the ledger and its
 * block has not lapsed; not an outcome. `uncertain`: likewise, and the Redis that knew its opens was replaced: one may have been accepted of
 * which only a receipt tells, until the event is settled. Asked without an epoch: `credited` when the user has the packet, by whatever ticket.
 */
export const packetStatusSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('credited'),
    packetId: packetIdSchema,
    eventId: eventIdSchema,
    sponsorNo: z.int(),
    sponsor: z.object({ id: z.string(), name: z.string() }),
    epoch: z.int(),
    amountFen: z.int(),
    portions: z.int(),
    atMs: z.number(),
  }),
  z.object({ status: z.literal('pending'), acceptedAtMs: z.int() }),
  z.object({ status: z.enum(['open', 'uncertain', 'taken', 'limit', 'sponsor_limit', 'expired', 'unknown']) }),
]);
export type PacketStatus = z.infer<typeof packetStatusSchema>;
