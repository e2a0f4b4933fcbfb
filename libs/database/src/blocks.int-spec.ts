import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { epochMax, fullMask, indexesOf } from '#libs/domain';
import type { Pool, PoolClient } from './pool.ts';
import type { EventRecord } from './read/load-events.ts';
import { beginSettlement } from './sql/begin-settlement.sql.ts';
import { closeBlocks } from './sql/close-blocks.sql.ts';
import { closeDeadLetter } from './sql/close-dead-letter.sql.ts';
import { countReclaimed } from './sql/count-reclaimed.sql.ts';
import { findViolations } from './sql/find-violations.sql.ts';
import { insertDeadLetters } from './sql/insert-dead-letters.sql.ts';
import { listReclaimable } from './sql/list-reclaimable.sql.ts';
import { moveEvent } from './sql/move-event.sql.ts';
import { reclaimBlocks } from './sql/reclaim-blocks.sql.ts';
import { restockBlocks } from './sql/restock-blocks.sql.ts';
import { retireBlocks } from './sql/retire-blocks.sql.ts';
import { settleOpens } from './sql/settle-opens.sql.ts';
import { stockBlocks } from './sql/stock-blocks.sql.ts';
import { createStockerPool, keepStockerLock, withStockerLock } from './stocker-lock.ts';
import { armDraft, draftOf, issueUntilMs, loadEvent, openOf, poolOfSponsor, startEvent, t0 } from './testing/event.ts';
import { whenBlocked } from './testing/locks.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

const wait = { timeout: 20_000, interval: 50 };
let db: TestDatabase;
const clients: PoolClient[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.release();
});
afterAll(async () => await db.drop());

async function connect(): Promise<PoolClient> {
  const client = await db.pool.connect();
  clients.push(client);
  return client;
}

const stockedAtMs = t0;
/** Tickets of 5 s and 2 s of grace after `issueUntilMs`. */
const reclaimableMs = issueUntilMs + 7_000;
const secondIssueUntilMs = reclaimableMs + 10_000;
const stockOf = (poolId: number, upToBlock: number, countMax = 100) => ({
  pools: [{ poolId, upToBlock, countMax, issueUntilMs }],
  stockedAtMs,
});
const restockOf = (poolId: number, countMax = 100) => ({
  pools: [{ poolId, countMax, issueUntilMs: secondIssueUntilMs }],
  stockedAtMs: reclaimableMs,
});

async function blocksOf(poolId: number): Promise<{ block_no: number; epoch: number; state: string }[]> {
  const { rows } = await db.pool.query(
    'SELECT block_no, epoch, state FROM blocks WHERE pool_id = $1 ORDER BY block_no',
    [poolId],
  );
  return rows;
}

async function reclaimAll(event: EventRecord, nowMs = reclaimableMs) {
  const candidates = await listReclaimable(db.pool, { eventId: event.id, nowMs, limit: 1000 });
  return await reclaimBlocks(db.pool, { nowMs, candidates });
}

/** One pool of three blocks of one packet each. */
const smallDraft = () => draftOf(1, {}, { packetCount: 3, budgetFen: 300, shareBudgetFen: 90 });

