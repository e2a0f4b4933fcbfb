/** Public REST (gateway): request and answer shapes of API.md. Fields may be added; none listed may change meaning. */
import { z } from 'zod';
import {
  eventIdSchema,
  fenSchema,
  instantSchema,
  packetIdSchema,
  sponsorRefSchema,
  tierSchema,
  tokenSchema,
  userIdSchema,
} from './primitives.schema.ts';

export const createSessionRequestSchema = z.strictObject({ userId: userIdSchema.optional() });
export const sessionSchema = z.object({ token: z.string(), userId: userIdSchema, expiresAt: instantSchema });

export const publicEventStateSchema = z.enum(['armed', 'live', 'closed', 'settled']);
export const waveViewSchema = z.object({ no: z.int(), startsAt: instantSchema, endsAt: instantSchema });
export const eventViewSchema = z.object({
  id: eventIdSchema,
  title: z.string(),
  state: publicEventStateSchema,
  startsAt: instantSchema,
  endsAt: instantSchema,
  serverTime: instantSchema,
  startOffsetMs: z.int().min(0).describe("this user's own delay after startsAt; 0 without a session"),
  staggerMs: z.int().min(0),
  shakeIntervalMs: z.int().min(1),
  perUserMax: z.int().min(1),
  sharesEndAt: instantSchema,
  endpoints: z.object({ shake: z.string(), money: z.string() }),
  tier: tierSchema,
  features: z.record(z.string(), z.enum(['on', 'off'])),
  sponsors: z.array(sponsorRefSchema),
  waves: z.array(waveViewSchema),
  secretCommitment: z.string(),
  secret: z.string().optional(),
});
export const eventListSchema = z.object({ events: z.array(eventViewSchema) });

const nextShakeMs = z.int().min(0).describe('milliseconds to wait before the next shake; jittered by the server');
export const shakeAnswerSchema = z.discriminatedUnion('result', [
  z.object({
    result: z.literal('hit'),
    ticket: tokenSchema,
    packetId: packetIdSchema,
    sponsor: sponsorRefSchema,
    expiresAt: instantSchema,
    state: z.string(),
    nextShakeMs,
  }),
  z.object({ result: z.literal('miss'), nextShakeMs }),
  z.object({ result: z.literal('rest'), nextShakeMs, message: z.string() }),
  z.object({ result: z.literal('limit') }),
  z.object({ result: z.literal('not_started'), startsInMs: z.int().min(0) }),
  z.object({ result: z.literal('over') }),
]);

export const openRequestSchema = z.strictObject({ ticket: tokenSchema, receipt: tokenSchema.optional() });
export const creditedPacketSchema = z.object({
  status: z.literal('credited'),
  packetId: packetIdSchema,
  eventId: eventIdSchema,
  sponsor: sponsorRefSchema,
  amountFen: fenSchema,
  share: z.object({ portions: z.int().min(0) }),
  state: z.string().optional().describe('signed client state to send with the next shakes: marks this win as opened'),
});
export const pendingPacketSchema = z.object({
  status: z.literal('pending'),
  packetId: packetIdSchema,
  receipt: tokenSchema,
  pollAfterMs: z.int().min(0),
});
export const openAnswerSchema = z.discriminatedUnion('status', [creditedPacketSchema, pendingPacketSchema]);

export const historyEntrySchema = z.object({
  packetId: packetIdSchema,
  eventId: eventIdSchema,
  sponsor: sponsorRefSchema,
  amountFen: fenSchema,
  at: instantSchema,
});
export const historySchema = z.object({
  packets: z.array(historyEntrySchema),
  nextCursor: z.string().optional(),
  asOf: instantSchema,
});
export const walletSchema = z.object({ balanceFen: fenSchema, asOf: instantSchema });

export const createShareRequestSchema = z.strictObject({ ticket: tokenSchema.optional() });
export const shareSchema = z.object({
  shareToken: tokenSchema,
  url: z.string(),
  portions: z.int().min(1),
  expiresAt: instantSchema,
});
export const grabViewSchema = z.object({
  userId: userIdSchema,
  amountFen: fenSchema,
  at: instantSchema,
  luckiest: z.boolean(),
});
export const sharePageSchema = z.object({
  sponsor: sponsorRefSchema,
  portions: z.int(),
  taken: z.int(),
  expiresAt: instantSchema,
  grabs: z.array(grabViewSchema).optional(),
  yours: z.object({ amountFen: fenSchema, portion: z.int() }).optional(),
});
export const grabAnswerSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('credited'), amountFen: fenSchema, portion: z.int().min(1) }),
  z.object({ status: z.literal('pending'), pollAfterMs: z.int().min(0) }),
  z.object({ status: z.literal('empty') }),
]);

export const leaderSchema = z.object({
  rank: z.int().min(1),
  userId: userIdSchema,
  amountFen: fenSchema,
  at: instantSchema,
});
export const leaderboardSchema = z.object({ leaders: z.array(leaderSchema), asOf: instantSchema });
export const feedItemSchema = z.object({
  kind: z.enum(['open', 'grab']),
  userId: userIdSchema,
  sponsorId: z.string(),
  amountFen: fenSchema,
  at: instantSchema,
});

export type Session = z.infer<typeof sessionSchema>;
export type EventView = z.infer<typeof eventViewSchema>;
export type ShakeAnswer = z.infer<typeof shakeAnswerSchema>;
export type OpenAnswer = z.infer<typeof openAnswerSchema>;
export type CreditedPacket = z.infer<typeof creditedPacketSchema>;
export type PendingPacket = z.infer<typeof pendingPacketSchema>;
export type History = z.infer<typeof historySchema>;
export type HistoryEntry = z.infer<typeof historyEntrySchema>;
export type Wallet = z.infer<typeof walletSchema>;
export type Share = z.infer<typeof shareSchema>;
export type SharePage = z.infer<typeof sharePageSchema>;
export type GrabAnswer = z.infer<typeof grabAnswerSchema>;
export type GrabView = z.infer<typeof grabViewSchema>;
export type Leaderboard = z.infer<typeof leaderboardSchema>;
export type FeedItem = z.infer<typeof feedItemSchema>;
