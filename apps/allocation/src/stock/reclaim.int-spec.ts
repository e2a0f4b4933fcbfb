// Blocks in time: reclaim by time and quiet lane, restock in the next epoch, reissue rules, one stocker over all processes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventRecord } from '#libs/database';
import { laneOfBlock, lastAcceptanceMs } from '#libs/domain';
import { addOutstanding, findOutstanding, openLane } from '#libs/queue';
import { AllocationRig, RunningAllocation } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';

const wait = { timeout: 30_000, interval: 50 };
const shortLife = { ticketTtlMs: 1000, blockLifeMs: 500 };
let rig: AllocationRig;
beforeAll(async () => {
  rig = await AllocationRig.create();
});
afterAll(async () => {
  await rig?.close();
});

interface BlockRow {
  readonly block_no: number;
  readonly epoch: number;
  readonly state: string;
  readonly issue_until_ms: bigint;
}
const blocksOf = async (event: EventRecord): Promise<BlockRow[]> => {
  const sql = `SELECT b.* FROM blocks b JOIN pools p ON p.id = b.pool_id WHERE p.event_id = $1 ORDER BY b.pool_id, b.block_no`;
  return (await rig.pool.query<BlockRow>(sql, [event.id])).rows;
};
/** Takes from the stock until every packet that is wanted was issued. */
const takeUntil = async (
  event: EventRecord,
  isWanted: (packet: Issued) => boolean,
  count: number,
): Promise<Issued[]> => {
  const found: Issued[] = [];
  const more = async () => found.push(...(await rig.gateway.take(event)).filter(isWanted));
  await expect.poll(more, wait).toBeGreaterThanOrEqual(count);
  return found;
};

describe('reclaim against a late open (invariant 3)', () => {
  it('holds a block back while an accepted open of its lane is on its way, reissues it when it is not, and refuses the old epoch', async () => {
    const event = await rig.arm(
      planOf({ lastsMs: 60_000, sponsors: 1, event: shortLife, pool: { packetCount: 8, budgetFen: 800 } }),
    );
    const first = await takeUntil(event, ({ epoch }) => epoch === 1, 8);
    const laneOf = ({ poolId, blockNo }: Issued) => laneOfBlock(poolId, blockNo, event.openLaneCount!);
    // 8 blocks of one packet over 4 lanes: two of them share the lane of the first
    const held = first.filter((packet) => laneOf(packet) === laneOf(first[0]!));
    const free = first.filter((packet) => laneOf(packet) !== laneOf(first[0]!));
    expect([held.length, free.length]).toEqual([2, 6]);
    const lane = openLane(laneOf(first[0]!));
    const acceptedAtMs = Math.min(...held.map((packet) => lastAcceptanceMs(packet.issueUntilMs, event.ticketTtlMs)));
    await rig.gateway.holdLane(lane, 'an-open-on-its-way', acceptedAtMs);

    // the blocks of the quiet lanes came back: the time of the held ones, stocked together with them, is past as well
    const freeNos = new Set(free.map(({ blockNo }) => blockNo));
    await takeUntil(event, ({ epoch, blockNo }) => epoch === 2 && freeNos.has(blockNo), free.length);
    const [early, late] = held as [Issued, Issued];
    const blocks = (await blocksOf(event)).filter(({ block_no }) => !freeNos.has(block_no));
    expect(blocks.map(({ epoch, state }) => [epoch, state])).toEqual([
      [1, 'out'],
      [1, 'out'],
    ]);
    // the open that was on its way arrives and is honoured (invariant 4)
    expect((await rig.gateway.open(event, early, 'in-time', acceptedAtMs))?.outcome).toBe('credited');

    await rig.gateway.letLaneGo(lane, 'an-open-on-its-way');
    const [reissued] = await takeUntil(event, ({ blockNo, epoch }) => blockNo === late.blockNo && epoch === 2, 1);
    expect((await rig.gateway.open(event, late, 'too-late', acceptedAtMs))?.outcome).toBe('expired');
    expect((await rig.allocation.status(late.packetId, 'too-late', 1)).status).toBe('expired');
    expect((await rig.gateway.open(event, reissued!, 'next-epoch'))?.outcome).toBe('credited');
    // told again as it was told, whoever has the packet now (invariant 7)
    expect((await rig.gateway.open(event, late, 'too-late', acceptedAtMs))?.outcome).toBe('expired');
    const granted = (await blocksOf(event)).find(({ block_no }) => block_no === early.blockNo);
    expect(granted!.epoch).toBe(1);
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true, violations: [] });
  });
});

