import { setMaxListeners } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HongbaoClient } from '#libs/client';
import { Night } from './support/night.ts';
import { smallPlan } from './support/plans.ts';

let night: Night;
beforeAll(async () => {
  night = await Night.start({ gateways: 2 });
});
afterAll(() => night.stop());

/** Proves that nothing is "sold out" too early: 300 packets, three sponsors, limits 3 and 1, drained to the very last one. */
it('drains a small event to its last packet over two gateways and settles it', async () => {
  const eventId = await night.liveEvent(
    smallPlan({ packetsPerSponsor: 100, sponsors: 3, durationMs: 110_000, ticketTtlMs: 1500 }),
  );
  const credited = new Map<string, number>();
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // one for each request under way

  const openHit = async (client: HongbaoClient, ticket: string): Promise<void> => {
    const outcome = await client.open(ticket);
    if (outcome.outcome !== 'credited') return;
    credited.set(outcome.packet.packetId, outcome.packet.amountFen);
    if (credited.size === 300) stop.abort();
  };
  const shaker = async (userId: string): Promise<void> => {
    const client = new HongbaoClient({ baseUrl: night.stack.gatewayUrl, token: await night.session(userId) });
    const opens: Promise<void>[] = [];
    const onHit = ({ ticket }: { ticket: string }) => void opens.push(openHit(client, ticket));
    await client.shakeLoop(eventId, { signal: stop.signal, onHit });
    await Promise.all(opens);
  };
  const deadline = setTimeout(() => stop.abort(), 100_000);
  await Promise.all(Array.from({ length: 120 }, (_, no) => shaker(`drainer-${no}`)));
  clearTimeout(deadline);

  expect(credited.size).toBe(300);
  const proof = await night.settled(eventId);
  const sum = [...credited.values()].reduce((total, amountFen) => total + amountFen, 0);
  expect(proof).toMatchObject({
    balanced: true,
    violations: [],
    budgetFen: 30_000,
    grantedFen: 30_000,
    refundedFen: 0,
    unclaimedFen: 0,
  });
  expect(sum).toBe(30_000);
  expect(proof.packets).toMatchObject({ planned: 300, granted: 300 });
});
