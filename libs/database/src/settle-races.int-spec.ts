import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRetryable } from './errors.ts';
import type { Pool } from './pool.ts';
import { beginSettlement } from './sql/begin-settlement.sql.ts';
import { findViolations } from './sql/find-violations.sql.ts';
import { moveEvent } from './sql/move-event.sql.ts';
import { listGrabs } from './sql/read-share.sql.ts';
import { type GrabClaim, settleGrabs } from './sql/settle-grabs.sql.ts';
import { type OpenClaim, type OpenSettlement, settleOpens } from './sql/settle-opens.sql.ts';
import { draftOf, grabOf, openOf, packetIdsOf, poolOfSponsor, startEvent, t0 } from './testing/event.ts';
import { whenBlocked } from './testing/locks.ts';
import { readPoolSums } from './testing/pool-sums.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

/** As a lane does: the same batch until it is booked. */
async function settlePatiently<Claim, S>(
  settle: (db: Pool, claims: readonly Claim[]) => Promise<S[]>,
  claims: readonly Claim[],
): Promise<S[]> {
  for (;;) {
    try {
      return await settle(db.pool, claims);
    } catch (error) {
      if (!isRetryable(error)) throw error;
    }
  }
}

const opens = (claims: readonly OpenClaim[]) => settlePatiently(settleOpens, claims);
const grabs = (claims: readonly GrabClaim[]) => settlePatiently(settleGrabs, claims);

