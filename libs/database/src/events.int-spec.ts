import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isDataError } from './errors.ts';
import { loadEvents } from './read/load-events.ts';
import { armEvent } from './sql/arm-event.sql.ts';
import { beginSettlement } from './sql/begin-settlement.sql.ts';
import { closeBlocks } from './sql/close-blocks.sql.ts';
import { createEvent } from './sql/create-event.sql.ts';
import { findViolations } from './sql/find-violations.sql.ts';
import { loadEventSecret } from './sql/load-event-secret.sql.ts';
import { moveEvent } from './sql/move-event.sql.ts';
import { type Settling, settleEvent } from './sql/settle-event.sql.ts';
import { settleGrabs } from './sql/settle-grabs.sql.ts';
import { settleOpens } from './sql/settle-opens.sql.ts';
import { armDraft, draftOf, grabOf, loadEvent, openOf, startEvent, t0, testSecret } from './testing/event.ts';
import { readPoolSums } from './testing/pool-sums.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

describe('createEvent and loadEvents', () => {
  it('gives back the draft, with ids, block sizes and sorted lists', async () => {
    const draft = draftOf(3, {
      title: '红包 🧧',
      reissue: 'wave',
      endsAtMs: t0 + 30 * 86_400_000,
      sharesEndAtMs: t0 + 30 * 86_400_000,
    });
    const points = [
      [0, 0],
      [0.25, 0.5],
      [1, 1],
    ] as const;
    const pools = draft.waves[0]!.pools.map((pool) => ({
      ...pool,
      releaseCurve: points,
      packetCount: 1_000,
      budgetFen: 100_000,
      shareBudgetFen: 30_000,
    }));
    const waves = [
      { no: 7, startsAtMs: t0 + 60_000, durationMs: 2_500_000_000, pools: pools.slice(0, 1) },
      { no: 2, startsAtMs: t0, durationMs: 60_000, pools },
    ];
    const event = await loadEvent(db, await createEvent(db.pool, { ...draft, waves }, t0 - 5));
    const { sponsors: _s, waves: _w, ...settings } = draft;
    expect(event).toMatchObject({ ...settings, state: 'draft', createdAtMs: t0 - 5, armedAtMs: undefined });
    expect(event.sponsors).toEqual(draft.sponsors.map((sponsor, no) => ({ no, ...sponsor })));
    expect(event.waves).toEqual([
      { no: 2, startsAtMs: t0, durationMs: 60_000 },
      { no: 7, startsAtMs: t0 + 60_000, durationMs: 2_500_000_000 },
    ]);
    expect(event.pools.map(({ waveNo, sponsorNo }) => [waveNo, sponsorNo])).toEqual([
      [7, 0],
      [2, 0],
      [2, 1],
      [2, 2],
    ]);
    const { sponsorId: _id, ...plan } = pools[0]!;
    expect(event.pools[1]).toEqual({
      ...plan,
      poolId: event.pools[1]!.poolId,
      eventId: event.id,
      waveNo: 2,
      sponsorNo: 0,
      blockSize: 16,
      blockCount: 63,
      blockLifeMs: 10_000,
      nextBlock: 0,
    });
  });

  it('cuts pools by count and pace, and gives each the life that its pace asks for unless the plan sets one', async () => {
    // Proves that what holds stands in the pools' rows, and that the plan is told as it was given.
    const { blockLifeMs: _life, ...draft } = draftOf(1);
    const [wave] = draft.waves;
    const waveOf = (no: number, packetCount: number, durationMs: number) => {
      const pool = { ...wave!.pools[0]!, packetCount, budgetFen: packetCount * 100, shareBudgetFen: packetCount * 30 };
      return { no, startsAtMs: t0 + no * 1_000_000, durationMs, pools: [pool] };
    };
    const waves = [
      waveOf(0, 100, 1000),
      waveOf(1, 1000, 250_000),
      waveOf(2, 100, 1_000_000),
      waveOf(3, 1_000_000, 1000),
    ];
    const shapes = async (blockLifeMs: number | undefined) => {
      const event = await loadEvent(db, await createEvent(db.pool, { ...draft, blockLifeMs, waves }, t0));
      expect(event.blockLifeMs).toBe(blockLifeMs);
      return event.pools.map(({ blockSize, blockCount, blockLifeMs: lifeMs }) => [blockSize, blockCount, lifeMs]);
    };
    expect(await shapes(undefined)).toEqual([
      [2, 50, 10_000],
      [4, 250, 16_000],
      [1, 100, 60_000],
      [256, 3907, 10_000],
    ]);
    expect((await shapes(4000)).map(([, , lifeMs]) => lifeMs)).toEqual([4000, 4000, 4000, 4000]);
  });

  it('refuses a plan that the CHECKs know to be impossible, and leaves nothing of it', async () => {
    const { rows: before } = await db.pool.query('SELECT count(*) FROM events');
    const impossible = [
      draftOf(1, { endsAtMs: t0 }),
      draftOf(1, { perUserMax: 65 }),
      draftOf(1, {}, { budgetFen: 1 }),
      draftOf(1, {}, { sharePortions: 0, shareBudgetFen: 5 }),
      { ...draftOf(1), waves: draftOf(2).waves },
    ];
    for (const draft of impossible) {
      const error = await createEvent(db.pool, draft, t0).catch((cause: unknown) => cause);
      expect(isDataError(error)).toBe(true);
    }
    expect((await db.pool.query('SELECT count(*) FROM events')).rows).toEqual(before);
  });

  it('filters by id, by state and by the time of settling', async () => {
    const draft = await createEvent(db.pool, draftOf(1), t0);
    const armed = await armDraft(db, draftOf(1));
    const settled = await settledEvent(t0 + 50_000);
    const ids = [draft, armed, settled];
    const found = async (filter: object) => (await loadEvents(db.prisma, { ids, ...filter })).map(({ id }) => id);
    expect(await found({})).toEqual(ids);
    expect(await found({ states: ['draft', 'armed'] })).toEqual([draft, armed]);
    expect(await found({ states: ['armed'], settledSinceMs: t0 + 50_000 })).toEqual([armed, settled]);
    expect(await found({ states: ['armed'], settledSinceMs: t0 + 50_001 })).toEqual([armed]);
    expect(await found({ settledSinceMs: t0 })).toEqual([settled]);
  });
});

