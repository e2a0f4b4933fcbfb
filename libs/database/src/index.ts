/** PostgreSQL: pools, migrations, and one operation per file. Money is SQL; Prisma serves plain reads. */
export {
  type AuditRunner,
  type AuditStep,
  auditAllWallets,
  auditEvent,
  auditPart,
  grabPacketsOf,
  type LedgerPart,
  on,
  onSnapshots,
} from './audit-event.ts';
export { isBlocked, isDatabaseAway, isDataError, isRetryable } from './errors.ts';
export { applyMigrations, assertMigrated, MigrationError } from './migrations.ts';
export {
  createPool,
  type Db,
  inSnapshot,
  inTransaction,
  type Pool,
  type PoolClient,
  type PoolOptions,
} from './pool.ts';
export { createPrisma, type PrismaClient } from './prisma.ts';
export { type DeadLetterRecord, findDeadLetter, listDeadLetters } from './read/dead-letters.ts';
export {
  type EventFilter,
  type EventRecord,
  loadEvents,
  type PoolRecord,
  type SponsorRecord,
  type WaveRecord,
} from './read/load-events.ts';
export { type AuditRecord, listAuditEntries, readDegradation } from './read/operations.ts';
export { type Arming, armEvent } from './sql/arm-event.sql.ts';
export type { GrabsPage } from './sql/audit-grabs.sql.ts';
export type { GrantsPage } from './sql/audit-grants.sql.ts';
export { type PacketRange, rangeAt, rowsPerPage } from './sql/audit-page.ts';
export { type AuditedPool, auditPools, type PoolsAudit } from './sql/audit-pools.sql.ts';
export { beginSettlement } from './sql/begin-settlement.sql.ts';
export { type BookedSince, isIn, poolIdOf, readBookedSince, readWatermarkMs } from './sql/booked-since.sql.ts';
export { closeBlocks } from './sql/close-blocks.sql.ts';
export { closeDeadLetter } from './sql/close-dead-letter.sql.ts';
export { countOpenDeadLetters } from './sql/count-dead-letters.sql.ts';
export { countReclaimed } from './sql/count-reclaimed.sql.ts';
export { createEvent } from './sql/create-event.sql.ts';
export { findEventState } from './sql/find-event-state.sql.ts';
export { findPacket } from './sql/find-packet.sql.ts';
export type { GrantRecord } from './sql/grant-record.ts';
export { hasRetiredBlocks } from './sql/has-retired-blocks.sql.ts';
export { insertAuditEntry, type NewAuditEntry } from './sql/insert-audit-entry.sql.ts';
export { type DeadLetterKind, insertDeadLetters, type NewDeadLetter } from './sql/insert-dead-letters.sql.ts';
export { readLastIssueUntil } from './sql/last-issue-until.sql.ts';
export { type LuckyRecord, listLuckiest } from './sql/list-luckiest.sql.ts';
export { listPackets, type PacketPage } from './sql/list-packets.sql.ts';
export { listReclaimable, type ReclaimCandidate } from './sql/list-reclaimable.sql.ts';
export { loadEventSecret } from './sql/load-event-secret.sql.ts';
export { type EventMove, moveEvent } from './sql/move-event.sql.ts';
export { type PacketLedgerStatus, type PacketQuestion, readPacketStatus } from './sql/packet-status.sql.ts';
export {
  findGrab,
  type GrabRecord,
  listGrabs,
  readShare,
  type ShareKey,
  type ShareRecord,
} from './sql/read-share.sql.ts';
export { readWallet } from './sql/read-wallet.sql.ts';
export { type Reclaim, reclaimBlocks } from './sql/reclaim-blocks.sql.ts';
export { type Restocked, type Restocking, restockBlocks } from './sql/restock-blocks.sql.ts';
export { retireBlocks } from './sql/retire-blocks.sql.ts';
export { type DegradationChange, saveDegradation } from './sql/save-degradation.sql.ts';
export { type Settling, settleEvent } from './sql/settle-event.sql.ts';
export { type GrabClaim, type GrabDenial, type GrabSettlement, settleGrabs } from './sql/settle-grabs.sql.ts';
export {
  type OpenClaim,
  type OpenDenial,
  type OpenSettlement,
  settleClaimsMax,
  settleOpens,
} from './sql/settle-opens.sql.ts';
export { type PoolStocking, type StockedBlockRow, type Stocking, stockBlocks } from './sql/stock-blocks.sql.ts';
export { createStockerPool, keepStockerLock, withStockerLock } from './stocker-lock.ts';
export { type Violation, type ViolationRule, violationRules } from './violation.ts';
