import { describe, expect, it } from 'vitest';
import { createEventRequestSchema } from '#libs/contracts';
import { blockLifeMsOf, blockSizeOf, findEventFaults, releasedPackets } from '#libs/domain';
import { demoPlan } from './demo-event.ts';

const nowMs = 1_800_000_000_000;
const plan = createEventRequestSchema.parse(demoPlan(nowMs));
const [wave] = plan.waves;
/** What allocation's settings are by default. */
const stockLeadMs = 2000;

describe('the demo event', () => {
  it('is a plan that can be held', () => {
    const { waves, ...rest } = plan;
    const times = { startsAtMs: nowMs, endsAtMs: Date.parse(plan.endsAt), sharesEndAtMs: Date.parse(plan.endsAt) };
    const draftWaves = waves.map((one) => ({ ...one, startsAtMs: Date.parse(one.startsAt) }));
    expect(findEventFaults({ ...rest, ...times, graceMs: 2000, waves: draftWaves })).toEqual([]);
  });

  it('has packets of every sponsor for a lone user in any second of it, without a wait for the next block', () => {
    // Proves that the stock which is alive never runs dry where nobody takes any: blocks come faster than they time out.
    expect(plan.blockLifeMs).toBeUndefined();
    for (const pool of wave!.pools) {
      const blockSize = blockSizeOf(pool.packetCount, wave!.durationMs);
      const lifeMs = blockLifeMsOf({ ...pool, blockSize }, wave!.durationMs);
      const stocked = (atMs: number) =>
        Math.ceil(
          releasedPackets(pool.releaseCurve, atMs + stockLeadMs, wave!.durationMs, pool.packetCount) / blockSize,
        );
      for (let atMs = 0; atMs < wave!.durationMs - lifeMs; atMs += 61_007) {
        expect(stocked(atMs) - stocked(atMs - lifeMs)).toBeGreaterThanOrEqual(3);
      }
    }
  });
});