describe('stockBlocks', () => {
  it('takes planned blocks in order up to the absolute target, each with a row and a full mask (invariant 2)', async () => {
    const eventId = await armDraft(db, draftOf(1, {}, { packetCount: 65 }));
    const { poolId } = (await loadEvent(db, eventId)).pools[0]!;
    const stock = (upToBlock: number, countMax?: number) => stockBlocks(db.pool, stockOf(poolId, upToBlock, countMax));
    expect((await stock(3)).map(({ blockNo }) => blockNo)).toEqual([0, 1, 2]);
    expect(await stock(3)).toEqual([]);
    expect((await stock(8, 2)).map(({ blockNo }) => blockNo)).toEqual([3, 4]);
    const rest = await stock(1_000_000);
    expect(rest.map(({ blockNo }) => blockNo)).toEqual(Array.from({ length: 28 }, (_, i) => i + 5));
    expect(rest[0]).toEqual({ poolId, blockNo: 5, epoch: 1, issueUntilMs, mask: fullMask(2) });
    expect(rest.at(-1)).toMatchObject({ blockNo: 32, mask: fullMask(1) });
    expect(await stock(1_000_000)).toEqual([]);
    expect(await blocksOf(poolId)).toHaveLength(33);
    expect((await loadEvent(db, eventId)).pools[0]).toMatchObject({ nextBlock: 33, blockCount: 33 });
  });

  it('releases every block once when many stockers run at once towards one target', async () => {
    const eventId = await armDraft(db, draftOf(1));
    const { poolId } = (await loadEvent(db, eventId)).pools[0]!;
    const stocked = await Promise.all(Array.from({ length: 8 }, () => stockBlocks(db.pool, stockOf(poolId, 20, 7))));
    const numbers = stocked.flat().map(({ blockNo }) => blockNo);
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('stocks nothing for a draft or a closed event', async () => {
    const event = await startEvent(db, smallDraft());
    const { poolId } = event.pools[0]!;
    await db.pool.query('DELETE FROM blocks WHERE pool_id = $1', [poolId]);
    await db.pool.query('UPDATE pools SET next_block = 0 WHERE id = $1', [poolId]);
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
    expect(await stockBlocks(db.pool, stockOf(poolId, 2))).toEqual([]);
  });

  it('stocks many pools of several events in one transaction, each to its own target and for its own time', async () => {
    // Proves that pools of one call do not mix, and that what is not due, over or unknown keeps none of the others back.
    const first = await loadEvent(db, await armDraft(db, draftOf(3)));
    const closed = await startEvent(db, smallDraft());
    const second = await loadEvent(db, await armDraft(db, draftOf(1)));
    await moveEvent(db.pool, { eventId: closed.id, from: 'live', to: 'closed', atMs: t0 });
    await db.pool.query('DELETE FROM blocks WHERE pool_id = $1', [closed.pools[0]!.poolId]);
    await db.pool.query('UPDATE pools SET next_block = 0 WHERE id = $1', [closed.pools[0]!.poolId]);
    const poolIds = [second, closed, first].flatMap(({ pools }) => pools.map(({ poolId }) => poolId));
    const pools = poolIds.map((poolId, i) => ({ poolId, upToBlock: i, countMax: 3, issueUntilMs: issueUntilMs + i }));
    const unknown = { poolId: 16_000_000, upToBlock: 9, countMax: 9, issueUntilMs };
    const rows = await stockBlocks(db.pool, { pools: [...pools, unknown], stockedAtMs });
    const found = new Map(poolIds.map((id) => [id, rows.filter(({ poolId }) => poolId === id)]));
    expect(poolIds.map((poolId) => found.get(poolId)?.map(({ blockNo }) => blockNo))).toEqual([
      [],
      [],
      [0, 1],
      [0, 1, 2],
      [0, 1, 2],
    ]);
    for (const [i, poolId] of poolIds.entries()) {
      for (const row of found.get(poolId) ?? []) expect(row.issueUntilMs).toBe(issueUntilMs + i);
    }
    expect(await stockBlocks(db.pool, { pools: [], stockedAtMs })).toEqual([]);
  });
});

describe('withStockerLock', () => {
  it('lets one stocker work, tells the others, and passes on when the first is done or its connection is gone', async () => {
    const first = await withStockerLock(db.pool, async (client) => {
      expect(await withStockerLock(db.pool, async () => 'second')).toEqual({ held: false });
      await client.query('SELECT 1');
      return 'first';
    });
    expect(first).toEqual({ held: true, value: 'first' });
    await expect(withStockerLock(db.pool, () => Promise.reject(new Error('its work failed')))).rejects.toThrow(
      'failed',
    );
    // a connection ends, and its lock with it, in the server's own time
    const taken = <T>(work: (client: PoolClient) => Promise<T>) =>
      vi.waitUntil(async () => {
        const term = await withStockerLock(db.pool, work);
        return term.held && term;
      }, wait);
    const cutOff = taken((client) => client.query('SELECT pg_terminate_backend(pg_backend_pid())'));
    await expect(cutOff).rejects.toThrow(/terminating connection|Connection terminated/);
    expect(await taken(async () => 'next')).toEqual({ held: true, value: 'next' });
  });
});

describe('createStockerPool', () => {
  const options = { applicationName: 'stocker', max: 1, statementTimeoutMs: 5000 };
  const pools: Pool[] = [];
  const poolOf = () => {
    const pool = createStockerPool({ connectionString: db.url, ...options });
    pools.push(pool);
    return pool;
  };
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.end()));
  });

  it.each([
    ['', async () => undefined],
    [' within a transaction', (client: PoolClient) => client.query('BEGIN')],
  ])('has the server end a session that falls silent%s, and the lock with it', async (_, begin) => {
    const heir = poolOf();
    const isPassedOn = async () => (await withStockerLock(heir, async () => true)).held;
    const served = withStockerLock(poolOf(), async (client) => {
      expect(await settingsOf(client)).toEqual({
        idle_in_transaction_session_timeout: '3s',
        idle_session_timeout: '3s',
        tcp_keepalives_count: '3',
        tcp_keepalives_idle: '5',
        tcp_keepalives_interval: '2',
      });
      // shorter than from one sign of life to the next: as if the process were stopped from here on
      await client.query('SET idle_session_timeout = 100');
      await client.query('SET idle_in_transaction_session_timeout = 100');
      await begin(client);
      await expect.poll(isPassedOn, wait).toBe(true);
      await keepStockerLock(client);
    });
    await expect(served).rejects.toThrow(/not queryable|terminated|session timeout/);
  });

  it('keeps the lock of one that is busy elsewhere and makes no statement', async () => {
    const term = await withStockerLock(poolOf(), async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await client.query('SET idle_session_timeout = 1500');
      const hasLived = async () => {
        const sql = "SELECT state_change - backend_start > interval '4 s' AS ok FROM pg_stat_activity WHERE pid = $1";
        return (await db.pool.query<{ ok: boolean }>(sql, [rows[0]!.pid])).rows[0]?.ok;
      };
      await expect.poll(hasLived, wait).toBe(true);
      await keepStockerLock(client);
      return 'held';
    });
    expect(term).toEqual({ held: true, value: 'held' });
  });

  const settingsOf = async (client: PoolClient) => {
    const { rows } = await client.query<{ name: string; value: string }>(
      `SELECT name, current_setting(name) AS value FROM pg_settings
       WHERE name LIKE 'tcp_keepalives%' OR name LIKE 'idle%session_timeout'`,
    );
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  };
});

