import type { EventSnapshot } from '#libs/contracts';
import { numberText } from '../frame/report.ts';
import type { Part } from '../frame/suite.ts';
import { untilUndisturbed } from '../frame/undisturbed.ts';
import { median, rounded } from '../measure/statistics.ts';
import { drawnOf, type MeantShares } from '../night/outcomes.ts';
import { resting } from '../night/tier.ts';
import { type ClosedLoopRun, closedLoop, type Server, steadyRun } from './closed-loop.ts';
import { costsOf, figuresOf } from './rounds.ts';
import { eventIds } from './settings.ts';
import type { ShakesStage } from './shakes-stage.ts';

/** So short that every user comes once at most: a repeated shake meets its first answer again, which costs less. */
const hitSeconds = 1;
const hitSponsors = 16;
/** Packets in stock for every shake that could come. */
const stockFactor = 2;
const all = { lowest: 0.999, highest: 1 };
/** Shakes that come before the first blocks miss; they are taken out at their cost. */
const nearlyAll: MeantShares = { hit: { lowest: 0.9, highest: 1 }, miss: { lowest: 0, highest: 0.1 } };

/** CPU of one gateway per miss, hit and rest: three events, each with one result alone. */
export const costPart: Part<ShakesStage> = {
  name: 'cost',
  bars: [],
  measure: async (stage) => {
    const { settings } = stage.place;
    const { gateway: server, misses } = stage;
    const hits = await hitsEvents(stage);
    const runs = { miss: [] as ClosedLoopRun[], hit: [] as ClosedLoopRun[], rest: [] as ClosedLoopRun[] };
    for (let round = 0; round < settings.costRounds; round++) {
      runs.miss.push(await steadyRun(stage.place, { server, events: misses, meant: { miss: all } }));
      runs.hit.push(await measureHits(stage, server, hits));
      runs.rest.push(
        await resting(stage.place.store.client, () =>
          steadyRun(stage.place, { server, events: misses, meant: { rest: all } }),
        ),
      );
    }
    const miss = median(costsOf(runs.miss));
    const hit = median(runs.hit.map((run) => hitCostOf(run, miss)));
    const rest = median(costsOf(runs.rest));
    return {
      figures: {
        cpuMicros: { miss: rounded(miss), hit: rounded(hit), rest: rounded(rest) },
        miss: figuresOf(runs.miss),
        hit: figuresOf(runs.hit),
        rest: figuresOf(runs.rest),
      },
      rows: Object.entries({ miss, hit, rest }).map(([result, micros]) => ({
        name: `CPU per ${result}, µs`,
        value: numberText(micros),
        ...(result === 'miss' ? {} : { beside: `${numberText(miss)} miss`, ratio: micros / miss }),
      })),
    };
  },
};

/** Everybody who comes wins. */
async function hitsEvents(stage: ShakesStage): Promise<EventSnapshot[]> {
  const packetsPerSecond = Math.round((await stage.knownCapacity()) * stockFactor);
  return await stage.place.publish(eventIds.hits, packetsPerSecond, { perUserMax: hitSponsors });
}

/** After a warm-up, by other users, that brings the stock in. */
async function measureHits(
  { place }: ShakesStage,
  server: Server,
  events: readonly EventSnapshot[],
): Promise<ClosedLoopRun> {
  return await place.stocker.stocking(events, async () => {
    await closedLoop(place, { server, events, seconds: place.settings.stockWarmUpSeconds });
    return await untilUndisturbed(place, () =>
      closedLoop(place, { server, events, seconds: hitSeconds, meant: nearlyAll }),
    );
  });
}

function hitCostOf({ outcomes, cpuMicrosPerShake }: ClosedLoopRun, missMicros: number): number {
  const hits = outcomes.get('hit') ?? 0;
  const others = drawnOf(outcomes) - hits;
  return (cpuMicrosPerShake * (hits + others) - missMicros * others) / hits;
}
