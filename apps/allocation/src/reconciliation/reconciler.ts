import type { Reconciliation } from '#libs/contracts';
import {
  type EventRecord,
  findViolations,
  inSnapshot,
  loadEventSecret,
  type Pool,
  type PoolClient,
  type PrismaClient,
  readPoolSums,
  streamGrabs,
  streamGrants,
} from '#libs/database';
import { isRedisAway, type RedisClient, readIssued } from '#libs/redis';
import { loadEvent } from '../events/event-store.ts';
import { PoolProof } from './pool-proof.ts';
import { type PoolFinding, reportOf } from './report.ts';

export interface ReconcilerDeps {
  /** A pool of its own: a report holds its connection for seconds. */
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly cache: RedisClient;
}

/** Rows per page: some twenty blocks are derived between two pages, so nothing else in the process waits long. */
const pageSize = 5000;
const violationsPerRuleMax = 50;

/**
 * The money proof of an event from the ledger alone, on one snapshot of the database: whatever is booked meanwhile, what it reads
 * belongs together (invariant 8).
 */
export class Reconciler {
  /** Reports under way; who asks for the same one shares it. */
  private readonly underWay = new Map<number, Promise<Reconciliation | undefined>>();

  constructor(private readonly deps: ReconcilerDeps) {}

  /** Undefined for an event that does not exist. @throws the database's error. */
  reconcile(eventId: number): Promise<Reconciliation | undefined> {
    const known = this.underWay.get(eventId);
    if (known !== undefined) return known;
    const report = this.prove(eventId).finally(() => this.underWay.delete(eventId));
    this.underWay.set(eventId, report);
    return report;
  }

  /** A report of its own, on a snapshot that is taken after this call. Undefined for an event that does not exist. @throws the database's error. */
  async prove(eventId: number): Promise<Reconciliation | undefined> {
    const { pool, prisma } = this.deps;
    // before the snapshot: what is settled by now has its refunds in it
    const event = await loadEvent(prisma, eventId);
    if (event === undefined) return undefined;
    const issued = await this.readIssued();
    const found = await inSnapshot(pool, (client) => findingsOf(client, event));
    const issuedPackets = event.pools.reduce((sum, { poolId }) => sum + (issued.get(poolId) ?? 0), 0);
    return reportOf({ event, ...found, issuedPackets, asOfMs: Date.now() });
  }

  /** Informational, so a Redis that is away takes nothing from the proof. */
  private async readIssued(): Promise<ReadonlyMap<number, number>> {
    try {
      return await readIssued(this.deps.cache);
    } catch (error) {
      if (!isRedisAway(error)) throw error;
      return new Map();
    }
  }
}

async function findingsOf(
  client: PoolClient,
  event: EventRecord,
): Promise<{ pools: PoolFinding[]; violations: string[] }> {
  const secret = await loadEventSecret(client, event.id);
  const pools: PoolFinding[] = [];
  const violations: string[] = [];
  for (const sums of await readPoolSums(client, event.id)) {
    const proof = secret === undefined ? undefined : await provePool(client, event, sums.poolId, secret);
    pools.push({ sums, derivedUnclaimedFen: proof?.unclaimedFen });
    violations.push(...(proof?.violations ?? []));
  }
  const found = await findViolations(client, { eventId: event.id, limitPerRule: violationsPerRuleMax });
  violations.push(...found.map(({ rule, subject, detail }) => `${rule}: ${subject}: ${detail}`));
  return { pools, violations };
}

async function provePool(client: PoolClient, event: EventRecord, poolId: number, secret: Buffer): Promise<PoolProof> {
  const plan = event.pools.find((pool) => pool.poolId === poolId)!;
  const proof = new PoolProof(secret, plan);
  for await (const grants of streamGrants(client, { poolId, pageSize })) proof.addGrants(grants);
  for await (const grabs of streamGrabs(client, { poolId, pageSize })) proof.addGrabs(grabs);
  return proof;
}
