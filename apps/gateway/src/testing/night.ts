/** Nights for simulations: events whose pools are cut as allocation cuts them, crowds over gateways of unequal load. */
import type { EventSnapshot } from '#libs/contracts';
import { blockLifeMsOf, blockSizeOf, type ReleaseCurve } from '#libs/domain';
import type { ShakeWorld, Temper } from './shake-world.ts';
import { testEvent } from './test-event.ts';

export const nightStartsAtMs = 1_800_000_000_000;
/** The crowd is there before the first wave begins. */
export const firstWaveAfterMs = 4000;

export interface PoolWish {
  readonly packetCount: number;
  readonly releaseCurve?: ReleaseCurve;
}

/** An event with one sponsor and pool per wish, all in one wave of `durationMs`. */
export function nightEvent(
  wishes: readonly PoolWish[],
  durationMs: number,
  changes: Partial<EventSnapshot> = {},
): EventSnapshot {
  const base = testEvent({ startsAtMs: nightStartsAtMs, ...changes });
  const sponsors = wishes.map((_, no) => ({ no, id: `sponsor-${no}`, name: `Sponsor ${no}` }));
  const pools = wishes.map(({ packetCount, releaseCurve = 'even' }, no) => {
    const blockSize = blockSizeOf(packetCount, durationMs);
    const shape = { packetCount, blockSize, releaseCurve };
    const blockLifeMs = blockLifeMsOf(shape, durationMs);
    const poolId = base.id * 100 + no + 1;
    return { ...base.pools[0]!, ...shape, poolId, sponsorNo: no, blockLifeMs, releaseCurve: mutable(releaseCurve) };
  });
  return {
    ...base,
    shakeIntervalMs: 1000,
    ticketTtlMs: 600_000,
    stockLeadMs: 2000,
    perUserMax: 64,
    sponsors,
    waves: [{ no: 0, startsAtMs: nightStartsAtMs + firstWaveAfterMs, durationMs }],
    pools,
    ...changes,
  };
}

const mutable = (curve: ReleaseCurve): EventSnapshot['pools'][number]['releaseCurve'] =>
  typeof curve === 'string' ? curve : curve.map(([time, released]) => [time, released]);

/** Adds `count` phones that come within a second, over gateways with these shares of the load. */
export function addCrowd(
  world: ShakeWorld,
  count: number,
  {
    temper,
    shares,
    eventId,
  }: { readonly temper: Temper; readonly shares: readonly number[]; readonly eventId?: number },
): void {
  for (let i = 0; i < count; i++) {
    const point = world.random();
    const gateway = shares.findIndex((_, at) => point < shares.slice(0, at + 1).reduce((sum, share) => sum + share, 0));
    world.addPhone(temper, Math.max(gateway, 0), world.nowMs + world.random() * 1000, eventId);
  }
}
