import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { mkdtemp, open as openFile, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  applyMigrations,
  createPool,
  createPrisma,
  type EventRecord,
  type OpenClaim,
  type Pool,
  type PrismaClient,
  settleOpens,
} from '#libs/database';
import { freePort, type LocalServer, makePassableDir, startPostgres } from '#libs/localservers';
import { projectRoot, type Stack, startStack } from '../scripts/stack/index.ts';
import { call } from './support/http.ts';
import { loadPlayed, openOf, packetOf, startPlayedEvent, stockUpTo } from './support/played-event.ts';

/** What the pool releases in 600 s; a fifth of it is released when the test begins. */
const packets = 100_000;
const durationMs = 600_000;
const elapsedMs = 120_000;
const batch = 16;
/** Each leaves 16 MB of log that the backup has to copy. */
const logTurnsMax = 8;

const connection = { applicationName: 'test', max: 4, statementTimeoutMs: 30_000, connectionTimeoutMs: 20_000 };

let home: string;
let dataDir: string;
let server: LocalServer;
let pool: Pool;
let prisma: PrismaClient;
let event: EventRecord;
/** What was said to be booked, in that order. */
const acknowledged: OpenClaim[] = [];
/** Of them, those before the backup began, and those that it may or may not hold. */
let before: readonly OpenClaim[];
let afterwards: readonly OpenClaim[];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'hongbao-backup-'));
  await makePassableDir(home);
  dataDir = join(home, 'data');
  server = await startPostgres({ dataDir: join(dataDir, 'postgres') });
  await writeFile(join(dataDir, 'secrets.json'), '{"OPS_TOKEN":"kept-through-the-backup-0123456789"}\n', {
    mode: 0o600,
  });
  await applyMigrations(server.url, join(projectRoot, 'prisma', 'migrations'));
  pool = createPool({ ...connection, connectionString: server.url });
  prisma = createPrisma({ ...connection, connectionString: server.url });
  const startsAtMs = Date.now() - elapsedMs;
  event = await startPlayedEvent(pool, prisma, {
    sponsors: 1,
    packetsPerSponsor: packets,
    startsAtMs,
    durationMs,
    sharePortions: 0,
  });
  const { packetCount, blockSize } = event.pools[0]!;
  await stockUpTo(pool, event, Math.floor((packetCount * elapsedMs) / durationMs / blockSize), Date.now() + 60_000);
});
afterAll(async () => {
  await prisma.$disconnect();
  await pool.end();
  await server.stop();
  await rm(home, { recursive: true, force: true });
});