async function settledEvent(atMs: number): Promise<number> {
  const event = await closedEvent();
  await beginSettlement(db.pool, { eventId: event.id, atMs });
  await closeBlocks(db.pool, { eventId: event.id, limit: 1_000 });
  const refunds = event.pools.map(({ poolId, budgetFen, shareBudgetFen }) => ({
    poolId,
    amountFen: budgetFen + shareBudgetFen,
  }));
  await settleEvent(db.pool, { eventId: event.id, atMs, revealedSecret: 'revealed', refunds });
  return event.id;
}

async function closedEvent() {
  const event = await startEvent(db, draftOf(2));
  await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 + 7 });
  return event;
}

describe('the life of an event', () => {
  it('arming fixes secret and lanes and funds every pool with all its money, once (invariant 8)', async () => {
    const eventId = await armDraft(db, draftOf(2));
    const event = await loadEvent(db, eventId);
    expect(event).toMatchObject({ state: 'armed', armedAtMs: t0, openLaneCount: 4, grabLaneCount: 2 });
    expect(event.secretCommitment).toHaveLength(64);
    expect(await loadEventSecret(db.pool, eventId)).toEqual(testSecret);
    expect(await readPoolSums(db.pool, eventId)).toMatchObject(
      event.pools.map(({ poolId }) => ({
        poolId,
        budgetFen: 6400,
        shareBudgetFen: 1920,
        fundedFen: 8320,
        refundedFen: 0,
      })),
    );
    const again = {
      eventId,
      atMs: t0,
      secret: testSecret,
      secretCommitment: 'x',
      canonicalPlan: 'y',
      openLaneCount: 8,
      grabLaneCount: 8,
    };
    expect(await armEvent(db.pool, again)).toBe(false);
    expect(await armEvent(db.pool, { ...again, eventId: 999_999 })).toBe(false);
    expect(await loadEvent(db, eventId)).toEqual(event);
    expect(await findViolations(db.pool, { eventId, limitPerRule: 5 })).toEqual([]);
  });

  it('two armings at once arm it once', async () => {
    const eventId = await createEvent(db.pool, draftOf(1), t0);
    const arming = {
      eventId,
      atMs: t0,
      secret: testSecret,
      secretCommitment: 'x',
      canonicalPlan: 'y',
      openLaneCount: 1,
      grabLaneCount: 1,
    };
    const armed = await Promise.all([armEvent(db.pool, arming), armEvent(db.pool, arming), armEvent(db.pool, arming)]);
    expect(armed.sort()).toEqual([false, false, true]);
  });

  it('moves only from the state it is in', async () => {
    const eventId = await armDraft(db, draftOf(1));
    expect(await moveEvent(db.pool, { eventId, from: 'live', to: 'closed', atMs: t0 })).toBe(false);
    expect(await moveEvent(db.pool, { eventId, from: 'armed', to: 'live', atMs: t0 })).toBe(true);
    expect(await moveEvent(db.pool, { eventId, from: 'armed', to: 'live', atMs: t0 })).toBe(false);
    expect(await moveEvent(db.pool, { eventId, from: 'live', to: 'closed', atMs: t0 + 3 })).toBe(true);
    expect(await loadEvent(db, eventId)).toMatchObject({ state: 'closed', closedAtMs: t0 + 3 });
    await expect(moveEvent(db.pool, { eventId, from: 'live', to: 'live', atMs: t0 })).rejects.toThrow(RangeError);
  });

  it('settles in its order only: closed, settling, blocks closed, refunds for every pool (invariant 8)', async () => {
    const event = await startEvent(db, draftOf(2));
    const { id: eventId } = event;
    const open = openOf(event, 'winner');
    await settleOpens(db.pool, [open]);
    const grab = grabOf(event, open, 'friend');
    await settleGrabs(db.pool, [grab]);
    const [given, untouched] = event.pools.map(({ budgetFen, shareBudgetFen }) => budgetFen + shareBudgetFen) as [
      number,
      number,
    ];
    const refunds = [
      { poolId: event.pools[0]!.poolId, amountFen: given - open.amountFen - grab.portionsFen[0]! },
      { poolId: event.pools[1]!.poolId, amountFen: untouched },
    ];
    const settling: Settling = { eventId, atMs: t0 + 9, revealedSecret: 'the secret', refunds };

    expect(await beginSettlement(db.pool, { eventId, atMs: t0 })).toBe(false);
    expect(await settleEvent(db.pool, settling)).toBe(false);
    await moveEvent(db.pool, { eventId, from: 'live', to: 'closed', atMs: t0 + 7 });
    expect(await settleEvent(db.pool, settling)).toBe(false);
    expect(await beginSettlement(db.pool, { eventId, atMs: t0 + 8 })).toBe(true);
    expect(await beginSettlement(db.pool, { eventId, atMs: t0 + 80 })).toBe(true);
    expect(await settleEvent(db.pool, settling)).toBe(false);
    expect(await closeBlocks(db.pool, { eventId, limit: 1_000 })).toBe(64);
    await expect(settleEvent(db.pool, { ...settling, refunds: refunds.slice(1) })).rejects.toThrow(
      'each of its 2 pools',
    );

    expect(await Promise.all([settleEvent(db.pool, settling), settleEvent(db.pool, settling)])).toEqual([true, true]);
    expect(await loadEvent(db, eventId)).toMatchObject({
      state: 'settled',
      settlingAtMs: t0 + 8,
      settledAtMs: t0 + 9,
      revealedSecret: 'the secret',
    });
    const sums = await readPoolSums(db.pool, eventId);
    expect(
      sums.map(
        ({ fundedFen, grantedFen, grabbedFen, refundedFen }) => fundedFen - grantedFen - grabbedFen - refundedFen,
      ),
    ).toEqual([0, 0]);
    expect(await findViolations(db.pool, { eventId, limitPerRule: 5 })).toEqual([]);
  });

  it('books no refund of nothing', async () => {
    const event = await closedEvent();
    const { id: eventId } = event;
    await beginSettlement(db.pool, { eventId, atMs: t0 });
    await closeBlocks(db.pool, { eventId, limit: 1_000 });
    const refunds = event.pools.map(({ poolId }) => ({ poolId, amountFen: 0 }));
    expect(await settleEvent(db.pool, { eventId, atMs: t0, revealedSecret: 's', refunds })).toBe(true);
    const { rows } = await db.pool.query("SELECT FROM transfers WHERE kind = 'refund' AND event_id = $1", [eventId]);
    expect(rows).toEqual([]);
  });
});

