import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EventRecord, type OpenClaim, settleGrabs, settleOpens } from '#libs/database';
import { createTestDatabase, type TestDatabase } from '#libs/database/testing';
import { packetRefOf } from '#libs/domain';
import { projectRoot } from '../scripts/stack/index.ts';
import { grabOf, openOf, settlePlayed, startPlayedEvent, stockUpTo } from './support/played-event.ts';

/** Each pool has 640 packets in 32 blocks; of it so many are granted. */
const granted = 300;
const program = join(projectRoot, 'dist', 'scripts', 'verify-event.js');

let db: TestDatabase;
let event: EventRecord;
let opens: OpenClaim[];

beforeAll(async () => {
  db = await createTestDatabase();
  const startsAtMs = Date.UTC(2026, 1, 16, 12);
  const options = { sponsors: 2, packetsPerSponsor: 640, startsAtMs, durationMs: 60_000, sharePortions: 3 };
  event = await startPlayedEvent(db.pool, db.prisma, options);
  await stockUpTo(db.pool, event, 1024, startsAtMs + 10_000);
  opens = event.pools.flatMap((pool) =>
    Array.from({ length: granted }, (_, n) => openOf(event, pool, n * 2, `user-${n}`)),
  );
  await settleOpens(db.pool, opens);
  const grabs = event.pools.flatMap((pool) => {
    const shared = opens.filter(({ sponsorNo }) => sponsorNo === pool.sponsorNo).slice(0, 50);
    return shared.flatMap((open) => ['ann', 'bob'].map((friend) => grabOf(event, pool, open, friend)));
  });
  await settleGrabs(db.pool, grabs);
});
afterAll(() => db.drop());

async function verify(...args: string[]): Promise<{ code: number; output: string }> {
  const env = { ...process.env, DATABASE_URL: db.url };
  return await new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: `${stdout}${stderr}` });
    });
  });
}

/** Runs it while the change stands, which only a superuser who switches the triggers off can make, and takes the change back. */
async function verifyChanged(change: string, back: string): Promise<{ code: number; output: string }> {
  const asSuperuser = async (sql: string) => {
    await db.pool.query(`BEGIN; SET LOCAL session_replication_role = replica; ${sql}; COMMIT`);
  };
  await asSuperuser(change);
  try {
    return await verify(String(event.id));
  } finally {
    await asSuperuser(back);
  }
}

it('says that an event which is not settled cannot be verified yet, and one which is not there neither', async () => {
  const early = await verify(String(event.id));
  expect(early).toMatchObject({ code: 2, output: expect.stringContaining(`event ${event.id} is live`) });
  expect(await verify('999')).toMatchObject({ code: 2, output: expect.stringContaining('does not exist') });
  expect(await verify('one')).toMatchObject({ code: 2, output: expect.stringContaining('npm run verify-event') });
});

