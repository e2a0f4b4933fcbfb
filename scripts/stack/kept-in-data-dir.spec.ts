import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyRingSchema } from '#libs/contracts';
import { takeDataDir } from './data-dir-lock.ts';
import { choosePorts } from './ports.ts';
import { loadSecrets } from './secrets.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hongbao-data-'));
});
afterEach(async () => await rm(dataDir, { recursive: true, force: true }));

describe('loadSecrets', () => {
  it('makes them once, for the eyes of the owner alone', async () => {
    const first = await loadSecrets(dataDir, {});
    expect(await loadSecrets(dataDir, {})).toEqual(first);
    expect((await stat(join(dataDir, 'secrets.json'))).mode & 0o777).toBe(0o600);
    expect(new Set(Object.values(first)).size).toBe(6);
    expect(keyRingSchema.parse(first.TICKET_KEYS)).toMatchObject([{ id: 1 }]);
  });

  it('prefers the environment and does not write down what came from there', async () => {
    const given = await loadSecrets(dataDir, { OPS_TOKEN: 'given-by-environment' });
    expect(given.OPS_TOKEN).toBe('given-by-environment');
    expect(await readFile(join(dataDir, 'secrets.json'), 'utf8')).not.toContain('given-by-environment');
  });

  it('refuses a damaged file rather than making new keys over it', async () => {
    await writeFile(join(dataDir, 'secrets.json'), '{"OPS_TOKEN": 7}');
    await expect(loadSecrets(dataDir, {})).rejects.toThrow(/secrets\.json is damaged/);
  });
});

describe('choosePorts', () => {
  it('comes back to the ports of the last start, save those that are taken now', async () => {
    const first = await choosePorts(dataDir, ['postgres', 'redis'], []);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(first['redis'], '127.0.0.1', resolve));
    const second = await choosePorts(dataDir, ['postgres', 'redis', 'share'], []);
    await new Promise((resolve) => other.close(resolve));
    expect(second['postgres']).toBe(first['postgres']);
    expect(second['redis']).not.toBe(first['redis']);
    expect(new Set(Object.values(second)).size).toBe(3);
  });

  it('keeps away from ports on which somebody will listen soon', async () => {
    const first = await choosePorts(dataDir, ['postgres'], []);
    const second = await choosePorts(dataDir, ['postgres'], Object.values(first));
    expect(second['postgres']).not.toBe(first['postgres']);
  });
});

describe('takeDataDir', () => {
  it('lets one process at a time in', async () => {
    const lock = await takeDataDir(dataDir);
    expect(await takeDataDir(dataDir)).toEqual({ taken: false, holder: process.pid });
    if (lock.taken) await lock.release();
    expect(await takeDataDir(dataDir)).toMatchObject({ taken: true });
  });

  it('takes no notice of a holder that is gone, even when its number was given to another process', async () => {
    await writeFile(join(dataDir, 'supervisor.json'), JSON.stringify({ pid: process.pid, startedAt: 'another time' }));
    expect(await takeDataDir(dataDir)).toMatchObject({ taken: true });
  });
});
