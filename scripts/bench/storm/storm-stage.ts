import { setTimeout as delay } from 'node:timers/promises';
import { makePassableDir } from '#libs/localservers';
import { type BenchContext, RefusedError } from '../frame/suite.ts';
import { pin } from '../measure/pinning.ts';
import { BenchSystem } from '../opens/bench-system.ts';
import { makeSteadyEvent } from '../opens/steady-event.ts';
import { SdkCrowd } from './sdk-crowd.ts';
import {
  fullSettings,
  packetsPerSecond,
  quickSettings,
  type StormSettings,
  shakeIntervalMs,
  sponsorCount,
} from './settings.ts';

/** Over so long as much is credited as is released, within these shares, before anything is measured. */
const steadyMs = 5000;
const steadyShare = { least: 0.8, most: 1.2 };
const steadyLookMs = 500;
const steadyMaxMs = 60_000;

const stormEvent = {
  title: 'benchmark of a storm',
  sponsorCount,
  packetsPerSecond,
  ticketTtlMs: 120_000,
  shakeIntervalMs,
};

/** What the parts share. Each has a system of its own, that steps back by itself as usual. */
export class StormStage {
  readonly settings: StormSettings;
  private usersSoFar = 0;

  private constructor(readonly context: BenchContext) {
    this.settings = context.isQuick ? quickSettings : fullSettings;
  }

  /** The whole system with its phones gets all cores. */
  static async open(context: BenchContext): Promise<StormStage> {
    await pin(process.pid, context.machine.cores);
    if (process.getuid?.() === 0) await makePassableDir(context.dir);
    return new StormStage(context);
  }

  /** Runs `work` on a system of its own with a crowd that plays in a steady event. */
  async withCrowd<T>(name: string, work: (system: BenchSystem, crowd: SdkCrowd) => Promise<T>): Promise<T> {
    const system = await BenchSystem.start({ context: this.context, name, stepsBack: true });
    try {
      const eventId = await makeSteadyEvent(system, stormEvent);
      const crowd = new SdkCrowd(system, eventId, () => this.usersSoFar++);
      crowd.start(this.settings.phones, this.settings.warmUpMs / 2);
      try {
        await this.untilSteady(crowd);
        return await work(system, crowd);
      } finally {
        await crowd.stop();
        await assertBooked(system, eventId, crowd);
      }
    } finally {
      await system.close();
    }
  }

  /** What nobody shook for before the crowd came goes out first: then as much is credited as is released. */
  private async untilSteady({ opens }: SdkCrowd): Promise<void> {
    const { signal } = this.context;
    await delay(this.settings.warmUpMs, undefined, { signal });
    const deadline = performance.now() + steadyMaxMs;
    for (;;) {
      const fromMs = performance.now() - steadyMs;
      const credited = opens.filter(({ outcome, endedAtMs = 0 }) => outcome === 'credited' && endedAtMs >= fromMs);
      const share = credited.length / ((packetsPerSecond * steadyMs) / 1000);
      if (share >= steadyShare.least && share <= steadyShare.most) return;
      if (performance.now() > deadline)
        throw new RefusedError(`after ${steadyMaxMs} ms ${share.toFixed(2)} of what is released is credited`);
      await delay(steadyLookMs, undefined, { signal });
    }
  }

  async close(): Promise<void> {
    await pin(process.pid, this.context.machine.driverCore);
  }
}

/** Every ticket that was won came to its money, once. */
async function assertBooked({ pool, ops }: BenchSystem, eventId: string, { opens }: SdkCrowd): Promise<void> {
  const { rows } = await pool.query<{ packetId: bigint; userName: string }>(
    `SELECT g.packet_id AS "packetId", a.name AS "userName" FROM grants g JOIN accounts a ON a.id = g.account_id
     WHERE g.event_id = $1`,
    [eventId],
  );
  const booked = new Map(rows.map(({ packetId, userName }) => [String(packetId), userName]));
  const faults = opens
    .filter(({ packetId, userName, outcome }) => outcome !== 'credited' || booked.get(packetId) !== userName)
    .map(({ packetId, userName, outcome, wonAtMs, endedAtMs = 0 }) => {
      const tookSeconds = ((endedAtMs - wonAtMs) / 1000).toFixed(1);
      return `packet ${packetId} of ${userName}: told ${outcome} ${tookSeconds} s after it was won`;
    });
  const { balanced, violations } = await ops.reconciliation(eventId);
  if (!balanced) faults.push('the books do not balance');
  faults.push(...violations);
  if (faults.length > 0)
    throw new Error(`event ${eventId}: ${faults.length} faults:\n${faults.slice(0, 10).join('\n')}`);
}
