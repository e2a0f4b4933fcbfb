/** What processes tell each other through Redis: event snapshots, stocked blocks, lane jobs, replies, degradation state. */
import { z } from 'zod';
import { degradationModeSchema, featureSwitchSchema, releaseCurveSchema } from './ops.schema.ts';
import { gatewayRoleSchema, packetIdSchema, tierSchema, userIdSchema } from './primitives.schema.ts';

const ms = z.number().int();

/** Everything a gateway needs of an event; never a secret before it is settled. Written by allocation alone. */
export const eventSnapshotSchema = z.object({
  id: z.int(),
  title: z.string(),
  state: z.enum(['armed', 'live', 'closed', 'settled']),
  startsAtMs: ms,
  endsAtMs: ms,
  sharesEndAtMs: ms,
  perUserMax: z.int(),
  ticketTtlMs: ms,
  staggerMs: ms,
  shakeIntervalMs: ms,
  /** how long before the release curve asks for them packets are on the stock lists; allocation's setting */
  stockLeadMs: ms,
  graceMs: ms,
  openLaneCount: z.int(),
  grabLaneCount: z.int(),
  sponsors: z.array(z.object({ no: z.int(), id: z.string(), name: z.string() })),
  waves: z.array(z.object({ no: z.int(), startsAtMs: ms, durationMs: ms })),
  pools: z.array(
    z.object({
      poolId: z.int(),
      waveNo: z.int(),
      sponsorNo: z.int(),
      packetCount: z.int(),
      blockSize: z.int(),
      /** from the stocking of a block until it may not be issued any more; a block says its own end */
      blockLifeMs: ms,
      sharePortions: z.int(),
      releaseCurve: releaseCurveSchema,
    }),
  ),
  secretCommitment: z.string(),
  secret: z.string().optional(),
});

/**
 * One block on the stock list, or what is left of it there: `mask` (base64url) has a bit for each index that this epoch may issue; the
 * first `skip` of them went to other gateways, and `count` are left.
 */
export const stockedBlockSchema = z.object({
  poolId: z.int(),
  blockNo: z.int(),
  epoch: z.int(),
  issueUntilMs: ms,
  mask: z.string(),
  count: z.int().min(1).max(256),
  skip: z.int().min(0).max(255).optional(),
});

export const openItemSchema = z.object({
  packetId: packetIdSchema,
  eventId: z.int(),
  userId: userIdSchema,
  epoch: z.int(),
  sponsorNo: z.int(),
  acceptedAtMs: ms,
});
export const grabItemSchema = z.object({
  packetId: packetIdSchema,
  eventId: z.int(),
  ownerId: userIdSchema,
  userId: userIdSchema,
  epoch: z.int(),
  sponsorNo: z.int(),
  acceptedAtMs: ms,
});

/** Items per micro-batch: a job is at most about 40 KB. */
export const jobItemsMax = 256;
export const openJobSchema = z.object({
  v: z.literal(1),
  replyTo: z.string(),
  items: z.array(openItemSchema).min(1).max(jobItemsMax),
});
export const grabJobSchema = z.object({
  v: z.literal(1),
  replyTo: z.string(),
  items: z.array(grabItemSchema).min(1).max(jobItemsMax),
});

/**
 * What became of an accepted open. `taken`: the packet went to somebody else. `expired`: its block was reissued or closed.
 * `dead`: set aside as a dead letter; an operator can replay it, so the user is told `pending`.
 */
export const openOutcomeSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('credited'), amountFen: z.int() }),
  z.object({ outcome: z.enum(['taken', 'limit', 'sponsor_limit', 'expired', 'dead']) }),
]);
/** What became of an accepted grab. `no_grant_yet`: the owner has not opened (yet): ask again. `taken`: the owner's claim lapsed. */
export const grabOutcomeSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('credited'), amountFen: z.int(), portion: z.int() }),
  z.object({ outcome: z.enum(['empty', 'no_grant_yet', 'taken', 'expired', 'dead']) }),
]);
/** One message per job on the producer's reply channel; outcomes stand in the order of the job's items. */
export const openReplySchema = z.object({ jobId: z.string(), outcomes: z.array(openOutcomeSchema) });
export const grabReplySchema = z.object({ jobId: z.string(), outcomes: z.array(grabOutcomeSchema) });

/** A settled open or grab, told to the feed; lossy. */
export const feedEntrySchema = z.object({
  kind: z.enum(['open', 'grab']),
  eventId: z.int(),
  userId: userIdSchema,
  sponsorNo: z.int(),
  amountFen: z.int(),
  atMs: ms,
});

/** The one degradation document: written by ops, kept by every process as last known state. */
export const degradationStateSchema = z.object({
  version: z.int(),
  mode: degradationModeSchema,
  /** pinned or floor tier */
  tier: tierSchema.optional(),
  untilMs: ms.optional(),
  /** what the controller holds right for now */
  autoTier: tierSchema,
  /** why: the signals that asked for it */
  autoReason: z.string().optional(),
  features: z.record(z.string(), z.object({ state: featureSwitchSchema, untilMs: ms.optional() })),
  updatedAtMs: ms,
});

/** What is read of a gateway's sample to find the tier; the rest of it is for display. */
export const gatewaySignalsSchema = z.object({
  role: gatewayRoleSchema.default('all'),
  /** store clock */
  atMs: z.number(),
  /** delay of the event loop, 99 % of the last second, ms */
  loopDelayMs: z.number(),
  /** totals by result since the process started */
  opens: z.record(z.string(), z.number()),
  pace: z.object({ isOverloaded: z.boolean() }),
  /** how many classes of requests it refuses by itself, the last of them in part */
  admissionLevel: z.number().default(0),
});

/** What the ops process that leads says each second to the others, for whoever asks them. */
export const tierWatchSchema = z.object({
  leader: z.string(),
  atMs: ms,
  /** by key of the signal catalogue; missing: not known at the moment */
  readings: z.record(z.string(), z.number()),
});

export type GatewaySignals = z.infer<typeof gatewaySignalsSchema>;
export type TierWatch = z.infer<typeof tierWatchSchema>;
export type EventSnapshot = z.infer<typeof eventSnapshotSchema>;
export type StockedBlock = z.infer<typeof stockedBlockSchema>;
export type OpenItem = z.infer<typeof openItemSchema>;
export type GrabItem = z.infer<typeof grabItemSchema>;
export type OpenJob = z.infer<typeof openJobSchema>;
export type GrabJob = z.infer<typeof grabJobSchema>;
export type OpenOutcome = z.infer<typeof openOutcomeSchema>;
export type GrabOutcome = z.infer<typeof grabOutcomeSchema>;
export type OpenReply = z.infer<typeof openReplySchema>;
export type GrabReply = z.infer<typeof grabReplySchema>;
export type FeedEntry = z.infer<typeof feedEntrySchema>;
export type DegradationState = z.infer<typeof degradationStateSchema>;
