import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { createPool, type PoolClient } from '#libs/database';
import {
  type CopiedFile,
  copyCluster,
  copyHashed,
  copyWal,
  type FoundPostgres,
  findPostgres,
  startPostgres,
  syncTree,
  walSegmentsOf,
  writeHashed,
} from '#libs/localservers';
import { takeDataDir } from '../stack/data-dir-lock.ts';
import { type ManifestContent, parts, passwordFile, writeManifest } from './manifest.ts';
import type { BackupOptions } from './options.ts';

/** Of DATA_DIR, besides the cluster: the keys of tickets, receipts, sessions and operators, and which event is the demo. */
const keptFiles = ['secrets.json', 'demo-event.json'];
/** A checkpoint of a busy server, written at once, is the longest of these statements. */
const statementTimeoutMs = 30 * 60_000;
const connectionTimeoutMs = 10_000;

type Say = (line: string) => void;

/**
 * Backs up the PostgreSQL of DATA_DIR and what is needed to honour what was signed: online while its server runs, else with a
 * server that is started for it. Resolves when all of it is on the disk. What was begun is removed when it fails.
 */
export async function takeBackup({ dataDir, to }: BackupOptions, say: Say): Promise<ManifestContent> {
  const postgresDir = join(dataDir, 'postgres');
  const found = await findPostgres(postgresDir);
  if (found === undefined) throw new Error(`${dataDir} holds no PostgreSQL of npm start: set DATA_DIR to where it is`);
  if (`${to}${sep}`.startsWith(`${found.dir}${sep}`)) throw new Error(`${to} lies in the cluster itself`);
  if (found.url !== undefined) return await backUpTo(to, dataDir, { ...found, url: found.url });
  const lock = await takeDataDir(dataDir);
  if (!lock.taken) {
    throw new Error(
      `${dataDir} is in use by process ${lock.holder} and its PostgreSQL is not ready: try again when it is up, or stopped`,
    );
  }
  try {
    say('PostgreSQL does not run: it is started for the backup');
    const server = await startPostgres({ dataDir: postgresDir, say });
    try {
      return await backUpTo(to, dataDir, { ...found, url: server.url });
    } finally {
      await server.stop();
    }
  } finally {
    await lock.release();
  }
}

type RunningPostgres = FoundPostgres & { url: string };

async function backUpTo(to: string, dataDir: string, postgres: RunningPostgres): Promise<ManifestContent> {
  await openEmpty(to);
  try {
    const kept = await keepFiles(dataDir, to, postgres.password);
    const base = await inBackup(postgres.url, join(to, parts.cluster), postgres.dir);
    const content: ManifestContent = { format: 1, ...base, dataDir: { files: kept } };
    await syncTree(to, treeOf(content));
    await writeManifest(to, content);
    await syncTree(to, { directories: [], files: [] });
    return content;
  } catch (error) {
    for (const name of await readdir(to)) await rm(join(to, name), { recursive: true, force: true });
    throw error;
  }
}

/** Closed to everybody else: a backup holds every secret. */
async function openEmpty(to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  if ((await readdir(to)).length > 0) throw new Error(`${to} is not empty: a backup needs a folder of its own`);
}

/** Before the cluster: a key that is made later signs nothing that the backup knows of. */
async function keepFiles(dataDir: string, to: string, password: string): Promise<CopiedFile[]> {
  const folder = join(to, parts.dataDir);
  await mkdir(folder, { mode: 0o700 });
  const files: CopiedFile[] = [];
  for (const path of keptFiles) {
    const written = await copyHashed(join(dataDir, path), join(folder, path));
    if (written !== undefined) files.push({ path, ...written });
  }
  const content = `${JSON.stringify({ password })}\n`;
  return [...files, { path: passwordFile, ...(await writeHashed(join(folder, passwordFile), content)) }];
}

function treeOf({ cluster, dataDir }: ManifestContent) {
  const inCluster = (path: string) => `${parts.cluster}/${path}`;
  return {
    directories: [parts.cluster, parts.dataDir, ...cluster.directories.map(inCluster)],
    files: [
      ...cluster.files.map(({ path }) => inCluster(path)),
      ...dataDir.files.map(({ path }) => `${parts.dataDir}/${path}`),
    ],
  };
}

type Base = Pick<ManifestContent, 'startedAt' | 'consistentAt' | 'postgres' | 'wal' | 'cluster'>;

/**
 * PostgreSQL's low-level backup: one session says start and stop, and holds a temporary replication slot meanwhile, so that no checkpoint
 * lets go of a part of the log that the copy needs, however long it takes. When the session breaks, the server ends both.
 */
async function inBackup(url: string, to: string, clusterDir: string): Promise<Base> {
  const pool = createPool({
    connectionString: url,
    applicationName: 'hongbao-backup',
    max: 1,
    statementTimeoutMs,
    connectionTimeoutMs,
  });
  const client = await pool.connect();
  try {
    const startedAt = new Date().toISOString();
    await client.query('SELECT pg_create_physical_replication_slot($1, true, true)', [`hongbao_backup_${process.pid}`]);
    const startLsn = await textOf(client, 'SELECT pg_backup_start($1, true)::text', [`hongbao ${startedAt}`]);
    const cluster = await copyCluster(clusterDir, to);
    const consistentAt = new Date().toISOString();
    const stopped = await stopBackup(client);
    const labels = [{ path: 'backup_label', ...(await writeHashed(join(to, 'backup_label'), stopped.label)) }];
    const server = await describeServer(client);
    const segments = walSegmentsOf({ startLsn, stopLsn: stopped.lsn, ...server.wal });
    const wal = await copyWal(clusterDir, to, segments);
    return {
      startedAt,
      consistentAt,
      postgres: server.postgres,
      wal: { startLsn, stopLsn: stopped.lsn, timeline: server.wal.timeline, segments },
      cluster: { directories: cluster.directories, files: [...cluster.files, ...labels, ...wal] },
    };
  } finally {
    // true drops the connection: the slot ends with it, and a backup that was not stopped
    client.release(true);
    await pool.end();
  }
}

/** Ends the backup; the server also ends the log's segment, so that all the backup needs of it is on the disk now. */
async function stopBackup(client: PoolClient): Promise<{ lsn: string; label: string }> {
  const { rows } = await client.query<{ lsn: string; label: string; spaces: string }>(
    'SELECT lsn::text, labelfile AS label, coalesce(spcmapfile, $1) AS spaces FROM pg_backup_stop(false)',
    [''],
  );
  const [row] = rows;
  if (row === undefined || row.spaces !== '')
    throw new Error('the server tells of tablespaces: they are not backed up');
  return row;
}

async function describeServer(client: PoolClient) {
  const { rows } = await client.query<{ version: string; system: string; timeline: number; segment: number }>(
    `SELECT current_setting('server_version') AS version, s.system_identifier::text AS system,
       c.timeline_id AS timeline, i.bytes_per_wal_segment AS segment
     FROM pg_control_system() s, pg_control_checkpoint() c, pg_control_init() i`,
  );
  const { version, system, timeline, segment } = rows[0]!;
  return { postgres: { version, systemIdentifier: system }, wal: { timeline, segmentBytes: segment } };
}

async function textOf(client: PoolClient, sql: string, values: readonly unknown[]): Promise<string> {
  const { rows } = await client.query<[string]>({ text: sql, values: [...values], rowMode: 'array' });
  return rows[0]![0];
}
