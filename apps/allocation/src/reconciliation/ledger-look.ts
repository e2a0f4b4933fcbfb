import {
  type AuditedPool,
  type AuditRunner,
  auditPart,
  auditPools,
  type EventRecord,
  grabPacketsOf,
  isIn,
  type PacketRange,
  poolIdOf,
  rangeAt,
  readBookedSince,
  rowsPerPage,
} from '#libs/database';
import { violationText } from './event-proof.ts';
import { PoolProof } from './pool-proof.ts';

export interface LookDeps {
  readonly run: AuditRunner;
  readonly event: EventRecord;
  readonly secret: Buffer;
  /** The database's time of the last look's watermark. */
  readonly sinceMs: number;
}

type Ranges = ReadonlyArray<readonly [AuditedPool, PacketRange]>;

/**
 * The equation over what was booked since the last look (invariant 8), statement by statement: of each run of 256 packets, and each
 * share, from which anything was taken, all that is booked is read and derived anew: run budget = granted + unclaimed, share budget = grabbed +
 * unclaimed, so that the pool's equation holds if it held before. And each wallet that was credited holds the sum of its
 * transfers. Yields the violations of each statement, mostly none.
 */
export async function* lookAt({ run, event, secret, sinceMs }: LookDeps): AsyncGenerator<string[], void, undefined> {
  const poolIds = event.pools.map(({ poolId }) => poolId);
  const booked = await run((db) => readBookedSince(db, { poolIds, sinceMs }));
  const audit = await run((db) => auditPools(db, event.id));
  if (audit === undefined) return;
  yield audit.violations.map(violationText);
  const pools = new Map(audit.pools.map((pool) => [pool.poolId, pool]));
  const part = {
    eventId: event.id,
    grants: rangesOf(pools, booked.grantedBlocks, () => rowsPerPage),
    grabs: rangesOf(pools, booked.grabbedBlocks, grabPacketsOf),
    walletIds: booked.walletIds,
  };
  for await (const step of auditPart(run, part)) {
    const found = step.violations.map(violationText);
    if (step.step !== 'grants' && step.step !== 'grabs') {
      yield found;
      continue;
    }
    const plan = event.pools.find(({ poolId }) => poolId === step.pool.poolId)!;
    const proof = new PoolProof(secret, plan);
    if (step.step === 'grants') proof.addGrants(step.page);
    else proof.addGrabs(step.page);
    yield [...found, ...proof.violations, ...differenceOf(proof, step)];
  }
}

function differenceOf(
  { claimedFen }: PoolProof,
  { step, pool, page }: { step: string; pool: AuditedPool; page: { fen: number; firstPacketNo: number } },
): string[] {
  if (claimedFen === page.fen) return [];
  return [
    `pool ${pool.poolId}: ${step} from packet ${page.firstPacketNo} on are ${page.fen} fen, ${claimedFen} are derived`,
  ];
}

/** The fewest ranges that hold all of these blocks, which are in ascending order. */
function rangesOf(
  pools: ReadonlyMap<number, AuditedPool>,
  blocks: readonly bigint[],
  packetsOf: (pool: AuditedPool) => number,
): Ranges {
  const ranges: [AuditedPool, PacketRange][] = [];
  for (const id of blocks) {
    const last = ranges.at(-1);
    if (last !== undefined && isIn(last[1], id)) continue;
    const pool = pools.get(poolIdOf(id));
    if (pool !== undefined) ranges.push([pool, rangeAt(pool, id, packetsOf(pool))]);
  }
  return ranges;
}
