import { numberText } from '../frame/report.ts';
import { type BarRule, judged, type Part } from '../frame/suite.ts';
import { untilUndisturbed } from '../frame/undisturbed.ts';
import { median } from '../measure/statistics.ts';
import { type OpensRun, runOpens } from './opens-run.ts';
import type { OpensStage } from './opens-stage.ts';
import { figuresOf, ratesOf } from './run-figures.ts';
import { connections } from './settings.ts';

const rateRule: BarRule = { name: 'credited opens/s, end to end', sense: 'at least', bar: 6000 };
const target = 10_000;

/** Credited opens per second through the whole system, driver included. */
export const ratePart: Part<OpensStage> = {
  name: 'rate',
  bars: [rateRule],
  measure: async (stage) => {
    const system = await stage.mainSystem();
    const runs: OpensRun[] = [];
    for (let round = 0; round < stage.settings.rateRounds; round++)
      runs.push(await untilUndisturbed(stage, () => runOpens(stage.context, system, stage.closedLoop())));
    const perSecond = median(ratesOf(runs));
    stage.rate = perSecond;
    stage.itemsPerCall = median(runs.map(({ calls }) => calls.itemsPerCall));
    return {
      figures: { connections, ...figuresOf(runs), settings: await system.storeSettings() },
      rows: [
        {
          name: rateRule.name,
          value: numberText(perSecond),
          beside: `${numberText(target)} target`,
          ratio: perSecond / target,
          bar: judged(rateRule, Math.round(perSecond)),
        },
      ],
    };
  },
};
