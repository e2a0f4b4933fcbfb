import type { Log } from './log.ts';

export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A log that remembers what it was told. */
export function recordingLog(): Log & { readonly lines: { level: string; message: string; fields: object }[] } {
  const lines: { level: string; message: string; fields: object }[] = [];
  const record = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields });
  return { lines, info: record('info'), warn: record('warn'), error: record('error') };
}
