import { numberText } from '../frame/report.ts';
import { type Part, RefusedError } from '../frame/suite.ts';
import { median, rounded } from '../measure/statistics.ts';
import type { MeantShares } from '../night/outcomes.ts';
import { type ClosedLoopRun, closedLoop } from './closed-loop.ts';
import { figuresOf, ratesOf } from './rounds.ts';
import { coldUsers } from './settings.ts';
import type { ShakesStage } from './shakes-stage.ts';

const seconds = 2;
/** One of the events, with its part of the packets. */
const meantCold: MeantShares = { hit: { lowest: 0, highest: 0.01 }, miss: { lowest: 0.99, highest: 1 } };

/** Shakes per second of users who come for the first time: every token is verified. */
export const coldPart: Part<ShakesStage> = {
  name: 'cold',
  bars: [],
  measure: async (stage) => {
    const warm = await stage.knownCapacity();
    const events = (await stage.mixEvents()).slice(0, 1);
    const server = stage.gateway;
    const runs: ClosedLoopRun[] = [];
    for (let round = 0; round < stage.place.settings.coldRounds; round++) {
      const tokensFile = await stage.place.freshTokens(`cold-${round}`, coldUsers);
      runs.push(
        await stage.place.stocker.stocking(events, () =>
          closedLoop(stage.place, { server, events, seconds, tokensFile, meant: meantCold }),
        ),
      );
    }
    const perSecond = median(ratesOf(runs));
    if (perSecond * seconds > coldUsers) throw new RefusedError(`${coldUsers} users are too few for ${seconds} s`);
    const ratio = perSecond / warm;
    return {
      figures: { gateway: figuresOf(runs), ratioToWarm: rounded(ratio) },
      rows: [
        {
          name: 'shakes/s, sessions never seen, beside warm',
          value: numberText(perSecond),
          beside: numberText(warm),
          ratio,
        },
      ],
    };
  },
};