describe('reclaim', () => {
  it('offers a block only when issue_until, ticket life and grace are past (invariant 3)', async () => {
    const event = await startEvent(db, smallDraft());
    const { poolId } = event.pools[0]!;
    const list = (nowMs: number, limit = 10) => listReclaimable(db.pool, { eventId: event.id, nowMs, limit });
    expect(await list(reclaimableMs - 1)).toEqual([]);
    expect(await list(reclaimableMs)).toHaveLength(3);
    expect(await list(reclaimableMs, 1)).toEqual([{ poolId, blockNo: 0, epoch: 1, issueUntilMs }]);
    const candidates = [{ poolId, blockNo: 0, epoch: 1 }];
    expect(await reclaimBlocks(db.pool, { nowMs: reclaimableMs - 1, candidates })).toEqual({
      reclaimed: [],
      closed: 0,
    });
    expect(await reclaimBlocks(db.pool, { nowMs: reclaimableMs, candidates })).toEqual({
      reclaimed: [poolId],
      closed: 0,
    });
    expect(await reclaimBlocks(db.pool, { nowMs: reclaimableMs, candidates })).toEqual({ reclaimed: [], closed: 0 });
  });

  it('passes over candidates of another epoch', async () => {
    const event = await startEvent(db, smallDraft());
    const candidates = [{ poolId: event.pools[0]!.poolId, blockNo: 0, epoch: 2 }];
    expect(await reclaimBlocks(db.pool, { nowMs: reclaimableMs, candidates })).toEqual({ reclaimed: [], closed: 0 });
  });

  it('keeps away from a block with a dead letter that waits for its replay (invariant 9)', async () => {
    const event = await startEvent(db, smallDraft());
    const { poolId } = event.pools[0]!;
    const stuck = openOf(event, 'stuck', { n: 1 });
    const letter = { lane: 'open-0', item: {}, error: 'poison', kind: 'open' as const };
    await insertDeadLetters(db.pool, [{ ...letter, ...stuck }]);
    const candidates = [0, 1, 2].map((blockNo) => ({ poolId, blockNo, epoch: 1 }));
    expect(await listReclaimable(db.pool, { eventId: event.id, nowMs: reclaimableMs, limit: 10 })).toHaveLength(2);
    expect(await reclaimBlocks(db.pool, { nowMs: reclaimableMs, candidates })).toEqual({
      reclaimed: [poolId, poolId],
      closed: 0,
    });
    const { rows } = await db.pool.query<{ id: bigint }>('SELECT id FROM dead_letters WHERE event_id = $1', [event.id]);
    expect(await closeDeadLetter(db.pool, { id: rows[0]!.id, outcome: { outcome: 'expired' } })).toBe(true);
    expect(await reclaimBlocks(db.pool, { nowMs: reclaimableMs, candidates })).toEqual({
      reclaimed: [poolId],
      closed: 0,
    });
  });

  it('closes a block at once when all of its packets are granted', async () => {
    const event = await startEvent(db, draftOf(1, {}, { packetCount: 65 }));
    const { poolId } = event.pools[0]!;
    await settleOpens(
      db.pool,
      [0, 1, 2, 64].map((n) => openOf(event, `spent-${n}`, { n })),
    );
    expect(await reclaimAll(event)).toEqual({ reclaimed: new Array(31).fill(poolId), closed: 2 });
    const closed = (await blocksOf(poolId)).filter(({ state }) => state === 'closed');
    expect(closed.map(({ block_no }) => block_no)).toEqual([0, 32]);
  });
});