function countOf(settlements: readonly { outcome: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of settlements) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

const isNew = (one: OpenSettlement) => one.outcome === 'credited' && one.isNew;

async function expectSound(eventId: number): Promise<void> {
  expect(await findViolations(db.pool, { eventId, limitPerRule: 5 })).toEqual([]);
}

describe('settlement from many lanes at once', () => {
  it('nine tickets of three sponsors of one user in nine lanes at once give exactly three grants, and nine outcomes', async () => {
    const event = await startEvent(db, draftOf(3));
    for (let round = 0; round < 10; round++) {
      const tickets = Array.from({ length: 9 }, (_, i) =>
        openOf(event, `nine-${round}`, { sponsorNo: i % 3, n: round * 3 + Math.floor(i / 3) }),
      );
      const settled = (await Promise.all(tickets.map((ticket) => opens([ticket])))).flat();
      expect(countOf(settled)).toEqual({ credited: 3, sponsor_limit: 6 });
    }
    await expectSound(event.id);
  });

  it('no good open is lost when users have their tickets in several lanes, and every batch has users of the others', async () => {
    // three packets for each of 200 users, one per sponsor; lane k takes the users' k-th tickets, shuffled and in small batches
    const users = Array.from({ length: 200 }, (_, n) => `spread-${n}`);
    const event = await startEvent(db, draftOf(3, {}, { packetCount: 200 }));
    const lanes = [0, 1, 2].map((lane) =>
      users.map((user, n) =>
        openOf(event, user, { sponsorNo: (lane + n) % 3, n: (n * 37) % 200, acceptedAtMs: t0 + n }),
      ),
    );
    const settled = await Promise.all(lanes.map((lane, k) => settleLane(lane, 16 + k)));
    expect(countOf(settled.flat())).toEqual({ credited: 600 });
    await expectSound(event.id);
  });

  async function settleLane(claims: readonly OpenClaim[], batchSize: number): Promise<OpenSettlement[]> {
    const settled: OpenSettlement[] = [];
    // from the back, and not in order of names: nothing may hang on the order of a batch
    const shuffled = claims.toSorted(
      (a, b) => Number((a.packetId * 7919n) % 1009n) - Number((b.packetId * 7919n) % 1009n),
    );
    for (let at = 0; at < shuffled.length; at += batchSize)
      settled.push(...(await opens(shuffled.slice(at, at + batchSize))));
    return settled;
  }

  it('one job run by eight workers at once is booked once, and all say the same (invariant 7)', async () => {
    const event = await startEvent(db, draftOf(1));
    const job = Array.from({ length: 40 }, (_, n) => openOf(event, `dup-${n}`, { n }));
    const runs = await Promise.all(Array.from({ length: 8 }, () => opens(job)));
    for (let n = 0; n < job.length; n++) {
      expect(runs.filter((run) => isNew(run[n]!))).toHaveLength(1);
      expect(new Set(runs.map((run) => JSON.stringify({ ...run[n]!, isNew: undefined }))).size).toBe(1);
    }
    const [sums] = await readPoolSums(db.pool, event.id);
    expect(sums).toMatchObject({
      grantedPackets: 40,
      grantedFen: job.reduce((sum, { amountFen }) => sum + amountFen, 0),
    });
    await expectSound(event.id);
  });

  it('of two users who claim the same packets at once one gets each, the other hears taken (invariant 1)', async () => {
    const event = await startEvent(db, draftOf(1, { perUserMax: 1 }));
    const packets = Array.from({ length: 30 }, (_, n) => n);
    const claimsOf = (who: string) => packets.map((n) => openOf(event, `${who}-${n}`, { n }));
    // the second one's batch is the other way round
    const [a, b] = await Promise.all([opens(claimsOf('a')), opens(claimsOf('b').reverse())]);
    b.reverse();
    for (const n of packets) expect([a[n]!.outcome, b[n]!.outcome].sort()).toEqual(['credited', 'taken']);
    await expectSound(event.id);
  });

  it('a packet that was granted between snapshot and insert makes the batch fail as a whole, repeatable', async () => {
    const event = await startEvent(db, draftOf(1));
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await settleOpens(holder, [openOf(event, 'quick', { n: 0 })]);
      // the slow batch has counted its limits and waits at the first one's uncommitted grant
      const slow = settleOpens(db.pool, [openOf(event, 'slow', { n: 0 }), openOf(event, 'bystander', { n: 1 })]).catch(
        (cause: unknown) => cause,
      );
      await whenBlocked(db.pool, 'INSERT INTO grants|settle_opens');
      await holder.query('COMMIT');
      const error = await slow;
      expect(error).toMatchObject({ code: '40001' });
      expect(isRetryable(error)).toBe(true);
    } finally {
      holder.release();
    }
    const again = await opens([openOf(event, 'slow', { n: 0 }), openOf(event, 'bystander', { n: 1 })]);
    expect(countOf(again)).toEqual({ taken: 1, credited: 1 });
    expect(again[1]).toMatchObject({ isNew: true });
    await expectSound(event.id);
  });

  it('limits are counted after the lock: a lane that waited for the user sees what the other lane booked (invariant 5)', async () => {
    const event = await startEvent(db, draftOf(2, { perUserMax: 1 }));
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await settleOpens(holder, [openOf(event, 'torn', { sponsorNo: 0 })]);
      const second = settleOpens(db.pool, [openOf(event, 'torn', { sponsorNo: 1 })]);
      await whenBlocked(db.pool, 'settle_opens');
      await holder.query('COMMIT');
      expect(countOf(await second)).toEqual({ limit: 1 });
    } finally {
      holder.release();
    }
  });

  it('batches of the same new users in opposite orders never deadlock for good', async () => {
    const event = await startEvent(db, draftOf(3, {}, { packetCount: 300 }));
    const batchOf = (sponsorNo: number) =>
      Array.from({ length: 300 }, (_, n) => openOf(event, `new-${n % 150}`, { sponsorNo, n }));
    const settled = await Promise.all([opens(batchOf(0)), opens(batchOf(1).reverse()), opens(batchOf(2))]);
    expect(countOf(settled.flat())).toEqual({ credited: 450, sponsor_limit: 450 });
    await expectSound(event.id);
  });

  it('settling an event waits for the batch under way and refuses every later one', async () => {
    const event = await startEvent(db, draftOf(1));
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
    const underWay = await db.pool.connect();
    try {
      await underWay.query('BEGIN');
      await settleOpens(underWay, [openOf(event, 'last', { n: 0 })]);
      const begun = beginSettlement(db.pool, { eventId: event.id, atMs: t0 });
      await whenBlocked(db.pool, 'pg_advisory_xact_lock');
      const late = settleOpens(db.pool, [openOf(event, 'late', { n: 1 })]);
      await whenBlocked(db.pool, 'settle_opens');
      await underWay.query('COMMIT');
      expect(await begun).toBe(true);
      expect(countOf(await late)).toEqual({ expired: 1 });
    } finally {
      underWay.release();
    }
    const [sums] = await readPoolSums(db.pool, event.id);
    expect(sums).toMatchObject({ grantedPackets: 1 });
  });
});

