import { setTimeout as delay } from 'node:timers/promises';
import type { EventPlanInput, OpsEvent } from '#libs/contracts';
import { exchangeStock } from '#libs/redis';
import type { BenchSystem } from './bench-system.ts';
import { usualPool } from './usual-pool.ts';
import { packetsNeeded, sponsorsPerUser, type TakenBlock } from './workload.ts';

const hourMs = 3_600_000;
/** So long that nothing expires or comes back while it is measured. */
const ticketTtlMs = hourMs;
const blockLifeMs = 600_000;
/** As long as this a wave releases so many packets a second that its blocks have 256 of them; all are out at its beginning. */
const waveMs = 60_000;
const outAtOnce: [number, number][] = [
  [0, 0],
  [0.001, 1],
  [1, 1],
];
/** Blocks are whole, and lanes do not get quite the same. */
const spareShare = 0.15;
const packetsMin = 2048;
const pollMs = 50;
const stockedMaxMs = 60_000;

/** An event whose packets are all on the stock lists. */
export interface OpensEvent {
  readonly eventId: number;
  readonly expiresAtMs: number;
  readonly lanes: number;
  readonly blocks: readonly TakenBlock[];
}

/** Makes an event for so many users by the operations REST, waits until allocation has stocked it and takes all blocks as a gateway would. */
export async function makeOpensEvent(system: BenchSystem, users: number): Promise<OpensEvent> {
  const nowMs = Date.now();
  const { ops } = system;
  const draft = await ops.createEvent(planOf(users, nowMs));
  const { id, pools } = await ops.arm(draft.id, 'benchmark');
  await untilLive(system, id);
  const blocks = await takeBlocks(system, pools, wantedOf(users));
  return { eventId: Number(id), expiresAtMs: nowMs + ticketTtlMs, lanes: await lanesOf(system, id), blocks };
}

const sponsorIds = Array.from({ length: sponsorsPerUser + 1 }, (_, no) => `sponsor-${no}`);

/** Packets of each sponsor that the workload asks for. */
function wantedOf(users: number): number[] {
  const { each, last } = packetsNeeded(users);
  return sponsorIds.map((_, no) => (no < sponsorsPerUser ? each : last));
}

function planOf(users: number, nowMs: number): EventPlanInput {
  const startsAt = new Date(nowMs).toISOString();
  return {
    title: `benchmark of ${users} users`,
    startsAt,
    endsAt: new Date(nowMs + 2 * hourMs).toISOString(),
    perUserMax: sponsorsPerUser,
    ticketTtlMs,
    blockLifeMs,
    staggerMs: 0,
    sponsors: sponsorIds.map((id) => ({ id, name: id })),
    waves: [
      {
        no: 0,
        startsAt,
        durationMs: waveMs,
        pools: wantedOf(users).map((wanted, no) => {
          const packetCount = Math.max(packetsMin, Math.ceil(wanted * (1 + spareShare)));
          return { sponsorId: sponsorIds[no]!, ...usualPool(packetCount), releaseCurve: outAtOnce };
        }),
      },
    ],
  };
}

export async function untilLive({ stack }: Pick<BenchSystem, 'stack'>, eventId: string): Promise<void> {
  const deadline = performance.now() + stockedMaxMs;
  for (;;) {
    const answer = await fetch(`${stack.gatewayUrl}/v1/events/${eventId}`);
    const body = (await answer.json()) as { state?: string };
    if (body.state === 'live') return;
    if (performance.now() > deadline) throw new Error(`event ${eventId} is not live after ${stockedMaxMs} ms`);
    await delay(pollMs);
  }
}

/** Takes what is on the lists until there is enough. A gateway without shakes holds an index or two of each pool. */
async function takeBlocks(
  { cache }: BenchSystem,
  pools: OpsEvent['pools'],
  wanted: readonly number[],
): Promise<TakenBlock[]> {
  const deadline = performance.now() + stockedMaxMs;
  const sponsorNoOf = new Map(pools.map(({ poolId, sponsorId }) => [poolId, sponsorIds.indexOf(sponsorId)]));
  const taken: TakenBlock[] = [];
  const got = wanted.map(() => 0);
  while (got.some((count, no) => count < wanted[no]! * (1 + spareShare / 2))) {
    if (performance.now() > deadline)
      throw new Error(`only ${got.join(', ')} of ${wanted.join(', ')} packets were stocked`);
    const answer = await exchangeStock(cache, {
      wanted: pools.map(({ poolId, blockCount }) => ({ poolId, blocksMax: blockCount })),
      poolIds: [],
    });
    if (answer.status !== 'ok') throw new Error('the stock is on another server');
    for (const { poolId, blockNo, epoch, mask, count, skip = 0 } of [...answer.blocks.values()].flat()) {
      const sponsorNo = sponsorNoOf.get(poolId)!;
      taken.push({ poolId, sponsorNo, blockNo, epoch, mask, skip });
      got[sponsorNo]! += count;
    }
    await delay(pollMs);
  }
  return taken;
}

async function lanesOf({ pool }: BenchSystem, eventId: string): Promise<number> {
  const { rows } = await pool.query<{ lanes: number }>('SELECT open_lane_count AS lanes FROM events WHERE id = $1', [
    eventId,
  ]);
  return rows[0]!.lanes;
}