describe('restockBlocks', () => {
  it('puts what was not granted out in the next epoch, and closes what has nothing left (invariant 3)', async () => {
    const event = await startEvent(db, draftOf(1));
    const { poolId } = event.pools[0]!;
    await reclaimAll(event);
    // late opens of reclaimed blocks: all of block 0, one index of block 1
    const late = [0, 1, 3].map((n) => openOf(event, `late-${n}`, { n }));
    expect((await settleOpens(db.pool, late)).map(({ outcome }) => outcome)).toEqual(new Array(3).fill('credited'));
    const { stocked, closed } = await restockBlocks(db.pool, restockOf(poolId, 3));
    expect(closed).toEqual(new Map([[poolId, 1]]));
    expect(stocked).toEqual([
      { poolId, blockNo: 1, epoch: 2, issueUntilMs: secondIssueUntilMs, mask: Uint8Array.of(0b01) },
      { poolId, blockNo: 2, epoch: 2, issueUntilMs: secondIssueUntilMs, mask: Uint8Array.of(0b11) },
    ]);
    expect((await blocksOf(poolId)).slice(0, 4)).toEqual([
      { block_no: 0, epoch: 1, state: 'closed' },
      { block_no: 1, epoch: 2, state: 'out' },
      { block_no: 2, epoch: 2, state: 'out' },
      { block_no: 3, epoch: 1, state: 'reclaimed' },
    ]);
  });

  it('grants in the new epoch and no longer in the old one, and never an index outside the mask', async () => {
    const event = await startEvent(db, draftOf(1));
    const { poolId } = event.pools[0]!;
    await settleOpens(db.pool, [openOf(event, 'early', { n: 0 })]);
    await reclaimAll(event);
    const { stocked } = await restockBlocks(db.pool, restockOf(poolId));
    expect(indexesOf(stocked[0]!.mask)).toEqual([1]);
    const old = openOf(event, 'old', { n: 1, epoch: 1 });
    const fresh = openOf(event, 'fresh', { n: 1, epoch: 2 });
    const again = openOf(event, 'again', { n: 0, epoch: 2 });
    const settled = await settleOpens(db.pool, [old, fresh, again]);
    expect(settled.map(({ outcome }) => outcome)).toEqual(['expired', 'credited', 'taken']);
    expect(await findViolations(db.pool, { eventId: event.id, limitPerRule: 5 })).toEqual([]);
  });

  it('goes through any number of epochs until everything is granted', async () => {
    const event = await startEvent(db, smallDraft());
    const { poolId } = event.pools[0]!;
    for (let epoch = 1; epoch <= 3; epoch++) {
      const nowMs = reclaimableMs + epoch * 100_000;
      await settleOpens(db.pool, [openOf(event, `in-${epoch}`, { n: epoch - 1, epoch })]);
      await reclaimAll(event, nowMs);
      await restockBlocks(db.pool, { pools: [{ poolId, countMax: 10, issueUntilMs: nowMs }], stockedAtMs: nowMs });
    }
    expect((await blocksOf(poolId)).map(({ state }) => state)).toEqual(['closed', 'closed', 'closed']);
  });

  it('leaves a block in the largest epoch reclaimed, for settle to close, and stocks the others', async () => {
    const event = await startEvent(db, smallDraft());
    const { poolId } = event.pools[0]!;
    await reclaimAll(event);
    await db.pool.query(
      'UPDATE blocks SET epoch = CASE block_no WHEN 0 THEN $2 ELSE $2 - 1 END WHERE pool_id = $1 AND block_no < 2',
      [poolId, epochMax],
    );
    const { stocked } = await restockBlocks(db.pool, restockOf(poolId));
    expect(stocked.map(({ blockNo, epoch }) => [blockNo, epoch])).toEqual([
      [1, epochMax],
      [2, 2],
    ]);
    expect((await blocksOf(poolId))[0]).toEqual({ block_no: 0, epoch: epochMax, state: 'reclaimed' });
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
    expect(await beginSettlement(db.pool, { eventId: event.id, atMs: t0 })).toBe(true);
    expect(await closeBlocks(db.pool, { eventId: event.id, limit: 10 })).toBe(3);
  });

  it('does nothing once the event is closed', async () => {
    const event = await startEvent(db, smallDraft());
    await reclaimAll(event);
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
    expect(await restockBlocks(db.pool, restockOf(event.pools[0]!.poolId))).toEqual({ stocked: [], closed: new Map() });
  });

  it('restocks many pools in one transaction, each up to its own limit', async () => {
    // Proves that grants, limits and times of the pools do not mix, and that a closed event keeps none back.
    const event = await startEvent(db, draftOf(3));
    const closed = await startEvent(db, smallDraft());
    await settleOpens(
      db.pool,
      [0, 1, 2].map((n) => openOf(event, `many-${n}`, { sponsorNo: n, n })),
    );
    await reclaimAll(event);
    await reclaimAll(closed);
    expect(await countReclaimed(db.pool, event.id)).toEqual(new Map(event.pools.map(({ poolId }) => [poolId, 32])));
    await moveEvent(db.pool, { eventId: closed.id, from: 'live', to: 'closed', atMs: t0 });
    const pools = [...event.pools, ...closed.pools].map(({ poolId }, i) => ({
      poolId,
      countMax: i + 1,
      issueUntilMs: secondIssueUntilMs + i,
    }));
    const { stocked } = await restockBlocks(db.pool, { pools, stockedAtMs: reclaimableMs });
    const [a, b, c] = event.pools.map(({ poolId }) => poolId);
    expect(stocked.map(({ poolId, blockNo, issueUntilMs: until, mask }) => [poolId, blockNo, until, mask[0]])).toEqual([
      [a, 0, secondIssueUntilMs, 0b10],
      [b, 0, secondIssueUntilMs + 1, 0b01],
      [b, 1, secondIssueUntilMs + 1, 0b11],
      [c, 0, secondIssueUntilMs + 2, 0b11],
      [c, 1, secondIssueUntilMs + 2, 0b10],
      [c, 2, secondIssueUntilMs + 2, 0b11],
    ]);
    expect(await countReclaimed(db.pool, event.id)).toEqual(
      new Map([
        [a, 31],
        [b, 30],
        [c, 29],
      ]),
    );
  });
});

