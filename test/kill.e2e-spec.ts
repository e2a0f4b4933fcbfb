import { setMaxListeners } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HongbaoClient } from '#libs/client';
import { until } from './support/http.ts';
import { Night } from './support/night.ts';
import { steadyPlan } from './support/plans.ts';

/** Phones at play at any time. */
const phones = 30;
const acknowledgedBetween = 20;
const patienceMs = 120_000;

let night: Night;
beforeAll(async () => {
  night = await Night.start({ gateways: 2 });
});
afterAll(() => night.stop());

interface Acknowledged {
  readonly userId: string;
  readonly packetId: string;
  readonly amountFen: number;
}

/** People who shake until they win and open it, one after the other on each phone, so that there is always somebody who may win. */
class Players {
  readonly acknowledged: Acknowledged[] = [];
  readonly ending = new AbortController();
  private users = 0;

  constructor(private readonly eventId: string) {
    setMaxListeners(0, this.ending.signal); // one for each request under way
  }

  async play(): Promise<void> {
    const oneAfterTheOther = async (): Promise<void> => {
      while (!this.ending.signal.aborted) await this.playAs(`killer-${this.users++}`);
    };
    await Promise.all(Array.from({ length: phones }, oneAfterTheOther));
  }

  private async playAs(userId: string): Promise<void> {
    const client = new HongbaoClient({ baseUrl: night.stack.gatewayUrl, userId });
    const opens: Promise<void>[] = [];
    const open = async (ticket: string): Promise<void> => {
      const outcome = await client.open(ticket);
      if (outcome.outcome !== 'credited') return;
      const { packetId, amountFen } = outcome.packet;
      this.acknowledged.push({ userId, packetId, amountFen });
    };
    const hasWon = new AbortController();
    const onHit = ({ ticket }: { ticket: string }): void => {
      opens.push(open(ticket));
      // nobody wins twice: the loop would only wait for the ticket to be opened, or to expire
      hasWon.abort();
    };
    await client.shakeLoop(this.eventId, { signal: AbortSignal.any([this.ending.signal, hasWon.signal]), onHit });
    await Promise.all(opens);
  }
}

/** Proves invariants 6 to 8 through kills: every process is killed once in the middle of an event, and no acknowledged open is missing. */
it('loses no acknowledged open and balances when each process is killed once', async () => {
  const plan = { packetsPerSponsor: 18_000, sponsors: 1, perUserMax: 1, durationMs: 600_000, ticketTtlMs: 6000 };
  const eventId = await night.liveEvent(steadyPlan(plan));
  const players = new Players(eventId);
  const { acknowledged, ending } = players;
  const playing = players.play();
  // whoever fails ends the test with what he met, not with a wait for the others
  playing.catch(() => ending.abort());
  for (const process of [...night.stack.processes]) {
    const before = acknowledged.length;
    await process.kill();
    await process.ready();
    // life goes on before the next one is killed
    const more = async () => acknowledged.length - before;
    await until('more opens', more, (count) => count >= acknowledgedBetween || ending.signal.aborted, patienceMs);
  }
  ending.abort();
  await playing;

  expect(await night.settled(eventId)).toMatchObject({ balanced: true, violations: [], unclaimedFen: 0 });
  for (const { userId, packetId, amountFen } of acknowledged) {
    const { body } = await night.gateway('GET', '/v1/me/packets', { token: await night.session(userId) });
    expect(body.packets).toMatchObject([{ packetId, amountFen }]);
  }
});
