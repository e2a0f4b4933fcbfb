import { link, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile, writeJsonFile } from './json-file.ts';

const holderSchema = z.object({ pid: z.int(), startedAt: z.string() });

export type DataDirLock = { taken: true; release: () => Promise<void> } | { taken: false; holder: number };

const attemptsMax = 10;

/**
 * Marks the folder as used by this process. Gives back the function that releases it, or the id of the running process that uses it.
 * A holder that was killed holds nothing.
 */
export async function takeDataDir(dataDir: string): Promise<DataDirLock> {
  const path = join(dataDir, 'supervisor.json');
  const draft = `${path}.${process.pid}`;
  await writeJsonFile(draft, { pid: process.pid, startedAt: await startOf(process.pid) });
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      if (await linkNew(draft, path)) return { taken: true, release: async () => await rm(path, { force: true }) };
      const holder = await readJsonFile(path, holderSchema);
      if (holder !== undefined && (await startOf(holder.pid)) === holder.startedAt) {
        return { taken: false, holder: holder.pid };
      }
      await rm(path, { force: true });
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new Error(`${path} cannot be taken: other processes come and go there`);
}

/** A link appears with its whole content or not at all, and never over one that is there. */
async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Tells a process from a later one with the same id: its start in clock ticks since boot. Empty: there is no such process. */
async function startOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') return isAlive(pid) ? 'running' : '';
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name in brackets, may hold blanks; the start is the 22nd.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? '' : (fields[18] ?? '');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return '';
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