describe('restock against a late open of the last epoch', () => {
  it('an open that came first is seen by the restock, which waits for it (invariant 3)', async () => {
    const event = await startEvent(db, draftOf(1));
    const { poolId } = event.pools[0]!;
    await reclaimAll(event);
    const opener = await connect();
    await opener.query('BEGIN');
    const open = openOf(event, 'in-flight', { n: 0 });
    expect(await settleOpens(opener, [open])).toMatchObject([{ outcome: 'credited' }]);
    const restocked = restockBlocks(db.pool, restockOf(poolId, 1));
    await whenBlocked(db.pool, 'FROM live CROSS JOIN LATERAL');
    await opener.query('COMMIT');
    expect((await restocked).stocked).toMatchObject([{ blockNo: 0, epoch: 2, mask: Uint8Array.of(0b10) }]);
  });

  it('an open that comes second waits, finds the next epoch and expires; its packet goes to the new ticket', async () => {
    const event = await startEvent(db, draftOf(1));
    const { poolId } = event.pools[0]!;
    await reclaimAll(event);
    const stocker = await connect();
    // the restock's own statements, held before its commit
    const held = holdCommit(stocker);
    const restocked = restockBlocks(held.client, restockOf(poolId, 1));
    await held.reached;
    const late = settleOpens(db.pool, [openOf(event, 'late', { n: 0 })]);
    await whenBlocked(db.pool, 'settle_opens');
    held.go();
    expect((await restocked).stocked).toMatchObject([{ blockNo: 0, epoch: 2, mask: Uint8Array.of(0b11) }]);
    expect(await late).toEqual([{ outcome: 'expired' }]);
    const fresh = openOf(event, 'fresh', { n: 0, epoch: 2 });
    expect(await settleOpens(db.pool, [fresh])).toMatchObject([{ outcome: 'credited' }]);
  });

  it('a reclaim does not stand in the way of an open that is still on its way (invariant 4)', async () => {
    const event = await startEvent(db, draftOf(1));
    const opener = await connect();
    await opener.query('BEGIN');
    await settleOpens(opener, [openOf(event, 'first', { n: 0 })]);
    const reclaimed = reclaimAll(event);
    await whenBlocked(db.pool, 'FROM unnest.*JOIN blocks');
    await opener.query('COMMIT');
    expect((await reclaimed).reclaimed).toHaveLength(32);
    const late = openOf(event, 'second', { n: 1 });
    expect(await settleOpens(db.pool, [late])).toMatchObject([{ outcome: 'credited' }]);
  });
});

