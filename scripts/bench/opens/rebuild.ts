import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { takeCopy } from '../../chaos/store-faults.ts';
import { numberText } from '../frame/report.ts';
import { type Figures, type Part, RefusedError, type Row } from '../frame/suite.ts';
import { median, rotated, rounded } from '../measure/statistics.ts';
import type { BenchSystem } from './bench-system.ts';
import type { OpensStage } from './opens-stage.ts';
import { type Recovery, recoveryOf } from './recovery.ts';
import { Shakers } from './shakers.ts';
import { makeSteadyEvent, usualSteadyEvent } from './steady-event.ts';

/** Until winners come evenly, at the beginning and after each loss. */
const steadyMs = 5000;
/** How old the copy is that takes the place of the store. */
const copyAgeMs = 2000;
const pollMs = 20;
const recoveryMaxMs = 60_000;
const creditedWanted = 5;
const appendOnlyDir = 'appendonlydir';

/** How Redis is lost under the running system. */
const losses = ['emptied', 'replaced', 'staleCopy'] as const;
type Loss = (typeof losses)[number];
const lossTexts: Readonly<Record<Loss, string>> = {
  emptied: 'Redis emptied (FLUSHALL)',
  replaced: 'Redis killed, a new empty server in its place',
  staleCopy: 'Redis killed, an older copy in its place',
};

/** How long it takes until winners flow again, and their money, after Redis lost everything; nobody does anything about it. */
export const rebuildPart: Part<OpensStage> = {
  name: 'rebuild',
  bars: [],
  measure: async (stage) => {
    await stage.endMainSystem();
    const system = await stage.startSystem({ name: 'rebuild' });
    try {
      const recoveries = await measure(stage, system);
      return {
        figures: Object.fromEntries(losses.map((loss) => [loss, figuresOf(recoveries[loss])])),
        rows: losses.flatMap((loss) => rowsOf(loss, recoveries[loss])),
      };
    } finally {
      await system.close();
    }
  },
};

async function measure(stage: OpensStage, system: BenchSystem): Promise<Record<Loss, Recovery[]>> {
  const eventId = await makeSteadyEvent(system, usualSteadyEvent);
  const shakers = new Shakers(system, eventId, () => stage.newUsers(1)[0]!);
  const recoveries: Record<Loss, Recovery[]> = { emptied: [], replaced: [], staleCopy: [] };
  shakers.start();
  try {
    for (let round = 0; round < stage.settings.rebuildRounds; round++) {
      for (const loss of rotated(losses, round)) {
        await delay(steadyMs, undefined, { signal: stage.context.signal });
        recoveries[loss].push(await lose(stage, { system, shakers, eventId }, loss));
      }
    }
  } finally {
    await shakers.stop();
  }
  await assertBooked(system, eventId, shakers);
  return recoveries;
}

interface Scene {
  readonly system: BenchSystem;
  readonly shakers: Shakers;
  readonly eventId: string;
}

async function lose(stage: OpensStage, { system, shakers, eventId }: Scene, loss: Loss): Promise<Recovery> {
  const harm = await prepared(system, loss);
  const lostAtMs = performance.now();
  const lostAtWallMs = Date.now();
  await harm();
  const deadline = lostAtMs + recoveryMaxMs;
  for (;;) {
    const fresh = await blocksSince(system, eventId, lostAtWallMs);
    const recovery = recoveryOf({ winners: shakers.winners, lostAtMs, isFresh: (key) => fresh.has(key) });
    if (recovery !== undefined && recovery.creditedFresh >= creditedWanted) {
      stage.context.say(`  ${lossTexts[loss]}: ${lineOf(recovery)}`);
      return recovery;
    }
    if (performance.now() > deadline)
      throw new RefusedError(`${lossTexts[loss]}: no winners after ${recoveryMaxMs} ms`);
    await delay(pollMs, undefined, { signal: stage.context.signal });
  }
}

