import { setTimeout as delay } from 'node:timers/promises';
import type { EventSnapshot } from '#libs/contracts';
import type { OncePlan } from '../driver/plans.ts';
import { type DriverRun, runDriver } from '../driver/run-driver.ts';
import { numberText } from '../frame/report.ts';
import { type BarRule, judged, type Part, RefusedError } from '../frame/suite.ts';
import { megabytes, peakBytes, residentBytes } from '../measure/process-usage.ts';
import type { Gateways } from '../night/gateways.ts';
import { connections } from './settings.ts';
import type { ShakesStage } from './shakes-stage.ts';

const quietMs = 1500;
const sampleMs = 200;
const manyRule: BarRule = { name: 'RSS with a million users, MB', sense: 'at most', bar: 200 };

/** Resident memory of one gateway: when it has started, and the most while 50 000 users and then a million shake on it. */
export const memoryPart: Part<ShakesStage> = {
  name: 'memory',
  bars: [manyRule],
  measure: async (stage) => {
    const { place } = stage;
    const { users, manyUsers } = place.settings;
    const events = (await stage.mixEvents()).slice(0, 1);
    const gateways = await place.startGateways('memory', 1);
    const [pid] = gateways.pids as [number];
    await delay(quietMs);
    const atStart = megabytes(await residentBytes(pid));
    const [some, many] = await place.stocker.stocking(events, async () => [
      await bytesWhile(pid, () => shakeOnce(stage, gateways, events, 0, users)),
      await bytesWhile(pid, () => shakeOnce(stage, gateways, events, users, manyUsers - users)),
    ]);
    const peak = megabytes(await peakBytes(pid));
    await gateways.stop();
    return {
      figures: {
        users: { some: users, many: manyUsers },
        megabytes: { atStart, some: megabytes(some!), many: megabytes(many!), peak },
      },
      rows: [
        { name: 'RSS at start, MB', value: numberText(atStart) },
        { name: `RSS with ${numberText(users)} users, MB`, value: numberText(megabytes(some!)) },
        {
          name: place.context.isQuick ? `RSS with ${numberText(manyUsers)} users, MB` : manyRule.name,
          value: numberText(megabytes(many!)),
          bar: judged(manyRule, megabytes(many!)),
        },
      ],
    };
  },
};

/** Each of these users shakes once, with a token that the gateway has not seen. */
async function shakeOnce(
  { place }: ShakesStage,
  { port }: Gateways,
  events: readonly EventSnapshot[],
  firstUser: number,
  users: number,
): Promise<void> {
  const secret = place.secrets.SESSION_SECRET;
  const eventId = events[0]!.id;
  const load: DriverRun<OncePlan> = {
    plan: { mode: 'once', port, connections, eventId, series: 'memory', secret, firstUser, users },
    core: place.driverCore,
    logFile: place.logFile('driver'),
    signal: place.context.signal,
  };
  const result = await place.stocker.shaken(() => runDriver(load));
  place.context.say(`  ${numberText(users)} users shook once in ${Math.round(result.seconds)} s`);
  if (result.failed > 0) throw new RefusedError(`${result.failed} of ${users} users got no answer`);
}

/** The most that the process held while `work` ran. */
async function bytesWhile(pid: number, work: () => Promise<void>): Promise<number> {
  let most = 0;
  let isWorking = true;
  const working = work().finally(() => {
    isWorking = false;
  });
  while (isWorking) {
    most = Math.max(most, await residentBytes(pid));
    await delay(sampleMs);
  }
  await working;
  return most;
}
