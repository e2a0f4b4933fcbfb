export { freePort, isPortFree } from './free-port.ts';
export type { LocalServer } from './local-server.ts';
export { openLog, readLogTail } from './log-file.ts';
export { parentDeathCommand } from './parent-death.ts';
export { type PostgresOptions, startPostgres } from './postgres.ts';
export {
  type ClusterCopy,
  type CopiedCluster,
  closeDataDir,
  copyCluster,
  copyWal,
  type FoundPostgres,
  findPostgres,
  isBackedUp,
  moveCluster,
  placeCluster,
  removeCluster,
} from './postgres-backup.ts';
export { type CopiedFile, copyHashed, copyVerified, syncTree, writeHashed } from './postgres-backup-files.ts';
export { type WalRange, walSegmentsOf } from './postgres-backup-wal.ts';
export { makePassableDir } from './postgres-files.ts';
export { type RedisOptions, startRedis } from './redis.ts';
export { findRedisServer } from './redis-server.ts';
export { type ServerExit, ServerStartError } from './server-process.ts';
