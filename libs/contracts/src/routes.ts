/** The route tables from which the OpenAPI documents are made. Controllers are tested to serve exactly these. */
import { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import * as ops from './ops.schema.ts';
import { opsEventSchema } from './ops.schema.ts';
import * as open from './public.schema.ts';

export interface RouteDefinition {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Path with `:name` parameters, as in API.md. */
  readonly path: string;
  readonly summary: string;
  readonly auth: 'none' | 'session' | 'viewer' | 'operator';
  readonly body?: z.ZodType;
  readonly query?: readonly { name: string; description: string }[];
  readonly headers?: readonly { name: string; description: string }[];
  /** Success answers by status; `stream` for server-sent events, `text` for plain text. */
  readonly answers: Readonly<Record<number, z.ZodType | 'stream' | 'text' | 'html'>>;
  readonly errors: readonly ErrorCode[];
}

const health: RouteDefinition[] = [
  { method: 'GET', path: '/livez', summary: 'the process runs', auth: 'none', answers: { 200: 'text' }, errors: [] },
  {
    method: 'GET',
    path: '/readyz',
    summary: 'the process can do its work',
    auth: 'none',
    answers: { 200: 'text', 503: 'text' },
    errors: [],
  },
  {
    method: 'GET',
    path: '/openapi.json',
    summary: 'this document',
    auth: 'none',
    answers: { 200: z.looseObject({}) },
    errors: [],
  },
  {
    method: 'GET',
    path: '/docs',
    summary: 'this document as a page',
    auth: 'none',
    answers: { 200: 'html' },
    errors: [],
  },
];

const body: readonly ErrorCode[] = ['bad_request', 'too_large'];
const outcome: readonly ErrorCode[] = [
  'ticket_not_yours',
  'limit_reached',
  'sponsor_limit_reached',
  'ticket_expired',
  'packet_gone',
];
const shakeState = { name: 'X-Shake-State', description: 'signed client state: up to 4 tokens, separated by commas' };

export const publicRoutes: readonly RouteDefinition[] = [
  {
    method: 'POST',
    path: '/v1/sessions',
    summary: 'a guest session (where GUEST_SESSIONS=on)',
    auth: 'none',
    body: open.createSessionRequestSchema,
    answers: { 201: open.sessionSchema },
    errors: [...body, 'feature_off', 'overloaded'],
  },
  {
    method: 'GET',
    path: '/v1/events',
    summary: 'live and coming events',
    auth: 'none',
    answers: { 200: open.eventListSchema },
    errors: ['overloaded'],
  },
  {
    method: 'GET',
    path: '/v1/events/:eventId',
    summary: 'one event',
    auth: 'none',
    answers: { 200: open.eventViewSchema },
    errors: ['event_unknown', 'overloaded'],
  },
  {
    method: 'POST',
    path: '/v1/events/:eventId/shake',
    summary: 'one shake: a draw',
    auth: 'session',
    headers: [shakeState],
    answers: { 200: open.shakeAnswerSchema },
    errors: ['unauthenticated', 'event_unknown', 'bad_request', 'too_large'],
  },
  {
    method: 'POST',
    path: '/v1/packets/open',
    summary: 'open a packet with its ticket; repeating gives the same outcome',
    auth: 'session',
    headers: [shakeState],
    body: open.openRequestSchema,
    answers: { 200: open.creditedPacketSchema, 202: open.pendingPacketSchema },
    errors: [
      ...body,
      'unauthenticated',
      'ticket_invalid',
      ...outcome,
      'overloaded',
      'feature_off',
      'queue_unavailable',
      'dependency_unavailable',
    ],
  },
  {
    method: 'GET',
    path: '/v1/packets/:packetId',
    summary: 'what became of an open',
    auth: 'session',
    headers: [shakeState],
    query: [{ name: 'receipt', description: 'the receipt of a pending open' }],
    answers: { 200: open.creditedPacketSchema, 202: open.pendingPacketSchema },
    errors: [
      'bad_request',
      'unauthenticated',
      'ticket_invalid',
      'packet_unknown',
      ...outcome,
      'dependency_unavailable',
      'feature_off',
      'overloaded',
    ],
  },
  {
    method: 'GET',
    path: '/v1/me/packets',
    summary: 'history, newest first',
    auth: 'session',
    query: [
      { name: 'cursor', description: 'nextCursor of the page before' },
      { name: 'limit', description: 'entries per page, 1 to 50, default 20' },
    ],
    answers: { 200: open.historySchema },
    errors: ['bad_request', 'unauthenticated', 'feature_off', 'dependency_unavailable', 'overloaded'],
  },
  {
    method: 'GET',
    path: '/v1/me/wallet',
    summary: 'balance',
    auth: 'session',
    answers: { 200: open.walletSchema },
    errors: ['unauthenticated', 'feature_off', 'dependency_unavailable', 'overloaded'],
  },
  {
    method: 'POST',
    path: '/v1/packets/:packetId/share',
    summary: 'the share token of a packet; with the ticket nothing is looked up',
    auth: 'session',
    body: open.createShareRequestSchema,
    answers: { 201: open.shareSchema },
    errors: [
      ...body,
      'unauthenticated',
      'ticket_invalid',
      'ticket_not_yours',
      'packet_unknown',
      'share_expired',
      'state_conflict',
      'feature_off',
      'dependency_unavailable',
      'overloaded',
    ],
  },
  {
    method: 'GET',
    path: '/v1/shares/:shareToken',
    summary: 'share page; `yours` with a session',
    auth: 'none',
    answers: { 200: open.sharePageSchema },
    errors: [
      'share_invalid',
      'share_expired',
      'unauthenticated',
      'feature_off',
      'dependency_unavailable',
      'overloaded',
    ],
  },
  {
    method: 'POST',
    path: '/v1/shares/:shareToken/grab',
    summary: 'take a portion of a share; repeating gives the same outcome',
    auth: 'session',
    answers: { 200: open.grabAnswerSchema, 202: open.grabAnswerSchema },
    errors: [
      'bad_request',
      'too_large',
      'unauthenticated',
      'share_invalid',
      'share_expired',
      'overloaded',
      'queue_unavailable',
      'dependency_unavailable',
      'feature_off',
    ],
  },
  {
    method: 'GET',
    path: '/v1/events/:eventId/leaderboard',
    summary: 'the luckiest',
    auth: 'none',
    answers: { 200: open.leaderboardSchema },
    errors: ['event_unknown', 'feature_off', 'dependency_unavailable', 'overloaded'],
  },
  {
    method: 'GET',
    path: '/v1/events/:eventId/feed',
    summary: 'live feed of opens and grabs',
    auth: 'none',
    answers: { 200: 'stream' },
    errors: ['event_unknown', 'feature_off', 'dependency_unavailable', 'overloaded'],
  },
  {
    method: 'GET',
    path: '/play',
    summary: 'a page that shakes; with `share`, the page of a share',
    auth: 'none',
    query: [{ name: 'share', description: 'a share token' }],
    answers: { 200: 'html' },
    errors: [],
  },
  ...health,
];

const opsErrors: readonly ErrorCode[] = ['unauthenticated', 'forbidden', 'too_many_requests', 'dependency_unavailable'];
const act = (action: string, summary: string): RouteDefinition => ({
  method: 'POST',
  path: `/ops/v1/events/:eventId/${action}`,
  summary,
  auth: 'operator',
  body: ops.actRequestSchema,
  answers: { 200: opsEventSchema },
  errors: [
    ...body,
    ...opsErrors,
    'event_unknown',
    'state_conflict',
    ...(action === 'settle' ? (['too_early'] as const) : []),
  ],
});
const cursor = [
  { name: 'cursor', description: 'nextCursor of the page before' },
  { name: 'limit', description: 'entries per page, 1 to 200, default 50' },
];

export const opsRoutes: readonly RouteDefinition[] = [
  {
    method: 'POST',
    path: '/ops/v1/events',
    summary: 'create a draft event',
    auth: 'operator',
    body: ops.createEventRequestSchema,
    answers: { 201: opsEventSchema },
    errors: [...body, ...opsErrors, 'plan_invalid'],
  },
  {
    method: 'GET',
    path: '/ops/v1/events',
    summary: 'events, newest first',
    auth: 'viewer',
    query: cursor,
    answers: {
      200: z.object({
        events: z.array(
          z.object({
            id: z.string(),
            title: z.string(),
            state: ops.eventStateSchema,
            startsAt: z.string(),
            endsAt: z.string(),
          }),
        ),
        nextCursor: z.string().optional(),
      }),
    },
    errors: ['bad_request', ...opsErrors],
  },
  {
    method: 'GET',
    path: '/ops/v1/events/:eventId',
    summary: 'one event with its plan',
    auth: 'viewer',
    answers: { 200: opsEventSchema },
    errors: [...opsErrors, 'event_unknown'],
  },
  act('arm', 'fund the pools, make the secret and publish its commitment'),
  act('close', 'end the shakes now'),
  act('settle', 'refund what nobody claimed and reveal the secret'),
  {
    method: 'GET',
    path: '/ops/v1/events/:eventId/reconciliation',
    summary: 'the money proof, from the ledger',
    auth: 'viewer',
    answers: { 200: ops.reconciliationSchema },
    errors: [...opsErrors, 'event_unknown'],
  },
  {
    method: 'GET',
    path: '/ops/v1/degradation',
    summary: 'tier and features',
    auth: 'viewer',
    answers: { 200: ops.degradationViewSchema },
    errors: opsErrors,
  },
  {
    method: 'PUT',
    path: '/ops/v1/degradation/tier',
    summary: 'pin a tier, set a floor, or back to auto',
    auth: 'operator',
    body: ops.putTierRequestSchema,
    answers: { 200: ops.degradationViewSchema },
    errors: [...body, ...opsErrors],
  },
  {
    method: 'PUT',
    path: '/ops/v1/degradation/features/:key',
    summary: 'switch one feature on, off, or back to auto',
    auth: 'operator',
    body: ops.putFeatureRequestSchema,
    answers: { 200: ops.degradationViewSchema },
    errors: [...body, ...opsErrors, 'feature_unknown'],
  },
  {
    method: 'GET',
    path: '/ops/v1/lanes',
    summary: 'queue lag by lane',
    auth: 'viewer',
    answers: { 200: ops.laneListSchema },
    errors: opsErrors,
  },
  {
    method: 'GET',
    path: '/ops/v1/dead-letters',
    summary: 'items that could not be settled',
    auth: 'viewer',
    query: cursor,
    answers: { 200: ops.deadLetterListSchema },
    errors: ['bad_request', ...opsErrors],
  },
  {
    method: 'POST',
    path: '/ops/v1/dead-letters/:id/replay',
    summary: 'settle a dead letter again',
    auth: 'operator',
    body: ops.actRequestSchema,
    answers: { 200: ops.deadLetterSchema },
    errors: [...body, ...opsErrors, 'dead_letter_unknown', 'state_conflict'],
  },
  {
    method: 'GET',
    path: '/ops/v1/audit-log',
    summary: 'who did what, newest first',
    auth: 'viewer',
    query: cursor,
    answers: { 200: ops.auditLogSchema },
    errors: ['bad_request', ...opsErrors],
  },
  {
    method: 'GET',
    path: '/ops/v1/stream',
    summary: 'a sample of live figures each second',
    auth: 'viewer',
    answers: { 200: 'stream' },
    errors: opsErrors,
  },
  ...health,
];
