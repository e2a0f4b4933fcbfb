import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createPool } from '#libs/database';
import {
  closeDataDir,
  copyVerified,
  makePassableDir,
  moveCluster,
  placeCluster,
  removeCluster,
  startPostgres,
  syncTree,
} from '#libs/localservers';
import { takeDataDir } from '../stack/data-dir-lock.ts';
import { type KeptApart, keepApart } from './later-history.ts';
import { type ManifestContent, parts, passwordFile, readManifest } from './manifest.ts';
import type { RestoreOptions } from './options.ts';

/** Entering what was released since the backup: millions of blocks in the worst case. */
const statementTimeoutMs = 10 * 60_000;
const connectionTimeoutMs = 10_000;
/** The folder of the cluster while it is not a DATA_DIR yet. */
const stagingName = 'restoring';
const passwordSchema = z.object({ password: z.string().min(1) });

type Say = (line: string) => void;

export interface Restored {
  readonly manifest: ManifestContent;
  /** Undefined when there was no later history. */
  readonly keptApart: KeptApart | undefined;
}

/**
 * Makes a new DATA_DIR from a backup: copies and checks every file, has PostgreSQL recover to the end of the backup, keeps the later
 * history apart, and only then lets the folder be started. Redis is not restored: the new DATA_DIR begins with an empty one.
 * What was begun is removed when it fails. A restore that was killed leaves a folder that cannot be started: remove it.
 */
export async function restoreBackup(options: RestoreOptions, say: Say): Promise<Restored> {
  const { from, dataDir } = options;
  const manifest = await readManifest(from);
  await assertEmpty(dataDir);
  const lock = await takeDataDir(dataDir);
  if (!lock.taken) throw new Error(`${dataDir} is in use by process ${lock.holder}`);
  try {
    const keptApart = await fill(options, manifest, say);
    return { manifest, keptApart };
  } catch (error) {
    await removeCluster(join(dataDir, stagingName));
    for (const name of ['postgres', ...manifest.dataDir.files.map(({ path }) => path)]) {
      await rm(join(dataDir, name), { recursive: true, force: true });
    }
    throw error;
  } finally {
    await lock.release();
  }
}

async function assertEmpty(dataDir: string): Promise<void> {
  await makeDataDir(dataDir);
  const names = await readdir(dataDir);
  if (names.length > 0) {
    throw new Error(`${dataDir} is not empty (${names.slice(0, 3).join(', ')}): set DATA_DIR to a new folder`);
  }
}

/** As `npm start` makes it: passable for the user that PostgreSQL runs as. */
async function makeDataDir(dir: string): Promise<void> {
  if (process.getuid?.() === 0) await makePassableDir(dir);
  else await mkdir(dir, { recursive: true });
}

async function fill(options: RestoreOptions, manifest: ManifestContent, say: Say): Promise<KeptApart | undefined> {
  const { from, dataDir } = options;
  const [postgresDir, staging] = [join(dataDir, 'postgres'), join(dataDir, stagingName)];
  await makeDataDir(postgresDir);
  await closeDataDir(
    postgresDir,
    'a restore is under way or was interrupted: remove the whole folder and restore again',
  );
  const files = await restoreFiles(options, manifest);
  say('copying and checking the cluster …');
  const { password } = await takePassword(dataDir);
  await placeCluster(join(from, parts.cluster), staging, { ...manifest.cluster, password, say });
  say('PostgreSQL recovers …');
  const keptApart = await recover(staging, options, manifest, say);
  await moveCluster(staging, postgresDir);
  await rm(staging, { recursive: true, force: true });
  await syncTree(dataDir, { directories: ['postgres'], files });
  return keptApart;
}

async function restoreFiles({ from, dataDir }: RestoreOptions, { dataDir: kept }: ManifestContent): Promise<string[]> {
  for (const file of kept.files) await copyVerified(join(from, parts.dataDir), file, join(dataDir, file.path));
  return kept.files.map(({ path }) => path).filter((path) => path !== passwordFile);
}

/** The password's place is in the note beside the cluster. */
async function takePassword(dataDir: string): Promise<z.output<typeof passwordSchema>> {
  const path = join(dataDir, passwordFile);
  const password = passwordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  await rm(path);
  return password;
}

async function recover(
  staging: string,
  options: RestoreOptions,
  { consistentAt }: ManifestContent,
  say: Say,
): Promise<KeptApart | undefined> {
  const server = await startPostgres({ dataDir: staging, say });
  const pool = createPool({
    connectionString: server.url,
    applicationName: 'hongbao-restore',
    max: 1,
    statementTimeoutMs,
    connectionTimeoutMs,
  });
  try {
    if (!options.hadLaterHistory) return undefined;
    return await keepApart(pool, { nowMs: Date.now(), stockLeadMs: options.stockLeadMs, consistentAt });
  } finally {
    await pool.end();
    await server.stop();
  }
}
