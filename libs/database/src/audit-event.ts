import { setPlanner } from './planner.ts';
import { type Db, inSnapshot, type Pool } from './pool.ts';
import { auditBlocks, blocksPerPage } from './sql/audit-blocks.sql.ts';
import { auditDenials, type DenialKey, type DenialsPage } from './sql/audit-denials.sql.ts';
import { auditGrabs, type GrabsPage } from './sql/audit-grabs.sql.ts';
import { auditGrants, type GrantsPage } from './sql/audit-grants.sql.ts';
import { type LedgerPage, type PacketRange, rangeAt, rowsPerPage, startOf, walletPageBits } from './sql/audit-page.ts';
import { type AuditedPool, auditPools, type PoolsAudit } from './sql/audit-pools.sql.ts';
import { auditWallets, lastAccountId } from './sql/audit-wallets.sql.ts';
import { findStrays } from './sql/find-strays.sql.ts';
import type { Violation } from './violation.ts';

/** What one statement of an audit found. */
export type AuditStep =
  | ({ readonly step: 'pools' } & PoolsAudit)
  | {
      readonly step: 'grants';
      readonly pool: AuditedPool;
      readonly page: GrantsPage;
      readonly violations: readonly Violation[];
    }
  | {
      readonly step: 'grabs';
      readonly pool: AuditedPool;
      readonly page: GrabsPage;
      readonly violations: readonly Violation[];
    }
  | {
      readonly step: 'blocks' | 'denials' | 'sums' | 'wallets' | 'strays';
      readonly violations: readonly Violation[];
    };

const straysMax = 100;

/**
 * Ranges are read through their indexes; rows of a page are hashed or merged, since nested loops over whole pages are what a wrong
 * estimate chooses and what never ends.
 */
const pagePlans = {
  enable_seqscan: 'off',
  enable_nestloop: 'off',
  enable_bitmapscan: 'on',
  enable_sort: 'on',
} as const;

/** A wallet is looked up by its id, its transfers by theirs; what a denial rests on by packet and by wallet. */
const lookupPlans = {
  enable_seqscan: 'off',
  enable_nestloop: 'on',
  enable_bitmapscan: 'on',
  enable_sort: 'on',
} as const;

/** Where the steps of an audit run: one after the other on `run`'s connection, in its transaction if it has one. */
export type AuditRunner = <T>(work: (db: Db) => Promise<T>) => Promise<T>;

/** All steps on one connection: give it the client of an `inSnapshot`, and what they see belongs together. */
export function on(db: Db): AuditRunner {
  return (work) => work(db);
}

/** Each step on a snapshot of its own: between two of them nothing is held, neither a connection nor old versions of rows. */
export function onSnapshots(pool: Pool): AuditRunner {
  return (work) => inSnapshot(pool, work);
}

/**
 * Everything that an event's ledger must be (invariants 1, 3, 4, 5, 7, 8), step by step, one short statement each whatever the size of the
 * ledger; what a step proves stands at its operation. Nothing for an event that does not exist. Steps that are taken in one `inSnapshot`
 * belong together. Taken in a snapshot each, they still prove the event: each looks at facts that are booked in one
 * transaction (a grant with its transfer and its wallet's balance), and of grants, denials and grabs none ever changes.
 */
export async function* auditEvent(run: AuditRunner, eventId: number): AsyncGenerator<AuditStep, void, undefined> {
  const audit = await run((db) => auditPools(db, eventId));
  if (audit === undefined) return;
  yield { step: 'pools', ...audit };
  const walletPages = new Set<number>();
  for (const pool of audit.pools) yield* auditPool(run, pool, walletPages);
  for (const page of [...walletPages].sort((a, b) => a - b)) yield await run((db) => walletsStep(db, page, eventId));
  yield { step: 'strays', violations: await run((db) => findStrays(db, straysMax)) };
}

/** All wallets there are, whatever event they have to do with; see `auditWallets`. */
export async function* auditAllWallets(run: AuditRunner): AsyncGenerator<AuditStep, void, undefined> {
  const lastPage = Number((await run(lastAccountId)) >> BigInt(walletPageBits));
  for (let page = 0; page <= lastPage; page++) yield await run((db) => walletsStep(db, page));
}

