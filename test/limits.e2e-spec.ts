import { afterAll, beforeAll, expect, it } from 'vitest';
import { keyRingSchema } from '#libs/contracts';
import { createPool, type Pool } from '#libs/database';
import { createKeyRing, packetIdOf, signClaim } from '#libs/domain';
import { until } from './support/http.ts';
import { Night, testTicketKeys } from './support/night.ts';
import { smallPlan } from './support/plans.ts';

let night: Night;
let pool: Pool;
beforeAll(async () => {
  night = await Night.start();
  pool = createPool({
    connectionString: night.stack.databaseUrl,
    applicationName: 'test',
    max: 1,
    statementTimeoutMs: 10_000,
  });
});
afterAll(async () => {
  await pool.end();
  await night.stop();
});

interface OutBlock {
  readonly pool_id: number;
  readonly block_no: number;
  readonly epoch: number;
  readonly sponsor_no: number;
}

/** Proves invariant 5 through the whole chain: nine valid tickets, three of each sponsor, opened at one instant, give exactly three grants. */
it('grants three of nine tickets of three sponsors opened at the same instant', async () => {
  const eventId = await night.liveEvent(
    smallPlan({ packetsPerSponsor: 640, sponsors: 3, durationMs: 60_000, ticketTtlMs: 30_000 }),
  );
  const outBlocks = () =>
    pool.query<OutBlock>(
      `SELECT b.pool_id, b.block_no, b.epoch, p.sponsor_no FROM blocks b JOIN pools p ON p.id = b.pool_id
        WHERE p.event_id = $1 AND b.state = 'out' AND b.block_no < 3 ORDER BY b.pool_id, b.block_no`,
      [Number(eventId)],
    );
  const { rows } = await until('three blocks of each sponsor', outBlocks, (result) => result.rows.length === 9);
  const ring = createKeyRing(keyRingSchema.parse(testTicketKeys));
  const token = await night.session('greedy');
  const tickets = rows.map((block) =>
    signClaim(ring, {
      kind: 'ticket',
      eventId: Number(eventId),
      packetId: packetIdOf({ poolId: block.pool_id, blockNo: block.block_no, index: 0 }),
      epoch: block.epoch,
      sponsorNo: block.sponsor_no,
      atMs: Date.now() + 30_000,
      userId: 'greedy',
    }),
  );
  const open = (ticket: string) => night.gateway('POST', '/v1/packets/open', { token, body: { ticket } });
  const openToTheEnd = (ticket: string) =>
    until(
      'an outcome',
      () => open(ticket),
      ({ status }) => status !== 202 && status !== 503,
    );
  const answers = await Promise.all(tickets.map(openToTheEnd));

  const credited = answers.filter(({ status }) => status === 200);
  expect(new Set(credited.map(({ body }) => body.sponsor.id)).size).toBe(3);
  expect(credited).toHaveLength(3);
  const refused = answers.filter(({ status }) => status !== 200);
  for (const { status, body } of refused) {
    expect(status).toBe(409);
    expect(['limit_reached', 'sponsor_limit_reached']).toContain(body.code);
  }
  const again = await Promise.all(tickets.map(openToTheEnd));
  expect(again.map(({ status, body }) => [status, body.amountFen])).toEqual(
    answers.map(({ status, body }) => [status, body.amountFen]),
  );

  const wallet = await until(
    'the wallet',
    () => night.gateway('GET', '/v1/me/wallet', { token }),
    ({ body }) => body.balanceFen > 0,
  );
  expect(wallet.body.balanceFen).toBe(credited.reduce((sum, { body }) => sum + body.amountFen, 0));
  expect((await night.ops('GET', `/events/${eventId}/reconciliation`)).body).toMatchObject({
    balanced: true,
    packets: { granted: 3 },
  });
});
