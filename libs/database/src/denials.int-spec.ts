// One outcome per ticket, that is per (packet, epoch, user): what was denied once is denied the same for ever, by whatever way it is asked.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventRecord } from './read/load-events.ts';
import { beginSettlement } from './sql/begin-settlement.sql.ts';
import { closeBlocks } from './sql/close-blocks.sql.ts';
import { closeDeadLetter } from './sql/close-dead-letter.sql.ts';
import { findViolations } from './sql/find-violations.sql.ts';
import { insertDeadLetters } from './sql/insert-dead-letters.sql.ts';
import { listReclaimable } from './sql/list-reclaimable.sql.ts';
import { moveEvent } from './sql/move-event.sql.ts';
import { readPacketStatus } from './sql/packet-status.sql.ts';
import { reclaimBlocks } from './sql/reclaim-blocks.sql.ts';
import { restockBlocks } from './sql/restock-blocks.sql.ts';
import { type OpenClaim, settleOpens } from './sql/settle-opens.sql.ts';
import { draftOf, issueUntilMs, openOf, packetIdsOf, poolOfSponsor, startEvent, t0 } from './testing/event.ts';
import { whenBlocked } from './testing/locks.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

const settle = async (...claims: OpenClaim[]) => (await settleOpens(db.pool, claims)).map(({ outcome }) => outcome);
const read = async ({ packetId, userId, epoch }: OpenClaim) =>
  (await readPacketStatus(db.pool, { packetId, userId, epoch })).status;
/** Each way to ask, one after the other. */
const ask = async (claim: OpenClaim) => [await read(claim), ...(await settle(claim)), await read(claim)];
const thrice = <T>(outcome: T): T[] => [outcome, outcome, outcome];

async function denialsOf(event: EventRecord): Promise<string[]> {
  const { rows } = await db.pool.query<{ text: string }>(
    `SELECT a.name || ' ' || d.epoch || ' ' || d.outcome AS text FROM denials d JOIN accounts a ON a.id = d.account_id
     WHERE d.event_id = $1 ORDER BY d.packet_id, d.epoch, a.name`,
    [event.id],
  );
  return rows.map(({ text }) => text);
}

/** All blocks come back in their time and go out again: tickets of the epoch before lapse. */
async function reissueAll(event: EventRecord, fromEpoch = 1): Promise<void> {
  const nowMs = issueUntilMs + fromEpoch * 20_000;
  const candidates = await listReclaimable(db.pool, { eventId: event.id, nowMs, limit: 1000 });
  await reclaimBlocks(db.pool, { nowMs, candidates });
  const pools = event.pools.map(({ poolId }) => ({ poolId, countMax: 1000, issueUntilMs: nowMs + 10_000 }));
  const { stocked } = await restockBlocks(db.pool, { pools, stockedAtMs: nowMs });
  expect(stocked.length).toBeGreaterThan(0);
}

/** A user whose first packet is credited, at a limit of one. */
async function fullUser(): Promise<{ event: EventRecord; user: string }> {
  const event = await startEvent(db, draftOf(2, { perUserMax: 1 }));
  const user = `full-${event.id}`;
  expect(await settle(openOf(event, user))).toEqual(['credited']);
  return { event, user };
}

async function beSettled(event: EventRecord): Promise<void> {
  await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
  await beginSettlement(db.pool, { eventId: event.id, atMs: t0 });
}

async function expectSound(event: EventRecord): Promise<void> {
  expect(await findViolations(db.pool, { eventId: event.id, limitPerRule: 5 })).toEqual([]);
}

