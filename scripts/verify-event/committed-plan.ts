import { z } from 'zod';
import { type CommittedPlan, canonicalPlan, commitmentOf, eventSecretBytesMin, findPoolFaults } from '#libs/domain';
import type { CommittedPool } from './pool-audit.ts';

/** What amounts derive from; the rest of the plan is compared as text. */
const planSchema = z.object({
  version: z.literal(1),
  eventId: z.int(),
  pools: z.array(
    z.object({
      poolId: z.int(),
      waveNo: z.int(),
      sponsorNo: z.int(),
      packetCount: z.int(),
      blockSize: z.int().min(1).max(256),
      budgetFen: z.int(),
      minFen: z.int(),
      maxFen: z.int(),
      sharePortions: z.int(),
      shareBudgetFen: z.int(),
      releaseCurve: z.custom<CommittedPool['releaseCurve']>(),
    }),
  ),
});

export type PlanResult = { readonly pools: readonly CommittedPool[] } | { readonly difference: string };

/** The secret of its hex digits; undefined when they are none. */
export function secretOf(text: string): Buffer | undefined {
  const isHex = text.length % 2 === 0 && /^[0-9a-f]+$/.test(text);
  const secret = Buffer.from(isHex ? text : '', 'hex');
  return secret.length >= eventSecretBytesMin ? secret : undefined;
}

/** The difference between what was committed to and what is published now; undefined when there is none. */
export function commitmentDifference(
  published: { readonly commitment: string; readonly secret: Buffer; readonly planText: string },
  noted: string | undefined,
): string | undefined {
  if (noted !== undefined && noted !== published.commitment) {
    return `commitment: ${noted} was noted before the event, ${published.commitment} is published now`;
  }
  const derived = commitmentOf(published.secret, published.planText);
  if (derived === published.commitment) return undefined;
  return `commitment: ${published.commitment} was published, secret and plan make ${derived}`;
}

/** The pools of the committed text, held against the tables that the product works from. */
export function committedPools(planText: string, eventId: number, tables: CommittedPlan): PlanResult {
  const parsed = planSchema.safeParse(JSON.parse(planText));
  if (!parsed.success) return { difference: `plan: the committed text is no plan: ${z.prettifyError(parsed.error)}` };
  const { pools } = parsed.data;
  if (parsed.data.eventId !== eventId)
    return { difference: `plan: the committed text is of event ${parsed.data.eventId}` };
  for (const pool of pools) {
    const [fault] = findPoolFaults(pool);
    if (fault !== undefined) return { difference: `plan: pool ${pool.poolId}: ${fault}` };
  }
  const text = canonicalPlan(tables);
  if (text === planText) return { pools };
  return {
    difference: `plan: ${firstDifference(JSON.parse(planText), JSON.parse(text)) ?? 'is not in its canonical form'}`,
  };
}

/** The first place where two JSON values differ: `pools[0].budgetFen: committed 6400, in the tables 6500`. */
export function firstDifference(committed: unknown, tables: unknown, path = ''): string | undefined {
  if (isObject(committed) && isObject(tables)) {
    for (const key of new Set([...Object.keys(committed), ...Object.keys(tables)])) {
      const inner = Array.isArray(committed) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
      const difference = firstDifference(committed[key], tables[key], inner);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (committed === tables) return undefined;
  return `${path}: committed ${JSON.stringify(committed)}, in the tables ${JSON.stringify(tables)}`;
}

/** Lists too: by index. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
