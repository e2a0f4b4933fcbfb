import { setMaxListeners } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { HongbaoClient, type OpenOutcome } from '#libs/client';
import { until } from './support/http.ts';
import { Night } from './support/night.ts';
import { steadyPlan } from './support/plans.ts';

/** Phones at play at any time. */
const phones = 20;

interface Played {
  readonly tickets: string[];
  readonly opened: Map<string, OpenOutcome>;
  readonly grabbed: string[];
}

/** One who shakes until it wins, opens, shares it and grabs a portion itself, all through the SDK. */
async function play(
  baseUrl: string,
  eventId: string,
  userId: string,
  played: Played,
  signal: AbortSignal,
): Promise<void> {
  const client = new HongbaoClient({ baseUrl, userId });
  const follow = async (ticket: string, packetId: string): Promise<void> => {
    played.opened.set(ticket, await client.open(ticket));
    const shared = await client.share(packetId, ticket);
    if (shared.outcome !== 'shared') throw new Error(`share of ${packetId}: ${shared.outcome}`);
    played.grabbed.push((await client.grab(shared.share.shareToken)).outcome);
  };
  const following: Promise<void>[] = [];
  await client.shakeLoop(eventId, {
    signal,
    onHit: ({ ticket, packetId }) => {
      played.tickets.push(ticket);
      following.push(follow(ticket, packetId));
    },
  });
  await Promise.all(following);
}

// A new version is rolled out in the middle of an event: each process is ended in order and started again while people play. Every ticket
// that anybody won is opened and credited, every share and grab succeeds, and the books balance.
it.each([
  ['all roles in one', false],
  ['money apart from shakes', true],
])('restarts every process under load without a failed open, a lost ticket or a failed grab: %s', async (_, split) => {
  const night = await Night.start({ gateways: 2, split, env: { LOCAL_ADMISSION: 'on' } });
  onTestFinished(() => night.stop());
  const eventId = await night.liveEvent(
    steadyPlan({
      packetsPerSponsor: 3000,
      sponsors: 1,
      perUserMax: 1,
      durationMs: 300_000,
      ticketTtlMs: 300_000,
      sharePortions: 2,
      sharesLastMs: 600_000,
    }),
  );
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // one for each request under way
  const played: Played = { tickets: [], opened: new Map(), grabbed: [] };
  let users = 0;
  const oneAfterTheOther = async (): Promise<void> => {
    while (!stop.signal.aborted) await play(night.stack.gatewayUrl, eventId, `player-${users++}`, played, stop.signal);
  };
  const playing = Promise.all(Array.from({ length: phones }, oneAfterTheOther));
  // whoever fails ends the test with what he met, not with a wait for the others
  playing.catch(() => stop.abort());
  for (const process of night.stack.processes) {
    const { pid } = process;
    const before = played.tickets.length;
    await process.restart();
    expect(process.pid).not.toBe(pid);
    // life goes on before it is the next one's turn
    const won = async () => played.tickets.length - before;
    await until('winners', won, (count) => count >= 5 || stop.signal.aborted, 120_000);
  }
  stop.abort();
  await playing;

  const outcomes = played.tickets.map((ticket) => played.opened.get(ticket)?.outcome);
  expect(new Set(outcomes)).toEqual(new Set(['credited']));
  expect(new Set(played.grabbed)).toEqual(new Set(['credited']));
  expect(played.grabbed).toHaveLength(played.tickets.length);
  const { body } = await night.ops('GET', `/events/${eventId}/reconciliation`);
  expect(body).toMatchObject({ balanced: true, violations: [] });
  expect(body.packets.granted).toBe(played.tickets.length);
});
