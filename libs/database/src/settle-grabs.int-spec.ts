import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isDataError } from './errors.ts';
import type { EventRecord } from './read/load-events.ts';
import { beginSettlement } from './sql/begin-settlement.sql.ts';
import { findViolations } from './sql/find-violations.sql.ts';
import { moveEvent } from './sql/move-event.sql.ts';
import { findGrab, listGrabs, readShare } from './sql/read-share.sql.ts';
import { readWallet } from './sql/read-wallet.sql.ts';
import { settleGrabs } from './sql/settle-grabs.sql.ts';
import { type OpenClaim, settleOpens } from './sql/settle-opens.sql.ts';
import { draftOf, grabOf, openOf, poolOfSponsor, startEvent, t0 } from './testing/event.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

const outcomesOf = (settlements: readonly { outcome: string }[]) => settlements.map(({ outcome }) => outcome);

/** An event with one granted packet of three portions. */
async function shared(): Promise<{ event: EventRecord; open: OpenClaim }> {
  const event = await startEvent(db, draftOf(1));
  const open = openOf(event, 'owner');
  await settleOpens(db.pool, [open]);
  return { event, open };
}

async function accountCount(): Promise<bigint> {
  const { rows } = await db.pool.query<{ count: bigint }>('SELECT count(*) FROM accounts');
  return rows[0]!.count;
}

