import { setTimeout as delay } from 'node:timers/promises';
import { numberText } from '../frame/report.ts';
import { type BarRule, type Figures, judged, type Part, type PartReport } from '../frame/suite.ts';
import { median, rounded } from '../measure/statistics.ts';
import type { BenchSystem } from '../opens/bench-system.ts';
import type { SdkCrowd } from './sdk-crowd.ts';
import { type Outage, type StormFigures, stormFigures } from './storm-figures.ts';
import type { StormStage } from './storm-stage.ts';

const normalRule: BarRule = { name: '30 s without Redis: normal again after, s', sense: 'at most', bar: 10 };
const offeredRule: BarRule = {
  name: '30 s without Redis: highest second of offered requests, over the mean before',
  sense: 'at most',
  bar: 1.5,
};

/** Redis is killed under a crowd with the SDK and starts again half a minute later: what comes then, and when all is as before. */
export const outagePart: Part<StormStage> = {
  name: 'outage',
  bars: [normalRule, offeredRule],
  measure: async (stage) => {
    const runs: StormFigures[] = [];
    for (let round = 0; round < stage.settings.outageRounds; round++) {
      const run = await stage.withCrowd(`outage-${round}`, (system, crowd) => measure(stage, system, crowd));
      stage.context.say(`  ${lineOf(run)}`);
      runs.push(run);
    }
    return reportOf(runs);
  },
};

async function measure(stage: StormStage, system: BenchSystem, crowd: SdkCrowd): Promise<StormFigures> {
  const { beforeMs, awayMs, afterMs } = stage.settings;
  const { signal } = stage.context;
  const fromMs = performance.now();
  await delay(beforeMs, undefined, { signal });
  const redis = system.stack.redis!;
  const lostAtMs = performance.now();
  await redis.kill();
  await delay(awayMs - (performance.now() - lostAtMs), undefined, { signal });
  await redis.restart();
  const outage: Outage = { fromMs, lostAtMs, backAtMs: performance.now(), toMs: performance.now() + afterMs };
  await delay(afterMs, undefined, { signal });
  return stormFigures(crowd.transport.sent, crowd.opens, outage);
}

function lineOf({ offered, money, normalAfterMs, creditedBefore, creditedFirstSeconds }: StormFigures): string {
  const normal = normalAfterMs === undefined ? 'never' : `${numberText(normalAfterMs / 1000)} s`;
  return [
    `normal after ${normal}`,
    `offered ${numberText(offered.before)}/s before, ${numberText(offered.highest)} in the highest second`,
    `of these no shakes ${numberText(money.before)}/s and ${numberText(money.highest)}`,
    `credited ${numberText(creditedBefore)}/s before, then ${creditedFirstSeconds.join(' ')}`,
  ].join('; ');
}

function reportOf(runs: readonly StormFigures[]): PartReport {
  const secondsOf = ({ normalAfterMs }: StormFigures) =>
    normalAfterMs === undefined ? null : rounded(normalAfterMs / 1000);
  const times = runs.map(secondsOf);
  const known = times.filter((seconds) => seconds !== null);
  const slowest = known.length < times.length ? null : Math.max(...known);
  const ratios = runs.map(({ offered }) => rounded(offered.ratio));
  const highest = Math.max(...ratios);
  return {
    figures: { runs: runs.map((run) => figuresOf(run)) },
    rows: [
      {
        name: normalRule.name,
        value: slowest === null ? 'never' : numberText(slowest),
        bar: judged(normalRule, slowest),
      },
      {
        name: offeredRule.name,
        value: numberText(Math.max(...runs.map(({ offered }) => offered.highest))),
        beside: numberText(median(runs.map(({ offered }) => offered.before))),
        ratio: highest,
        bar: judged(offeredRule, highest),
      },
      {
        name: 'of these no shakes',
        value: numberText(Math.max(...runs.map(({ money }) => money.highest))),
        beside: numberText(median(runs.map(({ money }) => money.before))),
        ratio: Math.max(...runs.map(({ money }) => money.ratio)),
      },
    ],
  };
}

function figuresOf(run: StormFigures): Figures {
  const { offered, money, creditedBefore, creditedFirstSeconds, normalAfterMs, refused } = run;
  const rates = ({ before, highest, ratio }: StormFigures['offered']) => ({
    before: rounded(before),
    highest,
    ratio: rounded(ratio),
  });
  return {
    offered: rates(offered),
    money: rates(money),
    creditedBefore: rounded(creditedBefore),
    creditedFirstSeconds,
    normalAfterMs: normalAfterMs === undefined ? null : rounded(normalAfterMs),
    refused: { ...refused },
  };
}
