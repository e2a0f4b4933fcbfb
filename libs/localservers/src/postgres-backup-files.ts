import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from './errno.ts';

/*
 * Copies of files that can be trusted later: each is hashed while it is written. What is written is flushed to the disk at the end, file
 * by file and folder by folder (`syncTree`), which lets the system write in its own order until then.
 */

/** A file of a backup: its path from the backup's root, with `/`. */
export type CopiedFile = { path: string; size: number; sha256: string };

/** What a copy is made of: every path from its root. Folders come before what is in them. */
export type Tree = { directories: string[]; files: string[] };

const chunkBytes = 1024 * 1024;
const syncsAtOnce = 8;

/** The tree under `root`, sorted. `isWanted` is asked for each folder and file; a folder that is not wanted is not entered. */
export async function treeOf(root: string, isWanted: (path: string, isDirectory: boolean) => boolean): Promise<Tree> {
  const tree: Tree = { directories: [], files: [] };
  await walk(root, '', isWanted, tree);
  return tree;
}

async function walk(
  root: string,
  folder: string,
  isWanted: (path: string, isDirectory: boolean) => boolean,
  tree: Tree,
): Promise<void> {
  const entries = await entriesOf(join(root, folder));
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (!isWanted(path, entry.isDirectory())) continue;
    if (entry.isDirectory()) {
      tree.directories.push(path);
      await walk(root, path, isWanted, tree);
    } else if (entry.isFile()) tree.files.push(path);
    else throw new Error(`${join(root, path)} is neither a file nor a folder: it cannot be backed up`);
  }
}

/** A table that is dropped meanwhile takes its files along: replaying the log does the same. */
async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/**
 * Copies `from` to the new file `to` (0600) and gives what was written. A file that changes meanwhile is copied as it is read: in
 * a cluster the log makes it good. Undefined: there is no such file any more.
 */
export async function copyHashed(from: string, to: string): Promise<Omit<CopiedFile, 'path'> | undefined> {
  const source = await openIfThere(from);
  if (source === undefined) return undefined;
  try {
    return await writeNew(to, async (target, hash) => await pump(source, target, hash));
  } finally {
    await source.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Writes a new file (0600) and gives what a manifest says of it. */
export async function writeHashed(to: string, content: Buffer | string): Promise<Omit<CopiedFile, 'path'>> {
  const bytes = Buffer.from(content);
  return await writeNew(to, async (target, hash) => {
    hash.update(bytes);
    await target.writeFile(bytes);
    return bytes.length;
  });
}

async function writeNew(
  to: string,
  write: (target: FileHandle, hash: Hash) => Promise<number>,
): Promise<Omit<CopiedFile, 'path'>> {
  const target = await open(to, 'wx', 0o600);
  try {
    const hash = createHash('sha256');
    const size = await write(target, hash);
    return { size, sha256: hash.digest('hex') };
  } finally {
    await target.close();
  }
}

async function pump(source: FileHandle, target: FileHandle, hash: Hash): Promise<number> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let size = 0; ; ) {
    const { bytesRead } = await source.read(buffer, 0, chunkBytes, null);
    if (bytesRead === 0) return size;
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    await target.writeFile(chunk);
    size += bytesRead;
  }
}

/** Copies a file of a backup to the new file `to`. Throws when the backup does not hold what its manifest says. */
export async function copyVerified(root: string, file: CopiedFile, to: string): Promise<void> {
  const written = await copyHashed(join(root, file.path), to);
  const fault =
    written === undefined
      ? 'is missing'
      : written.size !== file.size
        ? `has ${written.size} bytes, the manifest says ${file.size}`
        : written.sha256 !== file.sha256
          ? 'has another SHA-256 than the manifest says'
          : undefined;
  if (fault !== undefined) throw new Error(`The backup is damaged: ${join(root, file.path)} ${fault}`);
}

const stableReadsMax = 100;
const stableReadPauseMs = 5;

/**
 * Reads a small file that a server overwrites in place, until two reads agree: a read that met a write half done is not kept.
 */
export async function readStable(path: string): Promise<Buffer> {
  let last = await readFile(path);
  for (let read = 1; read < stableReadsMax; read += 1) {
    await delay(stableReadPauseMs);
    const next = await readFile(path);
    if (next.equals(last)) return next;
    last = next;
  }
  throw new Error(`${path} does not stop changing`);
}

/** Flushes these files and folders under `root`, `root` itself and its entry in the folder above to the disk. */
export async function syncTree(root: string, { directories, files }: Tree): Promise<void> {
  const paths = [...files, ...directories, ''].map((path) => join(root, path)).values();
  const work = async () => {
    for (const path of paths) await sync(path);
  };
  await Promise.all(Array.from({ length: syncsAtOnce }, work));
  await sync(dirname(root));
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the folders under `root`, for their owner alone. */
export async function makeDirectories(root: string, directories: readonly string[]): Promise<void> {
  for (const path of directories) await mkdir(join(root, path), { recursive: true, mode: 0o700 });
}
