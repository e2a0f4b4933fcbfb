/** Operations REST (ops): request and answer shapes of API.md. */
import { z } from 'zod';
import {
  eventIdSchema,
  fenSchema,
  instantSchema,
  packetIdSchema,
  plainTextSchema,
  tierSchema,
  userIdSchema,
} from './primitives.schema.ts';

export const sponsorsMax = 1000;
export const wavesMax = 100;
export const poolsPerWaveMax = 1000;

export const reasonSchema = plainTextSchema(500).describe('why; kept in the audit log');
export const actRequestSchema = z.strictObject({ reason: reasonSchema });

/** `even`, `front`, `back`, `burst` (half of the packets in the first tenth), or points [share of time, share of packets]. */
export const releaseCurveSchema = z.union(
  [
    z.enum(['even', 'front', 'back', 'burst']),
    z
      .array(z.tuple([z.number().min(0).max(1), z.number().min(0).max(1)]))
      .min(2)
      .max(100),
  ],
  {
    error:
      'must be even, front, back, burst, or 2 to 100 points [share of time, share of packets], each between 0 and 1',
  },
);

export const poolPlanSchema = z.strictObject({
  sponsorId: z.string().min(1).max(64),
  packetCount: z.int().min(1).max(1_000_000_000),
  budgetFen: z.int().min(1),
  minFen: z.int().min(1),
  maxFen: z.int().min(1),
  sharePortions: z.int().min(0).max(100).default(0),
  shareBudgetFen: z.int().min(0).default(0),
  releaseCurve: releaseCurveSchema.default('even'),
});
export const wavePlanSchema = z.strictObject({
  no: z.int().min(0).max(32_767),
  startsAt: instantSchema,
  durationMs: z.int().min(1),
  pools: z.array(poolPlanSchema).min(1).max(poolsPerWaveMax),
});
export const eventPlanSchema = z.strictObject({
  title: plainTextSchema(200),
  startsAt: instantSchema,
  endsAt: instantSchema,
  perUserMax: z.int().min(1).max(64).default(3),
  ticketTtlMs: z.int().min(1000).max(86_400_000).default(60_000),
  staggerMs: z.int().min(0).max(600_000).default(0),
  shakeIntervalMs: z.int().min(100).max(60_000).default(1000),
  blockLifeMs: z.int().min(500).max(600_000).optional().describe("default: by each pool's pace, 10 s to 60 s"),
  reissue: z.enum(['event', 'wave', 'never']).default('event'),
  sharesEndAt: instantSchema.optional().describe('default: endsAt + 24 h'),
  sponsors: z
    .array(z.strictObject({ id: z.string().min(1).max(64), name: plainTextSchema(200) }))
    .min(1)
    .max(sponsorsMax),
  waves: z.array(wavePlanSchema).min(1).max(wavesMax),
});
export const createEventRequestSchema = eventPlanSchema.extend({ reason: reasonSchema.default('created') });

export const eventStateSchema = z.enum(['draft', 'armed', 'live', 'closed', 'settled']);
export const opsEventSchema = z.object({
  id: eventIdSchema,
  state: eventStateSchema,
  plan: eventPlanSchema.omit({ sharesEndAt: true }).extend({ sharesEndAt: instantSchema }),
  pools: z.array(
    z.object({
      poolId: z.int(),
      waveNo: z.int(),
      sponsorId: z.string(),
      blockSize: z.int(),
      blockCount: z.int(),
      blockLifeMs: z.int(),
      nextBlock: z.int(),
    }),
  ),
  secretCommitment: z.string().optional(),
  secret: z.string().optional(),
  armedAt: instantSchema.optional(),
  closedAt: instantSchema.optional(),
  settledAt: instantSchema.optional(),
});

export const poolReconciliationSchema = z.object({
  poolId: z.int(),
  sponsorId: z.string(),
  waveNo: z.int(),
  balanced: z.boolean(),
  budgetFen: fenSchema,
  grantedFen: fenSchema,
  grabbedFen: fenSchema,
  refundedFen: fenSchema,
  unclaimedFen: fenSchema,
});
export const reconciliationSchema = z.object({
  balanced: z.boolean(),
  budgetFen: fenSchema,
  grantedFen: fenSchema,
  grabbedFen: fenSchema,
  refundedFen: fenSchema,
  unclaimedFen: fenSchema,
  packets: z.object({
    planned: z.int(),
    stocked: z.int(),
    issued: z.int().describe('as reported by the gateways; informational, not part of the proof'),
    granted: z.int(),
  }),
  pools: z.array(poolReconciliationSchema),
  violations: z.array(z.string()),
  asOf: instantSchema,
});

