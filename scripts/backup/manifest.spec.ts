import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesOf, type ManifestContent, readManifest, writeManifest } from './manifest.ts';

const file = (path: string, size: number) => ({ path, size, sha256: 'a'.repeat(64) });
const content: ManifestContent = {
  format: 1,
  startedAt: '2026-02-16T12:00:00.000Z',
  consistentAt: '2026-02-16T12:00:01.000Z',
  postgres: { version: '18.4', systemIdentifier: '7516000000000000000' },
  wal: { startLsn: '0/2000028', stopLsn: '0/2000158', timeline: 1, segments: ['000000010000000000000002'] },
  cluster: { directories: ['global', 'pg_wal'], files: [file('global/pg_control', 8192)] },
  dataDir: { files: [file('postgres.json', 50)] },
};

describe('the manifest of a backup', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hongbao-manifest-'));
  });
  afterAll(async () => await rm(dir, { recursive: true, force: true }));
  const path = () => join(dir, 'manifest.json');

  it('is read as it was written, and only its owner can read it', async () => {
    await expect(readManifest(dir)).rejects.toThrow(/holds no whole backup/);
    await writeManifest(dir, content);
    expect(await readManifest(dir)).toEqual(content);
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    expect(bytesOf(content)).toBe(8242);
  });

  it('is refused when a word of it was changed, when it is no manifest, or when a path of it leads out of the backup', async () => {
    const text = await readFile(path(), 'utf8');
    await writeFile(path(), text.replace('8192', '8193'));
    await expect(readManifest(dir)).rejects.toThrow(/was changed/);
    for (const other of [
      '{',
      '{}',
      text.replace('global/pg_control', '../global/pg_control'),
      text.replace('"global"', '"/etc"'),
    ]) {
      await writeFile(path(), other);
      await expect(readManifest(dir)).rejects.toThrow(/is no manifest/);
    }
  });
});
