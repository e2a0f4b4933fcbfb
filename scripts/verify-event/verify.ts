import { inSnapshot, type Pool, type PoolClient } from '#libs/database';
import { commitmentDifference, committedPools, secretOf } from './committed-plan.ts';
import { type CommittedPool, PoolAudit, type PoolSums } from './pool-audit.ts';
import { allowWholeTables, type BookingKind, forcePagesByIndex, readBookings } from './read-bookings.ts';
import { countRows, type PublishedEvent, readPoolLedgers, readPublished, readTablePlan } from './read-event.ts';

export type Verdict =
  | { readonly verdict: 'verified'; readonly commitment: string; readonly pools: readonly PoolSums[] }
  /** The first difference, a sentence. */
  | { readonly verdict: 'different'; readonly difference: string }
  | { readonly verdict: 'not_verifiable'; readonly why: string };

export interface Question {
  readonly eventId: number;
  /** The commitment as the auditor noted it before the event. */
  readonly noted: string | undefined;
  /** Told after each page how many rows of the ledger have been read. */
  readonly onRows: (rows: number) => void;
}

interface Proof {
  readonly commitment: string;
  readonly secret: Buffer;
  readonly planText: string;
}

/**
 * Recomputes every amount of a settled event from its revealed secret and committed plan and holds it against everything that is booked,
 * on one snapshot of the database, read only. Memory does not grow with the event. @throws the database's error.
 */
export async function verifyEvent(pool: Pool, question: Question): Promise<Verdict> {
  return await inSnapshot(pool, async (client) => {
    const event = await readPublished(client, question.eventId);
    const proof = proofOf(question.eventId, event);
    if ('verdict' in proof) return proof;
    const difference = commitmentDifference(proof, question.noted);
    if (difference !== undefined) return { verdict: 'different', difference };
    return await auditPools(client, question, proof);
  });
}

function proofOf(eventId: number, event: PublishedEvent | undefined): Proof | Verdict {
  if (event === undefined) return { verdict: 'not_verifiable', why: `event ${eventId} does not exist` };
  const { commitment, planText, secretText } = event;
  if (event.state !== 'settled') {
    const why = `event ${eventId} is ${event.state}: its secret is revealed, and its amounts can be verified, when it is settled`;
    return { verdict: 'not_verifiable', why };
  }
  if (commitment === null || planText === null || secretText === null) {
    return { verdict: 'different', difference: `event ${eventId} is settled and lacks commitment, plan or secret` };
  }
  const secret = secretOf(secretText);
  if (secret === undefined) return { verdict: 'different', difference: 'commitment: the published secret is none' };
  return { commitment, secret, planText };
}

async function auditPools(client: PoolClient, question: Question, proof: Proof): Promise<Verdict> {
  const { eventId } = question;
  const plan = committedPools(proof.planText, eventId, await readTablePlan(client, eventId));
  if ('difference' in plan) return { verdict: 'different', difference: plan.difference };
  const ledgers = new Map((await readPoolLedgers(client, eventId)).map((ledger) => [ledger.poolId, ledger]));
  const pools: PoolSums[] = [];
  await forcePagesByIndex(client);
  for (const pool of plan.pools) {
    const ledger = ledgers.get(pool.poolId)!;
    const audit = new PoolAudit(eventId, proof.secret, pool, ledger);
    const difference = (await auditPool(client, question, pool, audit)) ?? audit.close();
    if (difference !== undefined) return { verdict: 'different', difference };
    pools.push(audit.sums);
  }
  await allowWholeTables(client);
  const stray = strayDifference(eventId, await countRows(client, eventId), pools);
  if (stray !== undefined) return { verdict: 'different', difference: stray };
  return { verdict: 'verified', commitment: proof.commitment, pools };
}

async function auditPool(
  client: PoolClient,
  { onRows }: Question,
  { poolId }: CommittedPool,
  audit: PoolAudit,
): Promise<string | undefined> {
  for (const kind of ['grant', 'grab'] satisfies BookingKind[]) {
    for await (const page of readBookings(client, kind, poolId)) {
      const difference = audit.addPage(kind, page);
      if (difference !== undefined) return difference;
      onRows(page.bookings.length + page.transfers.length);
    }
  }
  return undefined;
}

/** Rows that name the event and lie in none of its pools. */
function strayDifference(
  eventId: number,
  counted: Readonly<Record<string, number>>,
  pools: readonly PoolSums[],
): string | undefined {
  for (const kind of ['grants', 'grabs', 'transfers'] as const) {
    const audited = pools.reduce((sum, pool) => sum + pool[kind], 0);
    if (counted[kind] !== audited) {
      return `${kind}: ${counted[kind]} rows name event ${eventId}, ${audited} are of its pools`;
    }
  }
  return undefined;
}