describe('immutability', () => {
  it.each(['transfers', 'grants', 'denials', 'grabs', 'audit_log'])(
    'no row of %s can be changed, deleted or truncated (invariants 7, 8)',
    async (table) => {
      const event = await startEvent(db, draftOf(1));
      const open = openOf(event, `immutable-${table}`);
      await settleOpens(db.pool, [open, openOf(event, open.userId, { n: 1 })]);
      await settleGrabs(db.pool, [grabOf(event, open, 'friend')]);
      await db.pool.query(
        "INSERT INTO audit_log (actor, action, target, reason, detail) VALUES ('a', 'b', 'c', 'd', '{}')",
      );
      const column = { audit_log: 'reason', denials: 'outcome' }[table] ?? 'amount_fen';
      for (const sql of [
        `UPDATE ${table} SET ${column} = ${column}`,
        `DELETE FROM ${table}`,
        `TRUNCATE ${table} CASCADE`,
      ]) {
        await expect(db.pool.query(sql)).rejects.toMatchObject({ code: '23001' });
      }
    },
  );

  it('a secret cannot be revealed before the event is settled', async () => {
    const event = await closedEvent();
    const early = db.pool.query("UPDATE events SET revealed_secret = 'x' WHERE id = $1", [event.id]);
    await expect(early).rejects.toMatchObject({ code: '23514', constraint: 'events_settled' });
  });
});