describe('settleGrabs', () => {
  it('gives each friend the next portion once, the owner too, and then nothing (invariants 7, 8)', async () => {
    const { event, open } = await shared();
    const portions = grabOf(event, open, 'any').portionsFen;
    const friends = ['ann', 'owner', 'bob', 'cid'].map((friend) => grabOf(event, open, friend));
    const settled = await settleGrabs(db.pool, friends);
    expect(settled).toEqual([
      ...[1, 2, 3].map((portion) => ({ outcome: 'credited', portion, amountFen: portions[portion - 1], isNew: true })),
      { outcome: 'empty' },
    ]);
    const again = await settleGrabs(db.pool, friends.toReversed());
    expect(again).toEqual(settled.map((one) => ('isNew' in one ? { ...one, isNew: false } : one)).reverse());
    expect(await listGrabs(db.pool, { packetId: open.packetId, limit: 10 })).toMatchObject([
      { userId: 'ann', portion: 1, amountFen: portions[0] },
      { userId: 'owner', portion: 2, amountFen: portions[1] },
      { userId: 'bob', portion: 3, amountFen: portions[2] },
    ]);
    expect(await readShare(db.pool, open.packetId)).toMatchObject({ taken: 3, grant: { userId: 'owner' } });
    const share = { packetId: open.packetId, epoch: 1, ownerId: 'owner' };
    expect(await findGrab(db.pool, share, 'bob')).toMatchObject({ portion: 3 });
    expect(await findGrab(db.pool, share, 'cid')).toBeUndefined();
    expect(await findGrab(db.pool, { ...share, ownerId: 'ann' }, 'bob')).toBeUndefined();
    expect(await findGrab(db.pool, { ...share, epoch: 2 }, 'bob')).toBeUndefined();
    expect(await readWallet(db.pool, 'owner')).toMatchObject({ balanceFen: open.amountFen + portions[1]! });
    expect(await findViolations(db.pool, { eventId: event.id, limitPerRule: 5 })).toEqual([]);
  });

  it('gives portions in order of acceptance', async () => {
    const { event, open } = await shared();
    const claims = ['c', 'b', 'a', 'd'].map((friend, i) => grabOf(event, open, friend, { acceptedAtMs: t0 + 9 - i }));
    const settled = await settleGrabs(db.pool, claims);
    expect(settled.map((one) => (one.outcome === 'credited' ? one.portion : one.outcome))).toEqual(['empty', 3, 2, 1]);
  });

  it('says no_grant_yet while the owner may still be granted, and credits after it', async () => {
    const event = await startEvent(db, draftOf(1));
    const open = openOf(event, 'slow-owner');
    const grab = grabOf(event, open, 'eager');
    expect(outcomesOf(await settleGrabs(db.pool, [grab]))).toEqual(['no_grant_yet']);
    await settleOpens(db.pool, [open]);
    expect(outcomesOf(await settleGrabs(db.pool, [grab]))).toEqual(['credited']);
  });

  it('says taken when the packet went to somebody else than the claimed owner', async () => {
    const { event, open } = await shared();
    const grab = grabOf(event, { ...open, userId: 'not-the-owner' }, 'friend');
    expect(outcomesOf(await settleGrabs(db.pool, [grab, grabOf(event, open, 'friend')]))).toEqual([
      'taken',
      'credited',
    ]);
  });

  it('says expired once the owner can never be granted any more', async () => {
    const event = await startEvent(db, draftOf(1));
    const grab = grabOf(event, openOf(event, 'sleeper'), 'friend');
    const { poolId } = poolOfSponsor(event, 0);
    expect(outcomesOf(await settleGrabs(db.pool, [{ ...grab, packetId: grab.packetId + (1n << 38n) }]))).toEqual([
      'expired',
    ]);
    expect(outcomesOf(await settleGrabs(db.pool, [{ ...grab, eventId: 999_999 }]))).toEqual(['expired']);
    await db.pool.query('UPDATE blocks SET epoch = 2 WHERE pool_id = $1', [poolId]);
    expect(outcomesOf(await settleGrabs(db.pool, [grab]))).toEqual(['expired']);
    expect(outcomesOf(await settleGrabs(db.pool, [{ ...grab, epoch: 2 }]))).toEqual(['no_grant_yet']);
    await db.pool.query("UPDATE blocks SET state = 'closed' WHERE pool_id = $1", [poolId]);
    expect(outcomesOf(await settleGrabs(db.pool, [{ ...grab, epoch: 2 }]))).toEqual(['expired']);
  });

  it('tells apart two shares of one owner: the packet lapsed and was won again (invariant 7)', async () => {
    const event = await startEvent(db, draftOf(1));
    const open = openOf(event, 'owner', { epoch: 2 });
    const lapsed = { ...open, epoch: 1 };
    await db.pool.query('UPDATE blocks SET epoch = 2 WHERE pool_id = $1', [poolOfSponsor(event, 0).poolId]);
    const ofFirst = grabOf(event, lapsed, 'friend');
    const ofSecond = grabOf(event, open, 'friend');
    expect(outcomesOf(await settleGrabs(db.pool, [ofFirst]))).toEqual(['expired']);
    expect(await settleOpens(db.pool, [open])).toMatchObject([{ outcome: 'credited' }]);
    expect(outcomesOf(await settleGrabs(db.pool, [ofFirst]))).toEqual(['expired']);
    expect(outcomesOf(await settleGrabs(db.pool, [ofSecond]))).toEqual(['credited']);
    expect(outcomesOf(await settleGrabs(db.pool, [ofFirst, ofSecond]))).toEqual(['expired', 'credited']);
    expect(await findGrab(db.pool, { packetId: open.packetId, epoch: 1, ownerId: 'owner' }, 'friend')).toBeUndefined();
  });

  it('says of a share that lapsed the same before and after its packet went to somebody else', async () => {
    const event = await startEvent(db, draftOf(1));
    await db.pool.query('UPDATE blocks SET epoch = 2 WHERE pool_id = $1', [poolOfSponsor(event, 0).poolId]);
    const grab = grabOf(event, openOf(event, 'sleeper'), 'friend');
    expect(outcomesOf(await settleGrabs(db.pool, [grab]))).toEqual(['expired']);
    await settleOpens(db.pool, [openOf(event, 'next', { epoch: 2 })]);
    expect(outcomesOf(await settleGrabs(db.pool, [grab]))).toEqual(['expired']);
  });

  it('says empty again while the event is being settled', async () => {
    const { event, open } = await shared();
    const friends = ['a', 'b', 'c', 'd'].map((friend) => grabOf(event, open, friend));
    const before = outcomesOf(await settleGrabs(db.pool, friends));
    expect(before.at(-1)).toBe('empty');
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
    await beginSettlement(db.pool, { eventId: event.id, atMs: t0 });
    expect(outcomesOf(await settleGrabs(db.pool, friends))).toEqual(before);
  });

  it('gives nothing once the event is being settled, and still tells what was given', async () => {
    const { event, open } = await shared();
    const first = grabOf(event, open, 'first');
    await settleGrabs(db.pool, [first]);
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
    expect(outcomesOf(await settleGrabs(db.pool, [grabOf(event, open, 'second')]))).toEqual(['credited']);
    await beginSettlement(db.pool, { eventId: event.id, atMs: t0 });
    const claims = [grabOf(event, open, 'third'), first];
    expect(outcomesOf(await settleGrabs(db.pool, claims))).toEqual(['expired', 'credited']);
  });

  it('writes nothing for those who come too late: no wallet for an empty share', async () => {
    const { event, open } = await shared();
    await settleGrabs(
      db.pool,
      ['a', 'b', 'c'].map((friend) => grabOf(event, open, friend)),
    );
    const before = await accountCount();
    const late = Array.from({ length: 50 }, (_, i) => grabOf(event, open, `late-${i}`));
    expect(new Set(outcomesOf(await settleGrabs(db.pool, late)))).toEqual(new Set(['empty']));
    expect(await accountCount()).toBe(before);
  });

  it('gives nothing of a pool without shares', async () => {
    const event = await startEvent(db, draftOf(1, {}, { sharePortions: 0, shareBudgetFen: 0 }));
    const open = openOf(event, 'owner');
    await settleOpens(db.pool, [open]);
    expect(outcomesOf(await settleGrabs(db.pool, [grabOf(event, open, 'friend')]))).toEqual(['empty']);
  });

  it('rejects portions that the pool does not have as a data error (invariant 9)', async () => {
    const { event, open } = await shared();
    const { portionsFen } = grabOf(event, open, 'any');
    for (const wrong of [portionsFen.slice(1), [...portionsFen, 1], [0, ...portionsFen.slice(1)]]) {
      const claim = grabOf(event, open, 'friend', { portionsFen: wrong });
      expect(isDataError(await settleGrabs(db.pool, [claim]).catch((cause: unknown) => cause))).toBe(true);
    }
    expect(await readShare(db.pool, open.packetId)).toMatchObject({ taken: 0 });
  });
});
