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

/** Proves invariants 6 to 8 through kills: every process is killed once in the middle of an event, and no acknowledged open is missing. */
it('loses no acknowledged open and balances when each process is killed once', async () => {
  const eventId = await night.liveEvent(
    smallPlan({
      packetsPerSponsor: 400,
      sponsors: 3,
      durationMs: 40_000,
      ticketTtlMs: 6000,
      sharePortions: 2,
      sharesLastMs: 2000,
    }),
  );
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // one for each request under way
  const acknowledged: { userId: string; packetId: string; amountFen: number }[] = [];

  const openHit = async (client: HongbaoClient, userId: string, ticket: string): Promise<void> => {
    const outcome = await client.open(ticket);
    if (outcome.outcome !== 'credited') return;
    const { packetId, amountFen } = outcome.packet;
    acknowledged.push({ userId, packetId, amountFen });
  };
  const shaker = async ([userId, token]: [string, string]): Promise<void> => {
    const client = new HongbaoClient({ baseUrl: night.stack.gatewayUrl, token });
    const opens: Promise<void>[] = [];
    const onHit = ({ ticket }: { ticket: string }) => void opens.push(openHit(client, userId, ticket));
    await client.shakeLoop(eventId, { signal: stop.signal, onHit });
    await Promise.all(opens);
  };
  const tokens = new Map<string, string>();
  for (let no = 0; no < 150; no++) tokens.set(`killer-${no}`, await night.session(`killer-${no}`));
  const shakers = [...tokens].map(shaker);
  for (const process of [...night.stack.processes]) {
    const before = acknowledged.length;
    await process.kill();
    await process.ready();
    // Life goes on before the next one is killed, unless nobody may win any more.
    const end = performance.now() + 3000;
    while (acknowledged.length < before + 20 && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 50));
  }
  stop.abort();
  await Promise.all(shakers);

  const proof = await night.settled(eventId);
  expect(proof).toMatchObject({ balanced: true, violations: [], unclaimedFen: 0 });
  expect(acknowledged.length).toBeGreaterThan(50);
  const booked = new Map<string, number>();
  for (const [userId, token] of tokens) {
    const { body } = await night.gateway('GET', '/v1/me/packets?limit=50', { token });
    for (const packet of body.packets) booked.set(`${userId} ${packet.packetId}`, packet.amountFen);
  }
  for (const { userId, packetId, amountFen } of acknowledged)
    expect(booked.get(`${userId} ${packetId}`)).toBe(amountFen);
});
