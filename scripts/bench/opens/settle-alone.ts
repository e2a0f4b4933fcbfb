import {
  createPool,
  isRetryable,
  loadEventSecret,
  type OpenClaim,
  type OpenSettlement,
  type Pool,
  settleOpens,
} from '#libs/database';
import { deriveRunAmounts, type PoolPlan, packetRefOf, runPositionOf } from '#libs/domain';
import { treeMicrosOf } from '../measure/process-usage.ts';
import type { BenchSystem } from './bench-system.ts';
import { makeOpensEvent } from './opens-event.ts';
import { makeWorkload, userNameOf } from './workload.ts';

/** As allocation makes its calls: so many at once, each statement limited in the same way. */
const callsAtOnce = 2;
const statementTimeoutMs = 10_000;
const lockTimeoutMs = 2000;
/** Of the calls: connections are made, plans are kept. */
const warmUpShare = 0.15;

export interface SettleRun {
  readonly creditedPerSecond: number;
  readonly claimsPerSecond: number;
  /** CPU time of PostgreSQL for each credited open. */
  readonly postgresMicrosEach: number;
  readonly repeats: number;
}

/** The workload's opens straight to `settle_opens`: what gateways answer from memory (late repeats) is left out. */
export async function settleAlone(
  system: BenchSystem,
  users: readonly number[],
  itemsPerCall: number,
): Promise<SettleRun> {
  const claims = await claimsOf(system, users);
  const pool = createPool({
    connectionString: system.stack.databaseUrl,
    applicationName: 'benchmark settle',
    max: callsAtOnce,
    statementTimeoutMs,
    lockTimeoutMs,
  });
  try {
    const warmUp = Math.floor(claims.length * warmUpShare);
    await settle(pool, claims.slice(0, warmUp), itemsPerCall);
    const before = await treeMicrosOf(system.postgresPid);
    const { credited, seconds, repeats } = await settle(pool, claims.slice(warmUp), itemsPerCall);
    const micros = (await treeMicrosOf(system.postgresPid)) - before;
    return {
      creditedPerSecond: credited / seconds,
      claimsPerSecond: (claims.length - warmUp) / seconds,
      postgresMicrosEach: micros / credited,
      repeats,
    };
  } finally {
    await pool.end();
  }
}

async function settle(pool: Pool, claims: readonly OpenClaim[], itemsPerCall: number) {
  let next = 0;
  let credited = 0;
  let repeats = 0;
  const work = async (): Promise<void> => {
    while (next < claims.length) {
      const batch = claims.slice(next, next + itemsPerCall);
      next += itemsPerCall;
      const settlements = await untilSettled(pool, batch, () => {
        repeats += 1;
      });
      credited += settlements.filter((one) => one.outcome === 'credited' && one.isNew).length;
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: callsAtOnce }, work));
  return { credited, repeats, seconds: (performance.now() - startMs) / 1000 };
}

async function untilSettled(pool: Pool, claims: readonly OpenClaim[], onRepeat: () => void): Promise<OpenSettlement[]> {
  for (;;) {
    try {
      return await settleOpens(pool, claims);
    } catch (error) {
      if (!isRetryable(error)) throw error;
      onRepeat();
    }
  }
}

/** What allocation would make of the opens: an amount for each, derived beforehand. */
async function claimsOf(system: BenchSystem, users: readonly number[]): Promise<OpenClaim[]> {
  const { eventId, blocks, lanes } = await makeOpensEvent(system, users.length);
  const workload = makeWorkload({ blocks, lanes, users, seed: eventId });
  const secret = await loadEventSecret(system.pool, eventId);
  if (secret === undefined) throw new Error(`event ${eventId} has no secret`);
  const amounts = new Amounts(secret, await plansOf(system, eventId));
  const acceptedAtMs = Date.now();
  const claims: OpenClaim[] = [];
  for (const [at, no] of workload.opens.entries()) {
    if (workload.isLateRepeat[at] === 1) continue;
    const { user, packetId, sponsorNo, epoch } = workload.tickets[no]!;
    const userId = userNameOf(users[user]!);
    const amountFen = amounts.of(packetId);
    claims.push({ packetId, eventId, sponsorNo, userId, epoch, acceptedAtMs: acceptedAtMs + at, amountFen });
  }
  return claims;
}

class Amounts {
  private readonly runs = new Map<string, readonly number[]>();

  constructor(
    private readonly secret: Buffer,
    private readonly plans: ReadonlyMap<number, PoolPlan>,
  ) {}

  of(packetId: bigint): number {
    const ref = packetRefOf(packetId);
    const plan = this.plans.get(ref.poolId)!;
    const { runNo, position } = runPositionOf(plan, ref);
    const key = `${ref.poolId}/${runNo}`;
    const run = this.runs.get(key) ?? deriveRunAmounts(this.secret, plan, runNo);
    this.runs.set(key, run);
    return run[position]!;
  }
}

async function plansOf({ ops }: BenchSystem, eventId: number): Promise<Map<number, PoolPlan>> {
  const { plan, pools } = await ops.event(String(eventId));
  const planned = plan.waves.flatMap((wave) => wave.pools.map((pool) => ({ ...pool, waveNo: wave.no })));
  return new Map(
    pools.map(({ poolId, waveNo, sponsorId, blockSize }) => {
      const pool = planned.find((one) => one.waveNo === waveNo && one.sponsorId === sponsorId)!;
      return [poolId, { ...pool, poolId, blockSize }];
    }),
  );
}