describe('a database that goes away in the middle of a batch', () => {
  it('has booked all of the batch or nothing, and the batch can be repeated (invariants 7, 9)', async () => {
    const event = await startEvent(db, draftOf(1, {}, { packetCount: 1024 }));
    const packets = packetIdsOf(poolOfSponsor(event, 0));
    const victims = db.openPool({ applicationName: 'victim' });
    let failures = 0;
    for (let at = 0; at < packets.length; at += 64) {
      const batch = packets.slice(at, at + 64).map((packetId, i) => openOf(event, `v-${at + i}`, { packetId }));
      const run = settleOpens(victims, batch).catch((cause: unknown) => cause);
      await db.pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'");
      const result = await run;
      if (result instanceof Error) {
        failures++;
        expect(isRetryable(result)).toBe(true);
      }
      const settled = await opens(batch);
      expect(countOf(settled)).toEqual({ credited: 64 });
      expect(new Set(settled.map(isNew)).size).toBe(1);
    }
    expect(failures).toBeGreaterThan(0);
    await expectSound(event.id);
  });
});

describe('grabs at once', () => {
  it('twenty friends get the five portions of a share once each, the others hear empty', async () => {
    const event = await startEvent(db, draftOf(1, {}, { sharePortions: 5, shareBudgetFen: 64 * 50 }));
    for (let n = 0; n < 5; n++) {
      const open = openOf(event, `owner-${n}`, { n });
      await settleOpens(db.pool, [open]);
      const friends = Array.from({ length: 20 }, (_, i) => grabOf(event, open, `friend-${i}`));
      // each asks twice, in a lane of his own
      const settled = await Promise.all([...friends, ...friends].map((friend) => grabs([friend])));
      expect(countOf(settled.flat())).toEqual({ credited: 10, empty: 30 });
      const taken = await listGrabs(db.pool, { packetId: open.packetId, limit: 10 });
      expect(taken.map(({ portion }) => portion)).toEqual([1, 2, 3, 4, 5]);
      expect(new Set(taken.map(({ userId }) => userId)).size).toBe(5);
      expect(taken.reduce((sum, { amountFen }) => sum + amountFen, 0)).toBe(50);
    }
    await expectSound(event.id);
  });

  it('a grant that is booked while a batch of grabs waits is not given away without its lock', async () => {
    const event = await startEvent(db, draftOf(1));
    const granted = openOf(event, 'granted', { n: 0 });
    const notYet = openOf(event, 'not-yet', { n: 1 });
    await settleOpens(db.pool, [granted, openOf(event, 'friend', { n: 2 })]);
    const holder = await db.pool.connect();
    try {
      await holder.query("BEGIN; SELECT FROM accounts WHERE name = 'friend' FOR UPDATE");
      const claims = [grabOf(event, granted, 'friend'), grabOf(event, notYet, 'other-friend')];
      const waiting = settleGrabs(db.pool, claims);
      await whenBlocked(db.pool, 'settle_grabs');
      await settleOpens(db.pool, [notYet]);
      await holder.query('COMMIT');
      expect(countOf(await waiting)).toEqual({ credited: 1, no_grant_yet: 1 });
      expect(countOf(await settleGrabs(db.pool, claims))).toEqual({ credited: 2 });
    } finally {
      holder.release();
    }
    await expectSound(event.id);
  });

  it('friends who grab many shares while their own packets are opened all get their money', async () => {
    const event = await startEvent(db, draftOf(2, {}, { sharePortions: 8, shareBudgetFen: 64 * 80 }));
    const owned = Array.from({ length: 32 }, (_, n) => openOf(event, `busy-${n}`, { n }));
    await opens(owned);
    const more = owned.map(({ userId }, n) => openOf(event, userId, { sponsorNo: 1, n }));
    const grabbed = owned.flatMap((open, n) =>
      [1, 2, 3].map((step) => grabOf(event, open, `busy-${(n + step * 11) % 32}`)),
    );
    const [opened, first, second] = await Promise.all([
      Promise.all([more.slice(0, 16), more.slice(16)].map(opens)),
      grabs(grabbed.slice(0, 60)),
      grabs(grabbed.slice(60).reverse()),
    ]);
    expect(countOf(opened.flat())).toEqual({ credited: 32 });
    expect(countOf([...first, ...second])).toEqual({ credited: 96 });
    await expectSound(event.id);
  });
});
