import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from './errno.ts';
import {
  type CopiedFile,
  copyHashed,
  copyVerified,
  makeDirectories,
  readStable,
  syncTree,
  type Tree,
  treeOf,
  writeHashed,
} from './postgres-backup-files.ts';
import { exists, findCluster, makeClusterDir } from './postgres-files.ts';
import { canEnter, postgresIdentity } from './postgres-user.ts';
import { worksIn } from './stale-process.ts';

/*
 * The files' side of PostgreSQL's low-level backup ("Making a Base Backup Using the Low Level API"): what of a cluster is copied and
 * how it becomes a cluster again. What is said to the server meanwhile is the caller's.
 */

/** A cluster that `startPostgres` made in a data folder; `url` while its server runs. */
export type FoundPostgres = { dir: string; password: string; url: string | undefined };

const controlFile = 'global/pg_control';
const noteName = 'cluster.json';
const databasePath = '/hongbao';
const role = 'hongbao';
const lockLines = { pid: 0, port: 3, status: 7 };

/** What a server makes anew when it starts, or what would belong to another server: their content stays behind, the folders are kept. */
const emptiedFolders = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const leftBehind = new Set(['postmaster.pid', 'postmaster.opts', 'backup_label', 'tablespace_map', 'backup_manifest']);
/** Temporary files, of tables too, and a cache that is made anew. */
const passing = /(^|\/)(pgsql_tmp[^/]*|pg_internal\.init[^/]*|t\d+_\d+(_[a-z]+)?(\.\d+)?)$/;

/** The cluster of `dataDir`, as `startPostgres` would use it; undefined when there is none. Nothing is made or changed. */
export async function findPostgres(dataDir: string): Promise<FoundPostgres | undefined> {
  if (!(await exists(join(dataDir, noteName)))) return undefined;
  const { dir, password } = await findCluster(dataDir, undefined, () => undefined);
  if (!(await exists(dir))) return undefined;
  const port = await portOf(dir);
  const url = port === undefined ? undefined : `postgresql://${role}:${password}@127.0.0.1:${port}${databasePath}`;
  return { dir, password, url };
}

/** The port of the server that is ready on this cluster. */
async function portOf(dir: string): Promise<number | undefined> {
  const lines = await readIfThere(join(dir, 'postmaster.pid'));
  const lock = lines?.split('\n').map((line) => line.trim()) ?? [];
  const [pid, port] = [Number(lock[lockLines.pid]), Number(lock[lockLines.port])];
  if (!(pid > 0 && port > 0) || lock[lockLines.status] !== 'ready') return undefined;
  return (await worksIn(pid, dir)) ? port : undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Is this path of a cluster part of a backup? */
export function isBackedUp(path: string, isDirectory: boolean): boolean {
  const [top = '', ...below] = path.split('/');
  if (below.length > 0 && emptiedFolders.has(top)) return false;
  return isDirectory ? !passing.test(path) : !leftBehind.has(path) && !passing.test(path);
}

export type CopiedCluster = { directories: string[]; files: CopiedFile[] };

/**
 * Copies the cluster `dir`, without its log, to the new folder `to`, between `pg_backup_start` and `pg_backup_stop`. The control file
 * comes last, so that it is not older than what it describes.
 */
export async function copyCluster(dir: string, to: string): Promise<CopiedCluster> {
  const { directories, files } = await treeOf(dir, isBackedUp);
  const tablespace = directories.find((path) => path.startsWith('pg_tblspc/'));
  if (tablespace !== undefined) throw new Error(`${join(dir, tablespace)}: tablespaces are not backed up`);
  await mkdir(to, { mode: 0o700 });
  await makeDirectories(to, directories);
  const copied: CopiedFile[] = [];
  for (const path of files.filter((candidate) => candidate !== controlFile)) {
    const written = await copyHashed(join(dir, path), join(to, path));
    if (written !== undefined) copied.push({ path, ...written });
  }
  const control = await writeHashed(join(to, controlFile), await readStable(join(dir, controlFile)));
  return { directories, files: [...copied, { path: controlFile, ...control }] };
}

/** Copies these segments of the log, after `pg_backup_stop`. Throws when the server has let go of one: the backup is of no use then. */
export async function copyWal(dir: string, to: string, segments: readonly string[]): Promise<CopiedFile[]> {
  const copied: CopiedFile[] = [];
  for (const segment of segments) {
    const path = `pg_wal/${segment}`;
    const written = await copyHashed(join(dir, path), join(to, path));
    if (written === undefined) throw new Error(`${join(dir, path)} is gone: the backup would lack a part of its log`);
    copied.push({ path, ...written });
  }
  return copied;
}

export type ClusterCopy = CopiedCluster & { password: string; say?: (line: string) => void };

/**
 * Makes `dataDir` a data folder of `startPostgres` with the cluster that lies in `from`: each file is held against its size and
 * SHA-256, belongs to the user that PostgreSQL runs as, and is on the disk when this resolves. Gives the cluster's folder.
 */
export async function placeCluster(from: string, dataDir: string, copy: ClusterCopy): Promise<string> {
  const identity = await postgresIdentity();
  const { dir } = await findCluster(dataDir, identity, copy.say ?? (() => undefined));
  await writeNote(dataDir, { dir, password: copy.password });
  await makeClusterDir(dir, identity);
  await chmod(dir, 0o700);
  await makeDirectories(dir, copy.directories);
  for (const file of copy.files) await copyVerified(from, file, join(dir, file.path));
  const tree: Tree = { directories: copy.directories, files: copy.files.map(({ path }) => path) };
  if (identity !== undefined) {
    for (const path of [...tree.directories, ...tree.files]) await chown(join(dir, path), identity.uid, identity.gid);
  }
  await syncTree(dir, tree);
  return dir;
}

/**
 * Moves the cluster of the data folder `from`, whose server is stopped, to the data folder `to`, which exists and has none. The note that
 * names it is written last: until then nothing can be started there by mistake when `closeDataDir` was called.
 */
export async function moveCluster(from: string, to: string): Promise<void> {
  const found = await findPostgres(from);
  if (found === undefined) throw new Error(`${from} holds no cluster`);
  const { password } = found;
  const identity = await postgresIdentity();
  // a cluster that lies elsewhere, where its user can enter, stays there
  const isInside = dirname(found.dir) === from;
  const dir = isInside ? join(to, 'cluster') : found.dir;
  if (isInside) {
    await rename(found.dir, dir);
    if (identity !== undefined && !canEnter(identity, dir)) throw new Error(`PostgreSQL's user cannot enter ${dir}`);
  }
  await rename(join(from, 'postgres.log'), join(to, 'postgres.log')).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error;
  });
  await writeNote(to, { dir, password });
  await syncTree(to, { directories: [], files: [noteName] });
}

/** Makes sure that no server is started, and no new cluster made, in this data folder before `moveCluster` has filled it. */
export async function closeDataDir(dataDir: string, why: string): Promise<void> {
  await writeNote(dataDir, why);
}

async function writeNote(dataDir: string, note: unknown): Promise<void> {
  const path = join(dataDir, noteName);
  await writeFile(`${path}.new`, `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Removes a cluster that `placeCluster` began in this data folder, wherever it lies, and the folder. */
export async function removeCluster(dataDir: string): Promise<void> {
  const found = await findPostgres(dataDir);
  if (found !== undefined) await rm(found.dir, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
}