describe('of a settled event', () => {
  beforeAll(() => settlePlayed(db.pool, event));

  it('recomputes every grant, grab and refund, and says what adds up', async () => {
    const { code, output } = await verify(String(event.id));
    expect(output).toMatch(/^verified: event \d+, 600 grants and 200 grabs in 2 pools are as derived$/m);
    expect(output).toMatch(/budget 83200 = granted \d+ \+ grabbed \d+ \+ refunded \d+ \+ unclaimed 0$/m);
    expect(code).toBe(0);
    const noted = await verify(String(event.id), '--commitment', event.secretCommitment!);
    expect(noted.code).toBe(0);
    const other = await verify(String(event.id), '--commitment', '0'.repeat(64));
    expect(other).toMatchObject({ code: 1, output: expect.stringContaining('was noted before the event') });
  });

  it('names the packet whose amount was changed, what was booked and what is derived', async () => {
    const { packetId, amountFen } = opens[17]!;
    const { poolId, blockNo, index } = packetRefOf(packetId);
    const set = (fen: number) => `UPDATE grants SET amount_fen = ${fen} WHERE packet_id = ${packetId}`;
    const found = await verifyChanged(set(amountFen + 1), set(amountFen));
    expect(found.output.trim()).toBe(
      `different: grant of packet ${packetId} (pool ${poolId}, block ${blockNo}, index ${index}): ` +
        `booked ${amountFen + 1} fen, derived ${amountFen} fen`,
    );
    expect(found.code).toBe(1);
  });

  it('names it too when grant and transfer were changed alike, or the transfer alone', async () => {
    const { packetId, amountFen } = opens[400]!;
    const set = (table: string, fen: number) =>
      `UPDATE ${table} SET amount_fen = ${fen} WHERE ${table === 'grants' ? 'packet_id' : "kind = 'grant' AND ref"} = ${packetId}`;
    const both = (fen: number) => `${set('grants', fen)}; ${set('transfers', fen)}`;
    const alike = await verifyChanged(both(amountFen + 1), both(amountFen));
    expect(alike).toMatchObject({
      code: 1,
      output: expect.stringContaining(`different: grant of packet ${packetId} `),
    });
    const alone = await verifyChanged(set('transfers', amountFen + 1), set('transfers', amountFen));
    expect(alone).toMatchObject({
      code: 1,
      output: expect.stringContaining(`different: transfer of grant of packet ${packetId} `),
    });
  });

  it('names the portion of a grab that was changed, and one that nobody booked', async () => {
    const [grab] = (
      await db.pool.query<{ packet_id: bigint; portion: number; amount_fen: number }>(
        'SELECT * FROM grabs ORDER BY 1, 2',
      )
    ).rows;
    const { packet_id, portion, amount_fen } = grab!;
    const where = `WHERE packet_id = ${packet_id} AND portion = ${portion}`;
    const set = (fen: number) => `UPDATE grabs SET amount_fen = ${fen} ${where}`;
    const changed = await verifyChanged(set(amount_fen + 5), set(amount_fen));
    expect(changed.output).toContain(`different: grab of portion ${portion} of packet ${packet_id} `);
    expect(changed.output).toContain(`booked ${amount_fen + 5} fen, derived ${amount_fen} fen`);
    const gone = await verifyChanged(
      `CREATE TABLE kept AS SELECT * FROM grabs ${where}; DELETE FROM grabs ${where}`,
      'INSERT INTO grabs SELECT * FROM kept; DROP TABLE kept',
    );
    expect(gone).toMatchObject({
      code: 1,
      output: expect.stringMatching(/different: grab of portion 2 .* portion 1 was given/),
    });
  });

  it('names what was granted and is gone with its money, by the refund that does not fit', async () => {
    const { packetId } = opens[299]!;
    const rows = { grants: `packet_id = ${packetId}`, transfers: `kind = 'grant' AND ref = ${packetId}` };
    const gone = Object.entries(rows).map(
      ([table, where]) =>
        `CREATE TABLE kept_${table} AS SELECT * FROM ${table} WHERE ${where}; DELETE FROM ${table} WHERE ${where}`,
    );
    const back = Object.keys(rows).map(
      (table) => `INSERT INTO ${table} SELECT * FROM kept_${table}; DROP TABLE kept_${table}`,
    );
    const found = await verifyChanged(gone.join('; '), back.join('; '));
    expect(found).toMatchObject({ code: 1, output: expect.stringMatching(/^different: refund of pool \d+: booked/m) });
  });

  it('finds another plan: in the committed text by the commitment, in the tables by its field', async () => {
    const text = event.canonicalPlan!.replace('"budgetFen":64000', '"budgetFen":64001').replaceAll("'", "''");
    const set = (plan: string) => `UPDATE events SET canonical_plan = '${plan}' WHERE id = ${event.id}`;
    const committed = await verifyChanged(set(text), set(event.canonicalPlan!));
    expect(committed).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^different: commitment: .* secret and plan make/m),
    });
    const { poolId } = event.pools[1]!;
    const setMax = (fen: number) => `UPDATE pools SET max_fen = ${fen} WHERE id = ${poolId}`;
    const table = await verifyChanged(setMax(501), setMax(500));
    expect(table).toMatchObject({
      code: 1,
      output: expect.stringContaining('different: plan: pools[1].maxFen: committed 500, in the tables 501'),
    });
  });

  it('finds another secret by the commitment', async () => {
    const secret = (await db.pool.query('SELECT revealed_secret FROM events')).rows[0].revealed_secret as string;
    const set = (value: string) => `UPDATE events SET revealed_secret = '${value}' WHERE id = ${event.id}`;
    const other = secret.startsWith('0') ? `1${secret.slice(1)}` : `0${secret.slice(1)}`;
    const found = await verifyChanged(set(other), set(secret));
    expect(found).toMatchObject({ code: 1, output: expect.stringMatching(/^different: commitment: /m) });
  });
});