/** A view of a connection whose COMMIT waits for `go`. */
function holdCommit(client: PoolClient): { client: PoolClient; reached: Promise<void>; go: () => void } {
  const reached = gate();
  const released = gate();
  const query = async (text: string, values?: unknown[]) => {
    if (text === 'COMMIT') {
      reached.open();
      await released.opened;
    }
    return await client.query(text, values);
  };
  const view = Object.create(client, { query: { value: query } }) as PoolClient;
  return { client: view, reached: reached.opened, go: released.open };
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open: () => void = () => expect.unreachable();
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('retireBlocks and closeBlocks', () => {
  it('a block that was out when the store was replaced is never issued again, but its tickets count (invariant 10)', async () => {
    const event = await startEvent(db, smallDraft());
    const { poolId } = event.pools[0]!;
    await reclaimBlocks(db.pool, { nowMs: reclaimableMs, candidates: [{ poolId, blockNo: 2, epoch: 1 }] });
    await retireBlocks(db.pool);
    expect((await blocksOf(poolId)).map(({ state }) => state)).toEqual(['retired', 'retired', 'reclaimed']);
    expect(await retireBlocks(db.pool)).toBe(0);
    expect(await reclaimAll(event)).toEqual({ reclaimed: [], closed: 0 });
    expect(await settleOpens(db.pool, [openOf(event, 'holder')])).toMatchObject([{ outcome: 'credited' }]);
    const { stocked } = await restockBlocks(db.pool, restockOf(poolId));
    expect(stocked.map(({ blockNo }) => blockNo)).toEqual([2]);
  });

  it('closes all blocks of an event that is being settled, in portions, and none of another', async () => {
    const event = await startEvent(db, draftOf(2));
    const other = await startEvent(db, smallDraft());
    expect(await closeBlocks(db.pool, { eventId: event.id, limit: 100 })).toBe(0);
    await moveEvent(db.pool, { eventId: event.id, from: 'live', to: 'closed', atMs: t0 });
    await beginSettlement(db.pool, { eventId: event.id, atMs: t0 });
    const closed: number[] = [];
    while (closed.at(-1) !== 0) closed.push(await closeBlocks(db.pool, { eventId: event.id, limit: 30 }));
    expect(closed).toEqual([30, 30, 4, 0]);
    const states = await blocksOf(poolOfSponsor(other, 0).poolId);
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['out']));
  });
});