/** A part of an event: ranges of packets, which are whole runs (see `rangeAt`), and wallets. */
export interface LedgerPart {
  readonly eventId: number;
  readonly grants: ReadonlyArray<readonly [AuditedPool, PacketRange]>;
  readonly grabs: ReadonlyArray<readonly [AuditedPool, PacketRange]>;
  readonly walletIds: readonly bigint[];
}

/** A part of an event as `auditEvent` looks at the whole of it; denials, which book nothing, are left to that. */
export async function* auditPart(run: AuditRunner, part: LedgerPart): AsyncGenerator<AuditStep, void, undefined> {
  for (const [pool, range] of part.grants) yield await run((db) => grantsStep(db, pool, range));
  for (const [pool, range] of part.grabs) yield await run((db) => grabsStep(db, pool, range));
  const atOnce = 2 ** walletPageBits;
  for (let i = 0; i < part.walletIds.length; i += atOnce) {
    const ids = part.walletIds.slice(i, i + atOnce);
    yield await run((db) => namedWalletsStep(db, ids, part.eventId));
  }
}

async function* auditPool(
  run: AuditRunner,
  pool: AuditedPool,
  walletPages: Set<number>,
): AsyncGenerator<AuditStep, void, undefined> {
  for (let block = 0; block < pool.blockCount; block += blocksPerPage) {
    yield { step: 'blocks', violations: await run((db) => auditBlocks(db, pool, block)) };
  }
  let fen = pool.refundedFen;
  const take = ({ page }: { readonly page: LedgerPage }): bigint | undefined => {
    fen += page.fen;
    for (const walletPage of page.walletPages) walletPages.add(walletPage);
    return page.nextId;
  };
  for (let id: bigint | undefined = startOf(pool); id !== undefined; ) {
    const range = rangeAt(pool, id, rowsPerPage);
    const step = await run((db) => grantsStep(db, pool, range));
    yield step;
    id = take(step);
  }
  for (let id: bigint | undefined = startOf(pool); id !== undefined; ) {
    const range = rangeAt(pool, id, grabPacketsOf(pool));
    const step = await run((db) => grabsStep(db, pool, range));
    yield step;
    id = take(step);
  }
  yield { step: 'sums', violations: overdrawnOf(pool, fen) };
  let after: DenialKey | undefined;
  do {
    const { lastKey, violations } = await run((db) => denialsPage(db, pool, after));
    yield { step: 'denials', violations };
    after = lastKey;
  } while (after !== undefined);
}

/** Packets of one statement about grabs: about as many portions as a page has rows. */
export function grabPacketsOf({ sharePortions }: AuditedPool): number {
  return rowsPerPage / Math.max(1, sharePortions);
}

function overdrawnOf({ poolId, fundedFen }: AuditedPool, fen: number): Violation[] {
  if (fen <= fundedFen) return [];
  return [
    { rule: 'overdrawn', subject: `pool ${poolId}`, detail: `gave out more than it got, by ${fen - fundedFen} fen` },
  ];
}

async function grantsStep(db: Db, pool: AuditedPool, range: PacketRange) {
  await setPlanner(db, pagePlans);
  const page = await auditGrants(db, pool, range);
  return { step: 'grants', pool, page, violations: page.violations } as const;
}

async function grabsStep(db: Db, pool: AuditedPool, range: PacketRange) {
  await setPlanner(db, pagePlans);
  const page = await auditGrabs(db, pool, range);
  return { step: 'grabs', pool, page, violations: page.violations } as const;
}

async function denialsPage(db: Db, pool: AuditedPool, after: DenialKey | undefined): Promise<DenialsPage> {
  await setPlanner(db, lookupPlans);
  return await auditDenials(db, pool, after);
}

async function walletsStep(db: Db, walletPage: number, eventId?: number): Promise<AuditStep> {
  await setPlanner(db, lookupPlans);
  const from = BigInt(walletPage) << BigInt(walletPageBits);
  const wallets = { from, to: from + (1n << BigInt(walletPageBits)) };
  return { step: 'wallets', ...(await auditWallets(db, { eventId, wallets })) };
}

async function namedWalletsStep(db: Db, ids: readonly bigint[], eventId: number): Promise<AuditStep> {
  await setPlanner(db, lookupPlans);
  return { step: 'wallets', ...(await auditWallets(db, { eventId, wallets: { ids } })) };
}
