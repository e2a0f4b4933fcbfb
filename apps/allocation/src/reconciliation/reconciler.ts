import type { Reconciliation } from '#libs/contracts';
import {
  auditEvent,
  type EventRecord,
  inSnapshot,
  loadEventSecret,
  on,
  type Pool,
  type PoolClient,
  type PrismaClient,
} from '#libs/database';
import { isRedisAway, type RedisClient, readIssued } from '#libs/redis';
import { loadEvent } from '../events/event-store.ts';
import { EventProof } from './event-proof.ts';
import { reportOf } from './report.ts';

export interface ReconcilerDeps {
  /** A pool of its own: a report holds its connection for seconds. */
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly cache: RedisClient;
}

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
    const proof = await inSnapshot(pool, (client) => proofOf(client, event));
    const { findings: pools, violations } = proof;
    const issuedPackets = event.pools.reduce((sum, { poolId }) => sum + (issued.get(poolId) ?? 0), 0);
    return reportOf({ event, pools, violations, issuedPackets, asOfMs: Date.now() });
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

/** The next statement runs while the amounts of the last one are derived: a process has time between two of them for all else. */
async function proofOf(client: PoolClient, event: EventRecord): Promise<EventProof> {
  const proof = new EventProof(event, await loadEventSecret(client, event.id));
  const steps = auditEvent(on(client), event.id);
  for (let next = steps.next(); ; ) {
    const { done, value } = await next;
    if (done === true) return proof;
    next = steps.next();
    // told when it is awaited; without this a fault in `take` would leave it unheard
    next.catch(() => undefined);
    proof.take(value);
  }
}