export const degradationModeSchema = z.enum(['auto', 'pinned', 'floor']);
export const putTierRequestSchema = z
  .strictObject({
    mode: degradationModeSchema,
    tier: tierSchema.optional(),
    until: instantSchema.optional(),
    reason: reasonSchema,
  })
  .refine(
    (request) => request.mode === 'auto' || request.tier !== undefined,
    'tier is required when mode is pinned or floor',
  );
export const featureSwitchSchema = z.enum(['auto', 'on', 'off']);
export const putFeatureRequestSchema = z.strictObject({
  state: featureSwitchSchema,
  until: instantSchema.optional(),
  reason: reasonSchema,
});

export const featureViewSchema = z.object({
  key: z.string(),
  title: z.string(),
  class: z.string(),
  yieldsAtTier: tierSchema.optional(),
  fallback: z.string(),
  switch: featureSwitchSchema,
  until: instantSchema.optional(),
  effective: z.enum(['on', 'off']),
});
export const tierSignalViewSchema = z.object({
  key: z.string(),
  title: z.string(),
  unit: z.string(),
  value: z.number().optional().describe('absent: not known at the moment'),
  asksForTier: tierSchema,
});
export const degradationViewSchema = z.object({
  version: z.int(),
  mode: degradationModeSchema,
  tier: tierSchema,
  tierName: z.string(),
  requestedTier: tierSchema.optional(),
  until: instantSchema.optional(),
  auto: z
    .object({ tier: tierSchema, reason: z.string().optional() })
    .describe('what the controller holds right, whether or not it is in force'),
  control: z
    .object({ leader: z.string(), at: instantSchema, signals: z.array(tierSignalViewSchema) })
    .optional()
    .describe('the process that leads and what it sees; absent while none does'),
  features: z.array(featureViewSchema),
  updatedAt: instantSchema,
});

export const laneViewSchema = z.object({
  lane: z.string(),
  waiting: z.int(),
  active: z.int(),
  delayed: z.int(),
  failed: z.int(),
  outstanding: z.int(),
  oldestOutstandingMs: z.int().optional().describe('age of the oldest accepted and unsettled micro-batch'),
});
export const laneListSchema = z.object({ lanes: z.array(laneViewSchema), asOf: instantSchema });

export const deadLetterSchema = z.object({
  id: z.string(),
  kind: z.enum(['open', 'grab']),
  lane: z.string(),
  eventId: eventIdSchema,
  packetId: packetIdSchema,
  userId: userIdSchema,
  error: z.string(),
  createdAt: instantSchema,
  replayedAt: instantSchema.optional(),
  outcome: z.unknown().optional(),
});
export const deadLetterListSchema = z.object({
  deadLetters: z.array(deadLetterSchema),
  nextCursor: z.string().optional(),
});

export const auditEntrySchema = z.object({
  id: z.string(),
  at: instantSchema,
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  reason: z.string(),
  detail: z.unknown(),
});
export const auditLogSchema = z.object({ entries: z.array(auditEntrySchema), nextCursor: z.string().optional() });

export const opsSampleSchema = z.object({
  at: instantSchema,
  tier: tierSchema,
  mode: degradationModeSchema,
  lanes: z.array(laneViewSchema),
  gateways: z.array(z.record(z.string(), z.unknown())),
  events: z.array(z.object({ id: eventIdSchema, state: eventStateSchema, title: z.string() })),
});

export type EventPlan = z.infer<typeof eventPlanSchema>;
export type EventPlanInput = z.input<typeof createEventRequestSchema>;
export type PoolPlanInput = z.infer<typeof poolPlanSchema>;
export type OpsEvent = z.infer<typeof opsEventSchema>;
export type Reconciliation = z.infer<typeof reconciliationSchema>;
export type PoolReconciliation = z.infer<typeof poolReconciliationSchema>;
export type DegradationView = z.infer<typeof degradationViewSchema>;
export type PutTierRequest = z.infer<typeof putTierRequestSchema>;
export type PutFeatureRequest = z.infer<typeof putFeatureRequestSchema>;
export type LaneView = z.infer<typeof laneViewSchema>;
export type DeadLetter = z.infer<typeof deadLetterSchema>;
export type AuditEntry = z.infer<typeof auditEntrySchema>;
export type OpsSample = z.infer<typeof opsSampleSchema>;
