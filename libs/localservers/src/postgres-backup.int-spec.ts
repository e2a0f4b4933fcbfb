import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDataDir, findPostgres, makePassableDir, startPostgres } from './index.ts';
import { isBackedUp } from './postgres-backup.ts';
import { copyHashed, copyVerified, treeOf } from './postgres-backup-files.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'hongbao-backup-'));
  await makePassableDir(home);
});
afterAll(async () => await rm(home, { recursive: true, force: true }));

it('finds the server of a data folder while it is ready, its cluster when it is stopped, and nothing where there is none', async () => {
  const dataDir = join(home, 'found');
  expect(await findPostgres(dataDir)).toBeUndefined();
  const server = await startPostgres({ dataDir, durable: false });
  expect(await findPostgres(dataDir)).toMatchObject({ dir: join(dataDir, 'cluster'), url: server.url });
  await server.kill();
  expect(await findPostgres(dataDir)).toMatchObject({ url: undefined });
});

it('starts no server, and makes no new cluster, in a folder whose restore has not come to its end', async () => {
  const dataDir = join(home, 'closed');
  await makePassableDir(dataDir);
  await closeDataDir(dataDir, 'a restore is under way');
  await expect(startPostgres({ dataDir, durable: false })).rejects.toThrow(/cluster.json does not name/);
  expect(await readdir(dataDir)).toEqual(['cluster.json']);
});

it('leaves behind what a server makes anew or what belongs to one server, and keeps their folders', () => {
  const isFileKept = (path: string) => isBackedUp(path, false);
  for (const path of [
    'PG_VERSION',
    'global/pg_control',
    'base/5/16384',
    'base/5/16384_fsm',
    'pg_xact/0000',
    'postgresql.conf',
  ])
    expect([path, isFileKept(path)]).toEqual([path, true]);
  const left = [
    'postmaster.pid',
    'pg_wal/000000010000000000000001',
    'pg_replslot/a/state',
    'base/5/t3_16385',
    'base/5/t3_16385_fsm.1',
  ];
  for (const path of [...left, 'base/pgsql_tmp/pgsql_tmp77.0', 'base/5/pg_internal.init', 'backup_label'])
    expect([path, isFileKept(path)]).toEqual([path, false]);
  expect(isBackedUp('pg_wal', true)).toBe(true);
  expect(isBackedUp('pg_wal/archive_status', true)).toBe(false);
  expect(isBackedUp('base/pgsql_tmp', true)).toBe(false);
});

it('copies files closed to others, and no copy that is not as its manifest says', async () => {
  const [from, to] = [join(home, 'from'), join(home, 'to')];
  await writeFile(from, 'abc', { mode: 0o644 });
  const copied = await copyHashed(from, to);
  expect(copied).toEqual({ size: 3, sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' });
  expect((await stat(to)).mode & 0o777).toBe(0o600);
  const file = { path: 'from', ...copied! };
  await copyVerified(home, file, join(home, 'verified'));
  await expect(copyVerified(home, { ...file, size: 4 }, join(home, 'v1'))).rejects.toThrow(
    /has 3 bytes, the manifest says 4/,
  );
  await expect(copyVerified(home, { ...file, sha256: '0' }, join(home, 'v2'))).rejects.toThrow(/another SHA-256/);
  await expect(copyVerified(home, { ...file, path: 'gone' }, join(home, 'v3'))).rejects.toThrow(/is missing/);
  expect(await copyHashed(join(home, 'gone'), join(home, 'v4'))).toBeUndefined();
  expect(await treeOf(join(home, 'none'), () => true)).toEqual({ directories: [], files: [] });
});