/** What does the harm; everything that it needs is ready. */
async function prepared({ cache, stack, dataDir }: BenchSystem, loss: Loss): Promise<() => Promise<void>> {
  const redis = stack.redis!;
  const dir = join(dataDir, 'redis');
  const replace = async (putData: () => Promise<void>): Promise<void> => {
    await redis.kill();
    await putData();
    await redis.restart();
  };
  switch (loss) {
    case 'emptied':
      return async () => void (await cache.flushall());
    case 'replaced':
      return () => replace(() => rm(join(dir, appendOnlyDir), { recursive: true, force: true }));
    case 'staleCopy': {
      const putCopy = await takeCopy(dir);
      await delay(copyAgeMs);
      return () => replace(() => putCopy(dir));
    }
  }
}

/** Blocks that were stocked after a time of the store's clock, which is this machine's, as `pool/block`. */
async function blocksSince({ pool }: BenchSystem, eventId: string, sinceMs: number): Promise<Set<string>> {
  const { rows } = await pool.query<{ key: string }>(
    `SELECT b.pool_id || '/' || b.block_no AS key FROM blocks b JOIN pools p ON p.id = b.pool_id
     WHERE p.event_id = $1 AND b.stocked_at_ms > $2`,
    [eventId, sinceMs],
  );
  return new Set(rows.map(({ key }) => key));
}

/** Nothing that was won or told may be lost with the store, or booked twice (invariant 10). */
async function assertBooked({ pool, ops }: BenchSystem, eventId: string, { winners }: Shakers): Promise<void> {
  const { rows } = await pool.query<{ packetId: bigint; userName: string; amountFen: number }>(
    `SELECT g.packet_id AS "packetId", a.name AS "userName", g.amount_fen AS "amountFen"
     FROM grants g JOIN accounts a ON a.id = g.account_id WHERE g.event_id = $1`,
    [eventId],
  );
  const booked = new Map(rows.map((row) => [row.packetId, row]));
  const faults = winners.flatMap(({ packetId, userName, outcome, amountFen }) => {
    const grant = booked.get(packetId);
    const isSame = outcome === 'credited' && grant?.userName === userName && grant.amountFen === amountFen;
    return isSame ? [] : [`packet ${packetId} of ${userName}: told ${outcome}, booked to ${grant?.userName}`];
  });
  const report = await ops.reconciliation(eventId);
  if (!report.balanced) faults.push('the books do not balance');
  faults.push(...report.violations);
  if (rows.length !== winners.length) faults.push(`${winners.length} packets were won, ${rows.length} are booked`);
  if (faults.length > 0)
    throw new Error(`event ${eventId}: answers and ledger differ:\n${faults.slice(0, 10).join('\n')}`);
}

function lineOf({ firstWinnerMs, firstCreditedMs, longestPauseMs }: Recovery): string {
  const [winner, credited, pause] = [firstWinnerMs, firstCreditedMs, longestPauseMs].map(numberText);
  return `winners from fresh stock after ${winner} ms, credited after ${credited} ms, longest pause ${pause} ms`;
}

const namesOf = ['firstWinnerMs', 'firstCreditedMs', 'anyCreditedMs', 'longestPauseMs'] as const;

function figuresOf(recoveries: readonly Recovery[]): Figures {
  return Object.fromEntries(
    namesOf.map((name) => {
      const values = recoveries.map((recovery) => rounded(recovery[name]));
      return [name, { median: median(values), highest: Math.max(...values), ofRuns: values }];
    }),
  );
}

function rowsOf(loss: Loss, recoveries: readonly Recovery[]): Row[] {
  const secondsOf = (name: (typeof namesOf)[number]) => median(recoveries.map((one) => one[name])) / 1000;
  return [
    { name: `${lossTexts[loss]}: first new winner, s`, value: numberText(secondsOf('firstWinnerMs')) },
    { name: `${lossTexts[loss]}: his open credited, s`, value: numberText(secondsOf('firstCreditedMs')) },
  ];
}