describe('a denial that is kept', () => {
  it.each([
    ['limit', 1],
    ['sponsor_limit', 0],
  ] as const)(
    "%s is told again after its block lapsed, the packet is somebody else's and the event is being settled",
    async (denial, sponsorNo) => {
      const { event, user } = await fullUser();
      const denied = openOf(event, user, { sponsorNo, n: 1 });
      expect(await settle(denied)).toEqual([denial]);
      expect(await ask(denied)).toEqual(thrice(denial));
      await reissueAll(event);
      expect(await ask(denied)).toEqual(thrice(denial));
      expect(await settle(openOf(event, 'next', { sponsorNo, n: 1, epoch: 2 }))).toEqual(['credited']);
      expect(await ask(denied)).toEqual(thrice(denial));
      await beSettled(event);
      await closeBlocks(db.pool, { eventId: event.id, limit: 1000 });
      expect(await ask(denied)).toEqual(thrice(denial));
      expect(await denialsOf(event)).toEqual([`${user} 1 ${denial}`]);
      await expectSound(event);
    },
  );

  it('is one row and one answer, however many lanes have the ticket at once', async () => {
    const { event, user } = await fullUser();
    const denied = openOf(event, user, { sponsorNo: 1 });
    const others = [1, 2, 3].map((n) => openOf(event, `bystander-${n}`, { sponsorNo: 1, n }));
    const runs = await Promise.all(Array.from({ length: 8 }, () => settle(denied, ...others)));
    for (const run of runs) expect(run).toEqual(['limit', 'credited', 'credited', 'credited']);
    expect(await denialsOf(event)).toEqual([`${user} 1 limit`]);
  });

  it('is decided with the batch: of one that is repeated nothing is left', async () => {
    const { event, user } = await fullUser();
    const claims = [openOf(event, user, { sponsorNo: 1, n: 5 }), openOf(event, 'slow', { sponsorNo: 1, n: 0 })];
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await settleOpens(holder, [openOf(event, 'quick', { sponsorNo: 1, n: 0 })]);
      const batch = settleOpens(db.pool, claims).catch((cause: unknown) => cause);
      await whenBlocked(db.pool, 'settle_opens');
      await holder.query('COMMIT');
      expect(await batch).toMatchObject({ code: '40001' });
    } finally {
      holder.release();
    }
    expect(await denialsOf(event)).toEqual([]);
    expect(await settle(...claims)).toEqual(['limit', 'taken']);
    expect(await denialsOf(event)).toEqual(['slow 1 taken', `${user} 1 limit`]);
  });

  it('taken stays taken when the block goes into the next epoch', async () => {
    const event = await startEvent(db, draftOf(1));
    const second = openOf(event, 'second', { acceptedAtMs: t0 + 2 });
    expect(await settle(second, openOf(event, 'first', { acceptedAtMs: t0 + 1 }))).toEqual(['taken', 'credited']);
    await reissueAll(event);
    expect(await ask(second)).toEqual(thrice('taken'));
    await expectSound(event);
  });

  it('is that of its own ticket: the same packet, won again, is denied for itself', async () => {
    const { event, user } = await fullUser();
    const first = openOf(event, user, { sponsorNo: 1 });
    await settle(first);
    await reissueAll(event);
    const again = { ...first, epoch: 2 };
    expect(await read(again)).toBe('open');
    expect(await settle(again)).toEqual(['limit']);
    expect(await denialsOf(event)).toEqual([`${user} 1 limit`, `${user} 2 limit`]);
  });
});

describe('a ticket that was never opened', () => {
  it('has no outcome in the ledger, whatever else its user opens, and has expired once its block lapsed', async () => {
    const event = await startEvent(db, draftOf(2, { perUserMax: 1 }));
    const unopened = openOf(event, 'sleeper', { sponsorNo: 1 });
    expect(await read(unopened)).toBe('open');
    expect(await settle(openOf(event, 'sleeper'))).toEqual(['credited']);
    expect(await read(unopened)).toBe('open');
    await reissueAll(event);
    expect(await ask(unopened)).toEqual(thrice('expired'));
    expect(await settle(openOf(event, 'winner', { sponsorNo: 1, epoch: 2 }))).toEqual(['credited']);
    expect(await ask(unopened)).toEqual(thrice('expired'));
    expect(await denialsOf(event)).toEqual([]);
  });

  it('stays expired when the same user wins the packet again and opens it: each ticket has its outcome', async () => {
    const event = await startEvent(db, draftOf(1));
    const first = openOf(event, 'lucky');
    await reissueAll(event);
    expect(await ask(first)).toEqual(thrice('expired'));
    const second = { ...first, epoch: 2 };
    expect(await settle(second)).toEqual(['credited']);
    expect(await settle(first, { ...openOf(event, 'other', { n: 1, epoch: 2 }) }, second)).toEqual([
      'expired',
      'credited',
      'credited',
    ]);
    expect(await ask(first)).toEqual(thrice('expired'));
    expect(await ask(second)).toEqual(thrice('credited'));
    const { packetId, userId } = first;
    expect(await readPacketStatus(db.pool, { packetId, userId })).toMatchObject({ status: 'credited', epoch: 2 });
    await expectSound(event);
  });

  it('has expired when its event is being settled, and nothing is written for it', async () => {
    const { event, user } = await fullUser();
    await beSettled(event);
    for (const claim of [openOf(event, user, { sponsorNo: 1 }), openOf(event, 'late', { n: 1 }), openOf(event, 'late')])
      expect(await ask(claim)).toEqual(thrice('expired'));
    expect(await denialsOf(event)).toEqual([]);
  });
});

