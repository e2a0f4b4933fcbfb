import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findDeadLetter, listDeadLetters } from './read/dead-letters.ts';
import { listAuditEntries, readDegradation } from './read/operations.ts';
import { beginSettlement } from './sql/begin-settlement.sql.ts';
import { closeDeadLetter } from './sql/close-dead-letter.sql.ts';
import { countOpenDeadLetters } from './sql/count-dead-letters.sql.ts';
import { insertAuditEntry } from './sql/insert-audit-entry.sql.ts';
import { insertDeadLetters, type NewDeadLetter } from './sql/insert-dead-letters.sql.ts';
import { listLuckiest } from './sql/list-luckiest.sql.ts';
import { listPackets } from './sql/list-packets.sql.ts';
import { moveEvent } from './sql/move-event.sql.ts';
import { readPacketStatus } from './sql/packet-status.sql.ts';
import { readWallet } from './sql/read-wallet.sql.ts';
import { retireBlocks } from './sql/retire-blocks.sql.ts';
import { saveDegradation } from './sql/save-degradation.sql.ts';
import { settleOpens } from './sql/settle-opens.sql.ts';
import { draftOf, openOf, packetIdsOf, poolOfSponsor, startEvent, t0 } from './testing/event.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

describe('listPackets', () => {
  it('pages through all packets of a user, latest first, and of nobody else', async () => {
    const events = [await startEvent(db, draftOf(3)), await startEvent(db, draftOf(2))];
    const opens = events.flatMap((event) =>
      event.sponsors.map(({ no }) => openOf(event, 'collector', { sponsorNo: no, acceptedAtMs: t0 + no })),
    );
    for (const open of opens) await settleOpens(db.pool, [open, { ...openOf(events[0]!, 'other', { n: 9 }) }]);
    const seen: bigint[] = [];
    let cursor: string | undefined;
    do {
      const page = await listPackets(db.pool, { userId: 'collector', limit: 2, cursor });
      seen.push(...page.packets.map(({ packetId }) => packetId));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(opens.map(({ packetId }) => packetId).reverse());
    const whole = await listPackets(db.pool, { userId: 'collector', limit: 5 });
    expect(whole.nextCursor).toBeUndefined();
    expect(whole.packets[0]).toMatchObject({
      userId: 'collector',
      sponsorId: 's1',
      sponsorName: 'Sponsor 1',
      ordinal: 2,
    });
    expect(await listPackets(db.pool, { userId: 'nobody', limit: 5 })).toEqual({ packets: [], nextCursor: undefined });
  });

  it.each(['', '0.1', '1', '1.2.3', "1.1'; --", '99999999999.1', '-1.2'])('refuses the cursor %j', async (cursor) => {
    await expect(listPackets(db.pool, { userId: 'x', limit: 2, cursor })).rejects.toThrow(RangeError);
  });
});

describe('readPacketStatus', () => {
  it('tells what an open has come to, and of what was not opened only what can never change', async () => {
    const event = await startEvent(db, draftOf(3, { perUserMax: 1 }, { packetCount: 65 }));
    const open = openOf(event, 'holder', { sponsorNo: 0 });
    const excess = [openOf(event, 'holder', { sponsorNo: 0, n: 1 }), openOf(event, 'holder', { sponsorNo: 1 })];
    await settleOpens(db.pool, [open]);
    const status = async (userId: string, sponsorNo: number, n: number, epoch?: number) => {
      const packetId = packetIdsOf(poolOfSponsor(event, sponsorNo))[n]!;
      return (await readPacketStatus(db.pool, { packetId, userId, epoch })).status;
    };
    const credited = { status: 'credited', amountFen: open.amountFen, sponsorId: 's0', epoch: 1 };
    for (const epoch of [undefined, 1]) {
      const question = { packetId: open.packetId, userId: 'holder', epoch };
      expect(await readPacketStatus(db.pool, question)).toMatchObject(credited);
    }
    expect(await status('holder', 0, 0, 2)).toBe('open');
    expect(await status('other', 0, 0, 1)).toBe('open');
    expect([await status('holder', 0, 1, 1), await status('holder', 1, 0, 1)]).toEqual(['open', 'open']);
    await settleOpens(db.pool, excess);
    expect([await status('holder', 0, 1, 1), await status('holder', 1, 0, 1)]).toEqual(['sponsor_limit', 'limit']);
    expect([await status('holder', 0, 1), await status('holder', 0, 1, 2)]).toEqual(['open', 'open']);
    const beyond = packetIdsOf(poolOfSponsor(event, 0)).at(-1)! + 1n;
    expect(await readPacketStatus(db.pool, { packetId: beyond, userId: 'x' })).toEqual({ status: 'unknown' });
    expect(await readPacketStatus(db.pool, { packetId: (1n << 63n) - 1n, userId: 'x' })).toEqual({ status: 'unknown' });
    await db.pool.query('UPDATE blocks SET epoch = 2 WHERE pool_id = $1', [poolOfSponsor(event, 1).poolId]);
    expect(await status('nobody', 1, 0, 1)).toBe('expired');
    expect(await status('holder', 1, 0, 1)).toBe('limit');
    expect([await status('nobody', 1, 0, 2), await status('nobody', 1, 0)]).toEqual(['open', 'open']);
    await retireBlocks(db.pool);
    expect([await status('nobody', 1, 0, 2), await status('nobody', 1, 0, 1)]).toEqual(['uncertain', 'expired']);
    // as after a restore: an epoch that the block has not come to, of which nothing will be granted
    expect([await status('nobody', 1, 0, 3), await status('nobody', 1, 0)]).toEqual(['open', 'open']);
    expect([await status('holder', 0, 0), await status('holder', 0, 1, 1)]).toEqual(['credited', 'sponsor_limit']);
    await db.pool.query("UPDATE blocks SET state = 'closed' WHERE pool_id = $1", [poolOfSponsor(event, 2).poolId]);
    expect(await status('nobody', 2, 0)).toBe('expired');
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
    await beginSettlement(db.pool, { eventId: event.id, atMs: t0 });
    expect(await status('nobody', 1, 0, 2)).toBe('expired');
    expect(await status('holder', 0, 0)).toBe('credited');
  });
});

describe('readWallet and listLuckiest', () => {
  it('a user without a wallet has nothing, at the time of the database', async () => {
    const { balanceFen, asOfMs } = await readWallet(db.pool, 'newcomer');
    expect(balanceFen).toBe(0);
    expect(Number.isSafeInteger(asOfMs)).toBe(true);
  });

  it('lists the largest packets of the event first', async () => {
    const event = await startEvent(db, draftOf(1));
    const opens = Array.from({ length: 12 }, (_, n) => openOf(event, `lucky-${n}`, { n }));
    await settleOpens(db.pool, opens);
    const luckiest = await listLuckiest(db.pool, { eventId: event.id, limit: 5 });
    const amounts = opens.map(({ amountFen }) => amountFen).sort((a, b) => b - a);
    expect(luckiest.map(({ amountFen }) => amountFen)).toEqual(amounts.slice(0, 5));
    for (const { userId, amountFen } of luckiest) {
      expect(opens.find((open) => open.userId === userId)!.amountFen).toBe(amountFen);
    }
  });
});

describe('dead letters', () => {
  const letterOf = (n: number, rest: Partial<NewDeadLetter> = {}): NewDeadLetter => ({
    kind: 'open',
    lane: 'open-1',
    eventId: 77,
    packetId: 1_000n + BigInt(n),
    userId: `poison-${n}`,
    epoch: 1,
    item: { n },
    error: 'amount outside bounds',
    ...rest,
  });

  it('keeps each item once, pages newest first, and closes a letter once (invariant 9)', async () => {
    const letters = Array.from({ length: 5 }, (_, n) => letterOf(n));
    expect(await insertDeadLetters(db.pool, letters)).toBe(5);
    expect(
      await insertDeadLetters(db.pool, [letterOf(0, { error: 'again' }), letterOf(0), letterOf(0, { kind: 'grab' })]),
    ).toBe(2);
    const first = await listDeadLetters(db.prisma, { limit: 4 });
    expect(first.deadLetters.map(({ userId, kind }) => `${kind} ${userId}`)).toEqual([
      'grab poison-0',
      'open poison-4',
      'open poison-3',
      'open poison-2',
    ]);
    const rest = await listDeadLetters(db.prisma, { limit: 4, cursor: first.nextCursor });
    expect(rest.deadLetters.map(({ packetId }) => packetId)).toEqual([1_001n, 1_000n]);
    expect(rest.nextCursor).toBeUndefined();
    const { id } = rest.deadLetters[0]!;
    expect(await countOpenDeadLetters(db.pool, 77)).toBe(6);
    expect(await closeDeadLetter(db.pool, { id, outcome: { outcome: 'credited', amountFen: 3 } })).toBe(true);
    expect(await closeDeadLetter(db.pool, { id, outcome: {} })).toBe(false);
    expect(await findDeadLetter(db.prisma, id)).toMatchObject({
      item: { n: 1 },
      outcome: { outcome: 'credited' },
      replayedAtMs: expect.any(Number),
    });
    expect((await listDeadLetters(db.prisma, { limit: 9, openOnly: true })).deadLetters).toHaveLength(5);
    expect(await insertDeadLetters(db.pool, [letterOf(1)])).toBe(1);
    expect(await findDeadLetter(db.prisma, id)).toMatchObject({ outcome: undefined, replayedAtMs: undefined });
    expect(await findDeadLetter(db.prisma, 999_999n)).toBeUndefined();
    expect(await countOpenDeadLetters(db.pool)).toBe(6);
  });

  it('keeps items that PostgreSQL has no text for', async () => {
    const odd = letterOf(50, {
      userId: 'a\0b',
      item: { half: '\ud800', nul: '\0', id: 5n },
      error: `\0${'x'.repeat(5_000)}`,
    });
    expect(await insertDeadLetters(db.pool, [odd])).toBe(1);
    const [kept] = (await listDeadLetters(db.prisma, { limit: 1 })).deadLetters;
    expect(kept).toMatchObject({ userId: 'a\ufffdb', item: { half: '\ufffd', nul: '\ufffd', id: '5' } });
    expect(kept!.error).toHaveLength(2_000);
  });

  it('refuses a cursor that is none', async () => {
    await expect(listDeadLetters(db.prisma, { limit: 1, cursor: 'abc' })).rejects.toThrow(RangeError);
    await expect(listDeadLetters(db.prisma, { limit: 1, cursor: '9999999999999999999' })).rejects.toThrow(RangeError);
  });
});

describe('operations', () => {
  it('lists the audit log newest first, in pages', async () => {
    const ids: bigint[] = [];
    for (let n = 0; n < 3; n++) {
      ids.push(
        await insertAuditEntry(db.pool, {
          actor: 'me',
          action: `act-${n}`,
          target: 'event 1',
          reason: 'test',
          detail: { n },
        }),
      );
    }
    const page = await listAuditEntries(db.prisma, { limit: 2 });
    expect(page.entries.map(({ id, action, detail }) => ({ id, action, detail }))).toEqual([
      { id: ids[2], action: 'act-2', detail: { n: 2 } },
      { id: ids[1], action: 'act-1', detail: { n: 1 } },
    ]);
    const rest = await listAuditEntries(db.prisma, { limit: 2, cursor: page.nextCursor });
    expect(rest).toMatchObject({
      entries: [{ id: ids[0], actor: 'me', atMs: expect.any(Number) }],
      nextCursor: undefined,
    });
  });

  it('replaces the degradation document only from the version it was made from, with its audit entry', async () => {
    const audit = { actor: 'ops', action: 'tier', target: 'degradation', reason: 'test', detail: null };
    const save = (expectedVersion: number, tier: number) =>
      saveDegradation(db.pool, { expectedVersion, document: { tier }, audit: { ...audit, reason: `tier ${tier}` } });
    expect(await readDegradation(db.prisma)).toBeUndefined();
    expect((await Promise.all([save(0, 1), save(0, 1), save(0, 1)])).filter((version) => version === 1)).toHaveLength(
      1,
    );
    expect((await Promise.all([save(1, 2), save(1, 2), save(1, 2)])).filter((version) => version === 2)).toHaveLength(
      1,
    );
    expect(await save(1, 3)).toBeUndefined();
    expect(await readDegradation(db.prisma)).toEqual({ version: 2, document: { tier: 2 } });
    const { rows } = await db.pool.query("SELECT reason FROM audit_log WHERE action = 'tier' ORDER BY id");
    expect(rows).toEqual([{ reason: 'tier 1' }, { reason: 'tier 2' }]);
  });
});
