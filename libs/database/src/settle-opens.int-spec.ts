import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isDataError } from './errors.ts';
import { beginSettlement } from './sql/begin-settlement.sql.ts';
import { findPacket } from './sql/find-packet.sql.ts';
import { findViolations } from './sql/find-violations.sql.ts';
import { moveEvent } from './sql/move-event.sql.ts';
import { readWallet } from './sql/read-wallet.sql.ts';
import { settleOpens } from './sql/settle-opens.sql.ts';
import { draftOf, issueUntilMs, openOf, packetIdsOf, poolOfSponsor, startEvent, t0 } from './testing/event.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

const outcomesOf = (settlements: readonly { outcome: string }[]) => settlements.map(({ outcome }) => outcome);

describe('settleOpens', () => {
  it('grants a packet for its amount, books the transfer and the balance, and says the same again (invariants 1, 7, 8)', async () => {
    const event = await startEvent(db, draftOf(1));
    const open = openOf(event, 'first-user');
    const credited = { outcome: 'credited', amountFen: open.amountFen, ordinal: 1 };
    expect(await settleOpens(db.pool, [open])).toEqual([{ ...credited, isNew: true }]);
    for (let again = 0; again < 3; again++) {
      expect(await settleOpens(db.pool, [open])).toEqual([{ ...credited, isNew: false }]);
    }
    expect(await readWallet(db.pool, 'first-user')).toMatchObject({ balanceFen: open.amountFen });
    expect(await findPacket(db.pool, open.packetId)).toMatchObject({
      userId: 'first-user',
      sponsorId: 's0',
      amountFen: open.amountFen,
      acceptedAtMs: open.acceptedAtMs,
      sharePortions: 3,
    });
    const { rows } = await db.pool.query('SELECT kind, amount_fen FROM transfers WHERE ref = $1', [open.packetId]);
    expect(rows).toEqual([{ kind: 'grant', amount_fen: BigInt(open.amountFen) }]);
    expect(await findViolations(db.pool, { eventId: event.id, limitPerRule: 5 })).toEqual([]);
  });

  it('answers every claim of a batch in its place, whatever order they were accepted in', async () => {
    const event = await startEvent(db, draftOf(2));
    const claims = [
      openOf(event, 'late', { n: 0, acceptedAtMs: t0 + 9 }),
      openOf(event, 'late', { n: 1, acceptedAtMs: t0 + 3 }),
      openOf(event, 'other', { n: 2, acceptedAtMs: t0 + 5 }),
      openOf(event, 'late', { sponsorNo: 1, n: 0, acceptedAtMs: t0 + 1 }),
    ];
    const settled = await settleOpens(db.pool, claims);
    expect(outcomesOf(settled)).toEqual(['sponsor_limit', 'credited', 'credited', 'credited']);
    expect(settled[1]).toMatchObject({ ordinal: 2, amountFen: claims[1]!.amountFen });
    expect(settled[3]).toMatchObject({ ordinal: 1, amountFen: claims[3]!.amountFen });
  });

  it('applies both limits in order of acceptance, and a denial stays a denial (invariants 5, 7)', async () => {
    const event = await startEvent(db, draftOf(4, { perUserMax: 2 }));
    const claims = [0, 1, 2, 3].map((sponsorNo) =>
      openOf(event, 'greedy', { sponsorNo, acceptedAtMs: t0 + 10 - sponsorNo }),
    );
    const expected = ['limit', 'limit', 'credited', 'credited'];
    expect(outcomesOf(await settleOpens(db.pool, claims))).toEqual(expected);
    expect(outcomesOf(await settleOpens(db.pool, claims))).toEqual(expected);
    const more = [openOf(event, 'greedy', { sponsorNo: 3, n: 5 }), openOf(event, 'greedy', { sponsorNo: 0, n: 5 })];
    expect(outcomesOf(await settleOpens(db.pool, more))).toEqual(['sponsor_limit', 'limit']);
  });

  it('tells apart the second packet of a sponsor that was denied by the limit from one that was granted', async () => {
    const event = await startEvent(db, draftOf(2, { perUserMax: 1 }));
    const claims = [
      openOf(event, 'u', { sponsorNo: 0, n: 0, acceptedAtMs: t0 + 1 }),
      openOf(event, 'u', { sponsorNo: 0, n: 1, acceptedAtMs: t0 + 2 }),
      openOf(event, 'u', { sponsorNo: 1, n: 0, acceptedAtMs: t0 + 3 }),
      openOf(event, 'u', { sponsorNo: 1, n: 1, acceptedAtMs: t0 + 4 }),
    ];
    expect(outcomesOf(await settleOpens(db.pool, claims))).toEqual(['credited', 'sponsor_limit', 'limit', 'limit']);
  });

  it('gives one packet to the first of two users in one batch, and the other one hears taken', async () => {
    const event = await startEvent(db, draftOf(1));
    const second = openOf(event, 'second', { acceptedAtMs: t0 + 2 });
    const first = openOf(event, 'first', { acceptedAtMs: t0 + 1 });
    expect(outcomesOf(await settleOpens(db.pool, [second, first, second]))).toEqual(['taken', 'credited', 'taken']);
  });

  it('gives the packet to the second user of a batch when the first is over his limit', async () => {
    const event = await startEvent(db, draftOf(1));
    await settleOpens(db.pool, [openOf(event, 'full', { n: 9 })]);
    const claims = [openOf(event, 'full', { acceptedAtMs: t0 + 1 }), openOf(event, 'next', { acceptedAtMs: t0 + 2 })];
    expect(outcomesOf(await settleOpens(db.pool, claims))).toEqual(['sponsor_limit', 'credited']);
  });

  it('settles a claim that stands in a batch several times once', async () => {
    const event = await startEvent(db, draftOf(1));
    const open = openOf(event, 'twice');
    const settled = await settleOpens(db.pool, [open, { ...open, acceptedAtMs: open.acceptedAtMs - 1 }, open]);
    expect(settled.map((one) => one.outcome === 'credited' && one.isNew)).toEqual([false, true, false]);
    expect(new Set(settled.map((one) => one.outcome === 'credited' && one.amountFen)).size).toBe(1);
  });

  it('grants a ticket of this epoch in the same batch as one of the last epoch of the same packet and user (invariant 4)', async () => {
    const event = await startEvent(db, draftOf(1));
    const stale = openOf(event, 'patient', { epoch: 7, acceptedAtMs: t0 + 1 });
    const valid = openOf(event, 'patient', { epoch: 1, acceptedAtMs: t0 + 2 });
    expect(outcomesOf(await settleOpens(db.pool, [stale, valid]))).toEqual(['expired', 'credited']);
  });

  it('refuses what a forged ticket could say: other event, sponsor, epoch, block or index', async () => {
    const event = await startEvent(db, draftOf(2, {}, { packetCount: 65 }));
    const other = await startEvent(db, draftOf(1));
    const pool = poolOfSponsor(event, 0);
    const lastOfPool = packetIdsOf(pool).at(-1)!;
    const honest = openOf(event, 'forger', { n: 3 });
    const forged = [
      { ...honest, eventId: other.id },
      { ...honest, eventId: 999_999 },
      { ...honest, sponsorNo: 1 },
      { ...honest, epoch: 2 },
      { ...honest, epoch: 65_535 },
      { ...honest, packetId: lastOfPool + 1n },
      { ...honest, packetId: lastOfPool | 255n },
      { ...honest, packetId: (BigInt(pool.poolId) << 39n) | (BigInt(pool.blockCount) << 8n) },
      { ...honest, packetId: (1n << 63n) - 1n },
    ];
    for (const claim of forged) expect(outcomesOf(await settleOpens(db.pool, [claim]))).toEqual(['expired']);
    // nothing is kept of them: the honest ticket of that packet is another one
    expect(outcomesOf(await settleOpens(db.pool, [honest]))).toEqual(['credited']);
  });

  it.each([
    ['out', 'credited'],
    ['reclaimed', 'credited'],
    ['retired', 'credited'],
    ['closed', 'expired'],
  ])('an open of a block that is %s ends %s (invariant 3)', async (state, outcome) => {
    const event = await startEvent(db, draftOf(1));
    await db.pool.query('UPDATE blocks SET state = $1 WHERE pool_id = $2', [state, poolOfSponsor(event, 0).poolId]);
    expect(outcomesOf(await settleOpens(db.pool, [openOf(event, 'somebody')]))).toEqual([outcome]);
  });

  it('grants in a closed event until it is being settled, and still tells then what was granted', async () => {
    const event = await startEvent(db, draftOf(1));
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: issueUntilMs });
    const inTime = openOf(event, 'in-time', { n: 0 });
    expect(outcomesOf(await settleOpens(db.pool, [inTime]))).toEqual(['credited']);
    expect(await beginSettlement(db.pool, { eventId: event.id, atMs: t0 })).toBe(true);
    const late = openOf(event, 'too-late', { n: 1 });
    expect(outcomesOf(await settleOpens(db.pool, [late, inTime]))).toEqual(['expired', 'credited']);
  });

  it('rejects amounts outside the pool as a data error and books nothing of the batch (invariant 9)', async () => {
    const event = await startEvent(db, draftOf(1));
    const good = openOf(event, 'good', { n: 0 });
    for (const amountFen of [0, -5, 501, 2 ** 40]) {
      const poison = openOf(event, 'poison', { n: 1, amountFen });
      const error = await settleOpens(db.pool, [good, poison]).catch((cause: unknown) => cause);
      expect(isDataError(error)).toBe(true);
    }
    expect(await findPacket(db.pool, good.packetId)).toBeUndefined();
    expect(outcomesOf(await settleOpens(db.pool, [good]))).toEqual(['credited']);
  });

  it.each([
    ['a user id with a NUL', { userId: 'a\0b' }],
    ['no user id', { userId: null as unknown as string }],
    ['a fraction for an epoch', { epoch: 1.5 }],
    ['no amount', { amountFen: Number.NaN }],
    ['an empty user id', { userId: '' }],
  ])('rejects %s as a data error', async (_what, poison) => {
    const event = await startEvent(db, draftOf(1));
    const error = await settleOpens(db.pool, [{ ...openOf(event, 'x'), ...poison }]).catch((cause: unknown) => cause);
    expect(isDataError(error)).toBe(true);
  });

  it('settles an empty batch without asking the database', async () => {
    expect(await settleOpens({ query: () => expect.unreachable() } as never, [])).toEqual([]);
  });

  it('refuses a batch over its limit', async () => {
    const event = await startEvent(db, draftOf(1));
    const batch = new Array(4097).fill(openOf(event, 'many'));
    await expect(settleOpens(db.pool, batch)).rejects.toThrow(RangeError);
  });
});