describe('an outstanding entry without a job', () => {
  it('is dropped after a while, so that it holds no block back for ever, and one whose job is there is not', async () => {
    const lane = openLane(0);
    const { cache } = rig.gateway;
    await rig.gateway.holdLane(lane, 'its-job-waits', rig.gateway.nowMs() - 7_200_000);
    await addOutstanding(cache, lane, 'its-producer-died', rig.gateway.nowMs() - 3_600_000);
    const found = () => findOutstanding(cache, lane, ['its-job-waits', 'its-producer-died']);
    await expect.poll(found, wait).toEqual(new Set(['its-job-waits']));
    await rig.gateway.letLaneGo(lane, 'its-job-waits');
  });
});

describe('restock', () => {
  it('issues what was not granted again and again, in rising epochs, and never beyond the end of the event', async () => {
    const event = await rig.arm(planOf({ lastsMs: 60_000, sponsors: 1, event: shortLife }));
    const first = await takeUntil(event, ({ epoch }) => epoch === 1, 64);
    const opened = first.filter(({ index, blockNo }) => index === 0 && blockNo < 10);
    const outcomes = await Promise.all(opened.map((packet, i) => rig.gateway.open(event, packet, `restock-${i}`)));
    expect(outcomes.map((outcome) => outcome?.outcome)).toEqual(outcomes.map(() => 'credited'));
    const second = await takeUntil(event, ({ epoch }) => epoch === 2, 64 - opened.length);
    const granted = new Set(opened.map(({ packetId }) => packetId));
    expect(second.some(({ packetId }) => granted.has(packetId))).toBe(false);
    expect(new Set(second.map(({ packetId }) => packetId)).size).toBe(64 - opened.length);
    const third = await takeUntil(event, ({ epoch }) => epoch === 3, 1);
    for (const { issueUntilMs } of [...first, ...second, ...third])
      expect(issueUntilMs).toBeLessThanOrEqual(event.endsAtMs);
    expect((await rig.allocation.act(String(event.id), 'close')).status).toBe(200);
    await expect.poll(async () => (await rig.allocation.act(String(event.id), 'settle')).status, wait).toBe(200);
    const blocks = await blocksOf(event);
    expect(new Set(blocks.map(({ state }) => state))).toEqual(new Set(['closed']));
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true, unclaimedFen: 0 });
  });

  it('does not happen for an event that never reissues, nor after its wave for one that reissues in its wave only', async () => {
    const lastsMs = 60_000;
    const never = await rig.arm(planOf({ lastsMs, sponsors: 1, event: { ...shortLife, reissue: 'never' } }));
    // its tickets outlive the wave, so nothing can come back within it
    const plan = planOf({ lastsMs, sponsors: 1, event: { ...shortLife, ticketTtlMs: 3000, reissue: 'wave' } });
    const wave = await rig.arm({ ...plan, waves: plan.waves.map((one) => ({ ...one, durationMs: 3000 })) });
    await takeUntil(never, () => true, 64);
    const states = async (event: EventRecord) => new Set((await blocksOf(event)).map(({ state }) => state));
    await expect.poll(() => states(never), wait).toEqual(new Set(['reclaimed']));
    await expect.poll(() => states(wave), wait).toEqual(new Set(['reclaimed']));
    // a later event came back by now: the others had their chance
    const event = await rig.arm(planOf({ lastsMs, sponsors: 1, event: shortLife }));
    await takeUntil(event, ({ epoch }) => epoch === 2, 1);
    for (const one of [never, wave]) {
      expect(new Set((await blocksOf(one)).map(({ epoch }) => epoch))).toEqual(new Set([1]));
      expect(await states(one)).toEqual(new Set(['reclaimed']));
    }
    expect((await blocksOf(wave)).every(({ issue_until_ms }) => issue_until_ms <= BigInt(wave.startsAtMs + 3000))).toBe(
      true,
    );
  });

  it('keeps blocks that were stocked ahead of the start alive until it', async () => {
    const event = await rig.arm(planOf({ startsInMs: 3000, lastsMs: 60_000, sponsors: 1, event: shortLife }));
    await expect.poll(async () => (await blocksOf(event)).length, wait).toBe(64);
    const blocks = await blocksOf(event);
    expect(blocks.every(({ issue_until_ms }) => issue_until_ms >= BigInt(event.startsAtMs + 500))).toBe(true);
    expect((await rig.record(event.id)).pools[0]!.nextBlock).toBe(64);
  });
});