function run(
  command: 'backup' | 'restore',
  args: readonly string[],
  DATA_DIR: string,
): Promise<{ code: number; output: string }> {
  const { DATABASE_URL: _, REDIS_URL: __, ...env } = process.env;
  const program = join(projectRoot, 'dist', 'scripts', `${command}.js`);
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env: { ...env, DATA_DIR } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` });
    });
  });
}

/** Books opens on several connections, and has the server end and drop segments of its log, until `signal` is aborted. */
async function book(signal: AbortSignal): Promise<void> {
  const stocked = (await loadPlayed(prisma, event.id)).pools[0]!;
  let next = acknowledged.length;
  const booker = async () => {
    while (!signal.aborted && next + batch <= stocked.nextBlock * stocked.blockSize) {
      const first = next;
      next += batch;
      const claims = Array.from({ length: batch }, (_, i) => openOf(event, stocked, first + i, `user-${first + i}`));
      const outcomes = await settleOpens(pool, claims);
      if (outcomes.some(({ outcome }) => outcome !== 'credited')) throw new Error('an open was not credited');
      acknowledged.push(...claims);
      await delay(4);
    }
  };
  const logTurner = async () => {
    for (let turn = 0; turn < logTurnsMax && !signal.aborted; turn += 1) {
      await pool.query('SELECT pg_switch_wal()');
      await pool.query('CHECKPOINT');
      await delay(200);
    }
  };
  await Promise.all([booker(), booker(), logTurner()]);
}

function modesUnder(folder: string): Set<string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const modes = entries.map((entry) => {
    const { mode } = statSync(join(entry.parentPath, entry.name));
    return `${entry.isDirectory() ? 'folder' : 'file'} ${(mode & 0o777).toString(8)}`;
  });
  return new Set(modes);
}

describe('a backup that is taken while opens are booked', () => {
  const to = () => join(home, 'backup');

  it('is taken online, although the server turns its log over and over meanwhile', async () => {
    const stop = new AbortController();
    const booking = book(stop.signal);
    while (acknowledged.length < 500) await delay(5);
    before = [...acknowledged];
    const { code, output } = await run('backup', ['--to', to()], dataDir);
    const during = acknowledged.length - before.length;
    stop.abort();
    await booking;
    expect(output).toMatch(/^backed up to .*: [\d.]+ MB in [\d.]+ s, with all that was committed by /m);
    expect(code).toBe(0);
    expect(during).toBeGreaterThan(batch);
    expect(modesUnder(to())).toEqual(new Set(['folder 700', 'file 600']));
    // a slot that was left behind would keep the log for ever
    expect((await pool.query('SELECT FROM pg_replication_slots')).rowCount).toBe(0);
  });

  it('goes to a folder of its own, and only from a DATA_DIR that has a PostgreSQL', async () => {
    const taken = await run('backup', ['--to', to()], dataDir);
    expect(taken).toMatchObject({ code: 1, output: expect.stringContaining('is not empty') });
    const elsewhere = await run('backup', ['--to', join(home, 'none')], join(home, 'nothing'));
    expect(elsewhere).toMatchObject({ code: 1, output: expect.stringContaining('holds no PostgreSQL') });
  });

  it('is followed by a later history: blocks are stocked, packets of them granted', async () => {
    const known = acknowledged.length;
    const { nextBlock, blockSize } = (await loadPlayed(prisma, event.id)).pools[0]!;
    await stockUpTo(pool, event, nextBlock + 1, Date.now() + 60_000);
    afterwards = Array.from({ length: batch }, (_, i) =>
      openOf(event, event.pools[0]!, nextBlock * blockSize + i, `late-${known + i}`),
    );
    const outcomes = await settleOpens(pool, afterwards);
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['credited']));
  });

  it('is not restored over anything, nor when a byte of it was changed, nor without its manifest', async () => {
    expect(await run('restore', ['--from', to()], dataDir)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/data is not empty/),
    });
    const restored = join(home, 'damaged');
    const control = join(to(), 'cluster', 'global', 'pg_control');
    await flipByte(control);
    expect(await run('restore', ['--from', to()], restored)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/The backup is damaged: .*pg_control has another SHA-256/),
    });
    expect(readdirSync(restored)).toEqual([]);
    await flipByte(control);
    const manifest = join(to(), 'manifest.json');
    const text = await readFile(manifest, 'utf8');
    await writeFile(manifest, text.replace(/"timeline": 1/, '"timeline": 2'));
    expect(await run('restore', ['--from', to()], restored)).toMatchObject({
      code: 1,
      output: expect.stringContaining('was changed'),
    });
    await rm(manifest);
    expect(await run('restore', ['--from', to()], restored)).toMatchObject({
      code: 1,
      output: expect.stringContaining('holds no whole backup'),
    });
    await writeFile(manifest, text);
  });
});

async function flipByte(path: string): Promise<void> {
  const file = await openFile(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 100);
  byte[0] = byte[0]! ^ 0xff;
  await file.write(byte, 0, 1, 100);
  await file.close();
}

describe('the system that is started on a restored backup', () => {
  let stack: Stack;
  let restored: Pool;

  beforeAll(async () => {
    const restoredDir = join(home, 'restored');
    const { code, output } = await run('restore', ['--from', join(home, 'backup')], restoredDir);
    expect(output).toMatch(/kept apart .*: \d+ blocks retired, \d+ blocks not to be stocked any more/);
    expect(output).toMatch(/^restored to .*: everything that was committed by /m);
    expect(code).toBe(0);
    for (const secret of ['secrets.json', 'postgres/cluster.json'])
      expect(statSync(join(restoredDir, secret)).mode & 0o777).toBe(0o600);
    const [port, opsPort] = [await freePort(), await freePort()];
    const env = { LOG_LEVEL: 'warn' };
    stack = await startStack({ dataDir: restoredDir, port, opsPort, gateways: 1, split: false, demoEvent: false, env });
    restored = createPool({ ...connection, connectionString: stack.databaseUrl });
  });
  afterAll(async () => {
    await restored?.end();
    await stack?.stop();
  });

  it('has every grant that was acknowledged before the backup began, and balances', async () => {
    const { rows } = await restored.query<{ packet_id: bigint; name: string; amount_fen: number }>(
      'SELECT g.packet_id, a.name, g.amount_fen FROM grants g JOIN accounts a ON a.id = g.account_id',
    );
    const booked = new Map(rows.map((row) => [row.packet_id, `${row.name} ${row.amount_fen}`]));
    for (const { packetId, userId, amountFen } of before) expect(booked.get(packetId)).toBe(`${userId} ${amountFen}`);
    expect(booked.size).toBeGreaterThanOrEqual(before.length);
    for (const { packetId } of afterwards) expect(booked.has(packetId)).toBe(false);

    const url = `${stack.opsUrl}/ops/v1/events/${event.id}/reconciliation`;
    const { body } = await call('GET', url, { token: stack.opsToken });
    expect(body).toMatchObject({ balanced: true, violations: [], packets: { granted: booked.size } });
    expect(stack.opsToken).toBe('kept-through-the-backup-0123456789');
  });

  it('issues no packet again that the later history may have issued, and honours an open of it', async () => {
    const { rows } = await restored.query<{ first: number | null; retired: number }>(
      `SELECT (min(block_no) FILTER (WHERE state = 'out')) AS first, max(block_no) FILTER (WHERE state = 'retired') AS retired
       FROM blocks`,
    );
    const { first, retired } = rows[0]!;
    const late = Number(afterwards.at(-1)!.packetId >> 8n) % 2 ** 31;
    expect(retired).toBeGreaterThanOrEqual(late);
    if (first !== null) expect(first).toBeGreaterThan(retired);
    const outcomes = await settleOpens(restored, afterwards);
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['credited']));
  });

  it('gives new events ids that the later history cannot have given', async () => {
    const prismaOfRestored = createPrisma({ ...connection, connectionString: stack.databaseUrl });
    const options = { sponsors: 1, packetsPerSponsor: 64, startsAtMs: Date.now(), durationMs, sharePortions: 0 };
    const next = await startPlayedEvent(restored, prismaOfRestored, options);
    await prismaOfRestored.$disconnect();
    expect(next.id).toBeGreaterThan(event.id + 1000);
    expect(packetOf(next.pools[0]!, 0)).toBeGreaterThan(packetOf(event.pools[0]!, packets - 1));
  });
});

it('a backup of a DATA_DIR whose system is stopped, or was killed, holds everything', async () => {
  await server.kill();
  const to = join(home, 'offline');
  const taken = await run('backup', ['--to', to], dataDir);
  expect(taken).toMatchObject({ code: 0, output: expect.stringContaining('it is started for the backup') });
  const restoredDir = join(home, 'restored-offline');
  const args = ['--from', to, '--no-later-history'];
  expect(await run('restore', args, restoredDir)).toMatchObject({ code: 0 });
  const again = await startPostgres({ dataDir: join(restoredDir, 'postgres') });
  const client = createPool({ ...connection, connectionString: again.url });
  const { rows } = await client.query<{ grants: number; skipped: number }>(
    "SELECT (SELECT count(*)::int FROM grants) AS grants, (SELECT count(*)::int FROM blocks WHERE state = 'retired') AS skipped",
  );
  await client.end();
  await again.stop();
  expect(rows[0]).toEqual({ grants: acknowledged.length + afterwards.length, skipped: 0 });
});
