import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { EventSnapshot, StockedBlock } from '#libs/contracts';
import { blockSizeOf, fullMask, packetsInBlock, releasedPackets, verifyClaim } from '#libs/domain';
import type { Session } from '../sessions/session.ts';
import { ShakeLab, testSession } from '../testing/shake-lab.ts';
import { poolIdOf, testEvent, testRing } from '../testing/test-event.ts';
import { tickMs } from './shake-rate.ts';

const startsAtMs = 1_800_000_000_000;
const packetsPerPool = 100;
const waveMs = 30_000;

interface Phone {
  readonly session: Session;
  readonly gateway: ShakeLab;
  nextShakeAtMs: number;
  state: string | undefined;
}

/** The stock lists of the store, filled along the curve. */
class Stock {
  private readonly lists = new Map<number, StockedBlock[]>();
  private readonly nextBlock = new Map<number, number>();

  constructor(private readonly event: EventSnapshot) {}

  fill(nowMs: number): void {
    for (const { poolId, packetCount, blockSize, releaseCurve } of this.event.pools) {
      const due = releasedPackets(releaseCurve, nowMs - startsAtMs, waveMs, packetCount);
      let blockNo = this.nextBlock.get(poolId) ?? 0;
      for (; blockNo * blockSize < due; blockNo++) {
        const mask = Buffer.from(fullMask(packetsInBlock({ packetCount }, blockNo))).toString('base64url');
        this.listOf(poolId).push({ poolId, blockNo, epoch: 1, issueUntilMs: nowMs + 60_000, mask });
      }
      this.nextBlock.set(poolId, blockNo);
    }
  }

  take(gateway: ShakeLab): void {
    for (const { poolId, blocksMax } of gateway.events.wanted(gateway.nowMs))
      gateway.stock(...this.listOf(poolId).splice(0, blocksMax));
  }

  private listOf(poolId: number): StockedBlock[] {
    const list = this.lists.get(poolId) ?? [];
    this.lists.set(poolId, list);
    return list;
  }
}

function phoneShakes(phone: Phone): string | undefined {
  const answer = phone.gateway.shake(phone.session, 1, phone.state);
  phone.nextShakeAtMs = Number.POSITIVE_INFINITY;
  if (answer.result === 'miss' || answer.result === 'hit')
    phone.nextShakeAtMs = phone.gateway.nowMs + answer.nextShakeMs;
  if (answer.result !== 'hit') return undefined;
  phone.state = answer.state;
  return answer.ticket;
}

/** Runs a night of `phoneCount` phones over two gateways. Returns the tickets and when the last one was issued. */
async function night(phoneCount: number, lastMs: number): Promise<{ tickets: string[]; lastIssueMs: number }> {
  const base = testEvent({ startsAtMs, shakeIntervalMs: 1000, ticketTtlMs: 600_000, staggerMs: 1000 });
  const pools = base.pools.map((pool) => ({
    ...pool,
    packetCount: packetsPerPool,
    blockSize: blockSizeOf(packetsPerPool),
  }));
  const event = { ...base, pools };
  const gateways = [await ShakeLab.of(startsAtMs, event), await ShakeLab.of(startsAtMs, event)];
  const phones = Array.from({ length: phoneCount }, (_, i): Phone => {
    const session = testSession(`user-${i}`);
    return { session, gateway: gateways[i % 2]!, nextShakeAtMs: startsAtMs + 1000 + (i % 1000), state: undefined };
  });
  const stock = new Stock(event);
  const tickets: string[] = [];
  let lastIssueMs = 0;
  for (let nowMs = startsAtMs; nowMs < startsAtMs + lastMs; nowMs += tickMs) {
    stock.fill(nowMs);
    for (const gateway of gateways) {
      gateway.pass(nowMs - gateway.nowMs);
      stock.take(gateway);
    }
    for (const phone of phones) {
      if (phone.nextShakeAtMs > nowMs) continue;
      const ticket = phoneShakes(phone);
      if (ticket === undefined) continue;
      tickets.push(ticket);
      lastIssueMs = nowMs - startsAtMs;
    }
  }
  return { tickets, lastIssueMs };
}

/**
 * Proves that two gateways issue every packet of a small event once, each user one of a sponsor at most, within seconds of its
 * release. (So many phones that each gateway has some below the limit: what a gateway holds that nobody there may win comes back
 * by time.)
 */
it('drains a small event to its very last packet', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 250, max: 900 }), async (phoneCount) => {
      const { tickets, lastIssueMs } = await night(phoneCount, waveMs + 15_000);
      const claims = tickets.map((ticket) => verifyClaim(testRing, 'ticket', ticket)!);
      expect(new Set(claims.map(({ packetId }) => packetId)).size).toBe(tickets.length);
      expect(new Set(claims.map(({ userId, sponsorNo }) => `${userId} ${sponsorNo}`)).size).toBe(tickets.length);
      expect(tickets).toHaveLength(3 * packetsPerPool);
      expect(lastIssueMs).toBeLessThan(waveMs + 5000);
    }),
    { numRuns: 6 },
  );
});

/** Proves that a handful of phones takes whatever is released, and that pools of one event share nothing with another. */
it('gives a few phones all that their limits allow', async () => {
  const { tickets } = await night(4, waveMs);
  expect(tickets).toHaveLength(4 * 3);
  expect(poolIdOf(1, 0)).not.toBe(poolIdOf(2, 0));
});
