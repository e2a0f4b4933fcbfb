import { createHash } from 'node:crypto';
import type { PoolPlan } from './pool-plan.ts';
import type { ReleaseCurve } from './release-curve.ts';

/*
 * The commitment: published when the event is armed, before anybody can shake. When the secret is revealed after settling,
 * everybody can check that secret and plan are those of the beginning and recompute every amount (amounts.ts).
 *
 *   commitment = hex SHA-256("hongbao/v1/commitment" ‖ 0x00 ‖ u32 length of secret ‖ secret ‖ canonical plan in UTF-8)
 *
 * The canonical plan is JSON as in RFC 8785: keys sorted, no white space, numbers as ECMAScript writes them; sponsors, waves
 * and pools are sorted by their numbers. It is published as text, so that nobody needs to canonicalise to verify.
 */

/** What an event commits to. Times in milliseconds since the epoch. */
export interface CommittedPlan {
  readonly eventId: number;
  readonly title: string;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly perUserMax: number;
  readonly sponsors: readonly { readonly no: number; readonly id: string; readonly name: string }[];
  readonly waves: readonly { readonly no: number; readonly startsAtMs: number; readonly durationMs: number }[];
  readonly pools: readonly (PoolPlan & {
    readonly waveNo: number;
    readonly sponsorNo: number;
    readonly releaseCurve: ReleaseCurve;
  })[];
}

/** The canonical JSON of a plan: the same text for the same plan, in whatever order its lists are and whatever else they carry. */
export function canonicalPlan(plan: CommittedPlan): string {
  return canonicalJson({
    version: 1,
    eventId: plan.eventId,
    title: plan.title,
    startsAtMs: plan.startsAtMs,
    endsAtMs: plan.endsAtMs,
    perUserMax: plan.perUserMax,
    sponsors: sortedBy(plan.sponsors, 'no').map(({ no, id, name }) => ({ no, id, name })),
    waves: sortedBy(plan.waves, 'no').map(({ no, startsAtMs, durationMs }) => ({ no, startsAtMs, durationMs })),
    pools: sortedBy(plan.pools, 'poolId').map(canonicalPool),
  });
}

/** The commitment to a secret and a canonical plan: 64 lowercase hex digits. */
export function commitmentOf(secret: Buffer, canonicalPlanText: string): string {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(secret.length, 0);
  return createHash('sha256')
    .update('hongbao/v1/commitment\0', 'latin1')
    .update(length)
    .update(secret)
    .update(canonicalPlanText, 'utf8')
    .digest('hex');
}

/** Takes the committed fields alone, so that an extra column of a row cannot change the text. */
function canonicalPool(pool: CommittedPlan['pools'][number]): CommittedPlan['pools'][number] {
  const {
    poolId,
    waveNo,
    sponsorNo,
    packetCount,
    blockSize,
    budgetFen,
    minFen,
    maxFen,
    sharePortions,
    shareBudgetFen,
    releaseCurve,
  } = pool;
  return {
    poolId,
    waveNo,
    sponsorNo,
    packetCount,
    blockSize,
    budgetFen,
    minFen,
    maxFen,
    sharePortions,
    shareBudgetFen,
    releaseCurve,
  };
}

function sortedBy<K extends string, T extends Readonly<Record<K, number>>>(list: readonly T[], key: K): T[] {
  return [...list].sort((a, b) => a[key] - b[key]);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (isPlainObject(inner) ? sortKeys(inner) : inner));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sortKeys(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(object)
      .sort()
      .map((key) => [key, object[key]]),
  );
}