describe('a pool with a fault', () => {
  it('keeps neither its own fresh blocks nor the other pools from the lists, and goes on when the fault is gone', async () => {
    const pool = { packetCount: 32_000, budgetFen: 3_200_000, releaseCurve: 'even' as const };
    const event = await rig.arm(planOf({ lastsMs: 60_000, sponsors: 2, event: shortLife, pool }));
    const [faulty, sound] = event.pools.map(({ poolId }) => poolId) as [number, number];
    const { stockFailures } = rig.allocation.parts.resources.metrics;
    const failures = async () => (await stockFailures.get()).values.find(({ labels }) => labels.step === 'pool')?.value;
    await rig.pool.query(`ALTER TABLE blocks ADD CONSTRAINT fault CHECK (pool_id <> ${faulty} OR epoch = 1)`);
    try {
      await expect.poll(failures, wait).toBeGreaterThan(0);
      const next = (await rig.record(event.id)).pools.find(({ poolId }) => poolId === faulty)!.nextBlock;
      await takeUntil(event, ({ poolId, blockNo }) => poolId === faulty && blockNo >= next, 1);
      await takeUntil(event, ({ poolId, epoch }) => poolId === sound && epoch === 2, 1);
    } finally {
      await rig.pool.query('ALTER TABLE blocks DROP CONSTRAINT fault');
    }
    await takeUntil(event, ({ poolId, epoch }) => poolId === faulty && epoch === 2, 1);
  });
});

describe('the one stocker', () => {
  const isStocker = async ({ parts }: RunningAllocation) =>
    (await parts.resources.metrics.isStocker.get()).values[0]!.value === 1;

  it('is one process at a time: another takes over when it ends, and when its connection is cut', async () => {
    const second = await RunningAllocation.start(rig.urls);
    try {
      await expect.poll(() => isStocker(rig.allocation), wait).toBe(true);
      expect(await isStocker(second)).toBe(false);
      await rig.allocation.close();
      await expect.poll(() => isStocker(second), wait).toBe(true);
      const event = await armOn(second);
      // on a slow machine the first blocks may have been out, back and out again by now
      const stocked = await takeUntil(event, () => true, 1);
      const latestEpoch = Math.max(...stocked.map(({ epoch }) => epoch));

      rig.allocation = await RunningAllocation.start(rig.urls);
      await rig.pool.query(
        `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE l.locktype = 'advisory' AND l.classid = 7302 AND l.granted AND d.datname = current_database()`,
      );
      const holders = async () => Number(await isStocker(rig.allocation)) + Number(await isStocker(second));
      await takeUntil(event, ({ epoch }) => epoch > latestEpoch, 1);
      await expect.poll(holders, wait).toBe(1);
    } finally {
      await second.close();
    }
  });

  const armOn = async (allocation: RunningAllocation): Promise<EventRecord> => {
    const plan = planOf({ lastsMs: 60_000, sponsors: 1, event: shortLife });
    const { body } = await allocation.call<{ id: string }>('POST', '/events', plan);
    await allocation.act(body.id, 'arm');
    return rig.record(body.id);
  };
});
