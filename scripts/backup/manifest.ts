import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/*
 * What a backup holds. Its manifest is written last: a folder without one is no whole backup. It names every file with size and
 * SHA-256, and carries a checksum of itself.
 */

const format = 1;
export const manifestName = 'manifest.json';
/** The folder of the cluster, and that of what else of DATA_DIR is needed. */
export const parts = { cluster: 'cluster', dataDir: 'data-dir' } as const;
/** In `data-dir`: the password of PostgreSQL's one role, which is part of the cluster too. */
export const passwordFile = 'postgres.json';

/** A path that stays below the folder that it is joined to. */
const pathSchema = z
  .string()
  .min(1)
  .refine((path) => !path.split('/').some((part) => part === '' || part === '.' || part === '..'), {
    error: 'must stay in the backup',
  });
const fileSchema = z.object({ path: pathSchema, size: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

const contentSchema = z.object({
  format: z.literal(format),
  startedAt: z.iso.datetime(),
  /** Everything that was committed by then is in the backup. */
  consistentAt: z.iso.datetime(),
  postgres: z.object({ version: z.string(), systemIdentifier: z.string() }),
  wal: z.object({ startLsn: z.string(), stopLsn: z.string(), timeline: z.int(), segments: z.array(z.string()) }),
  cluster: z.object({ directories: z.array(pathSchema), files: z.array(fileSchema) }),
  dataDir: z.object({ files: z.array(fileSchema) }),
});
const manifestSchema = contentSchema.extend({ checksum: z.string() });

export type ManifestContent = z.output<typeof contentSchema>;

/** Writes the manifest of the backup in `dir`, in one step and through to the disk. */
export async function writeManifest(dir: string, content: ManifestContent): Promise<void> {
  const path = join(dir, manifestName);
  const file = await open(`${path}.new`, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ ...content, checksum: checksumOf(content) }, null, 1)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** Reads the manifest of the backup in `dir`. Throws when there is none, or another one than was written. */
export async function readManifest(dir: string): Promise<ManifestContent> {
  const path = join(dir, manifestName);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new Error(`${dir} holds no whole backup: ${manifestName} is missing`, { cause });
  }
  const parsed = manifestSchema.safeParse(jsonOf(text));
  if (!parsed.success) throw new Error(`${path} is no manifest of a backup`, { cause: parsed.error });
  const { checksum, ...content } = parsed.data;
  if (checksumOf(content) !== checksum) throw new Error(`${path} was changed: its checksum is another one`);
  return content;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Of the fields in the schema's order, however they were written. */
function checksumOf(content: ManifestContent): string {
  return createHash('sha256')
    .update(JSON.stringify(contentSchema.parse(content)))
    .digest('hex');
}

/** Bytes of all files. */
export function bytesOf({ cluster, dataDir }: ManifestContent): number {
  return [...cluster.files, ...dataDir.files].reduce((sum, { size }) => sum + size, 0);
}
