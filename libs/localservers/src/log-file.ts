import { type FileHandle, open, readFile } from 'node:fs/promises';

const logBytesMax = 64 * 1024 * 1024;

/** A log that is open to be appended to; `from` is where this run's part of it begins. */
export type OpenLog = { file: FileHandle; from: number };

/** Opens a log, readable by its owner alone; one that earlier runs have let grow too long is emptied first. */
export async function openLog(path: string): Promise<OpenLog> {
  const file = await open(path, 'a', 0o600);
  const { size } = await file.stat();
  if (size <= logBytesMax) return { file, from: size };
  await file.truncate();
  return { file, from: 0 };
}

/** The end, at most `tailBytes` long, of what was written from `from` on. */
export async function readLogTail(path: string, from: number, tailBytes: number): Promise<string> {
  const written = (await readFile(path)).subarray(from);
  return written.subarray(-tailBytes).toString('utf8').trim();
}