describe('reading while it is decided', () => {
  it('sees a denial before the lapse that waits for it, never the lapse alone', async () => {
    const { event, user } = await fullUser();
    const denied = openOf(event, user, { sponsorNo: 1 });
    const nowMs = issueUntilMs + 20_000;
    const candidates = await listReclaimable(db.pool, { eventId: event.id, nowMs, limit: 1000 });
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await settleOpens(holder, [denied]);
      expect(await read(denied)).toBe('open');
      const reclaimed = reclaimBlocks(db.pool, { nowMs, candidates });
      await whenBlocked(db.pool, 'FOR UPDATE OF b');
      expect(await read(denied)).toBe('open');
      await holder.query('COMMIT');
      await reclaimed;
    } finally {
      holder.release();
    }
    expect(await read(denied)).toBe('limit');
    await reissueAll(event);
    expect(await ask(denied)).toEqual(thrice('limit'));
  });

  it('says of one question only what is final: many readers beside lanes that fill users up and blocks that lapse', async () => {
    const event = await startEvent(db, draftOf(3, { perUserMax: 2 }));
    const tickets = Array.from({ length: 24 }, (_, i) => openOf(event, `mixed-${i >> 2}`, { sponsorNo: i % 3, n: i }));
    const told = tickets.map(() => new Set<string>());
    const tell = (at: number, outcome: string) => {
      if (outcome !== 'open') told[at]!.add(outcome);
    };
    const work = { isOver: false };
    const reader = async (first: number) => {
      for (let at = first; !work.isOver; at = (at + 7) % tickets.length) tell(at, await read(tickets[at]!));
    };
    const readers = [0, 1, 2].map(reader);
    for (const turn of [0, 1, 2, 3]) {
      const batch = tickets.map((_, at) => at).filter((at) => at % 4 === turn);
      const outcomes = await settle(...batch.map((at) => tickets[at]!));
      for (const [i, outcome] of outcomes.entries()) tell(batch[i]!, outcome);
      if (turn === 2) await reissueAll(event);
    }
    for (const at of tickets.keys()) tell(at, await read(tickets[at]!));
    work.isOver = true;
    await Promise.all(readers);
    expect(told.map((outcomes) => outcomes.size)).toEqual(tickets.map(() => 1));
    expect(new Set(told.flatMap((outcomes) => [...outcomes]))).toEqual(new Set(['credited', 'limit', 'expired']));
    await expectSound(event);
  });
});

describe('a dead letter', () => {
  const letterOf = (claim: OpenClaim) => ({
    kind: 'open' as const,
    lane: 'open-0',
    eventId: claim.eventId,
    packetId: claim.packetId,
    userId: claim.userId,
    epoch: claim.epoch,
    item: { acceptedAtMs: claim.acceptedAtMs },
    error: 'poison',
  });
  const letterId = async (event: EventRecord): Promise<bigint> =>
    (await db.pool.query<{ id: bigint }>('SELECT id FROM dead_letters WHERE event_id = $1', [event.id])).rows[0]!.id;

  it('is pending with the time of its acceptance, for its own ticket, until it is replayed', async () => {
    const event = await startEvent(db, draftOf(1));
    const claim = openOf(event, 'poisoned', { acceptedAtMs: t0 + 77 });
    await insertDeadLetters(db.pool, [letterOf(claim)]);
    const question = { packetId: claim.packetId, userId: claim.userId, epoch: 1 };
    const pending = { status: 'pending', acceptedAtMs: t0 + 77 };
    expect(await readPacketStatus(db.pool, question)).toEqual(pending);
    expect(await read({ ...claim, epoch: 2 })).toBe('open');
    expect(await read({ ...claim, userId: 'another' })).toBe('open');
    // closed as a failure it may still be tried again
    await closeDeadLetter(db.pool, { id: await letterId(event), outcome: { outcome: 'dead' } });
    expect(await readPacketStatus(db.pool, question)).toEqual(pending);
    expect(await settle(claim)).toEqual(['credited']);
    expect(await read(claim)).toBe('credited');
  });

  it('that was denied when it was replayed is told so, and one of an event that is being settled has expired', async () => {
    const { event, user } = await fullUser();
    const claim = openOf(event, user, { sponsorNo: 1 });
    await insertDeadLetters(db.pool, [letterOf(claim)]);
    expect(await read(claim)).toBe('pending');
    expect(await settle(claim)).toEqual(['limit']);
    expect(await read(claim)).toBe('limit');
    const never = openOf(event, 'never-replayed', { n: 7 });
    await insertDeadLetters(db.pool, [letterOf(never)]);
    await beSettled(event);
    expect(await ask(never)).toEqual(thrice('expired'));
  });
});

describe('the audit of denials', () => {
  it('goes through more of them than a page has', async () => {
    const event = await startEvent(db, draftOf(2, { perUserMax: 1 }, { packetCount: 20_000 }));
    await settle(openOf(event, 'everybody'));
    const ids = packetIdsOf(poolOfSponsor(event, 1));
    await db.pool.query(
      `INSERT INTO denials (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms)
       SELECT p.id, e.no, a.id, $2, 'limit', 1 FROM unnest($1::bigint[]) p (id), generate_series(1, 2) e (no), accounts a
       WHERE a.name = 'everybody'`,
      [ids, event.id],
    );
    await expectSound(event);
    const last = ids.at(-1)!;
    await db.pool.query(
      `INSERT INTO denials (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms)
       SELECT $1::bigint, 3, id, $2::int, 'limit', 1 FROM accounts WHERE kind = 'wallet' AND name = 'everybody'
       UNION ALL SELECT $1::bigint, 3, min(id), $2::int, 'limit', 1 FROM accounts WHERE kind = 'sponsor'`,
      [last, event.id],
    );
    const violations = await findViolations(db.pool, { eventId: event.id, limitPerRule: 5 });
    expect(violations).toMatchObject([{ rule: 'denial_reason', subject: `packet ${last}` }]);
  });
});
