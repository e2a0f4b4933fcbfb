import { numberText } from '../frame/report.ts';
import type { Figures, Part } from '../frame/suite.ts';
import { median, rounded } from '../measure/statistics.ts';
import type { BenchSystem } from './bench-system.ts';
import type { OpensStage } from './opens-stage.ts';
import { type SettleRun, settleAlone } from './settle-alone.ts';

/** The largest call that allocation makes; a lane that is behind gets there. */
export const itemsPerCallMax = 1024;
/** When the part `rate` has not said how large the calls are. */
const itemsPerCallAssumed = 128;

/** The database alone, with calls as large as allocation made them at the full rate, and as large as it ever makes them. */
export const sqlPart: Part<OpensStage> = {
  name: 'sql',
  bars: [],
  measure: async (stage) => {
    const system = await stage.mainSystem();
    const sizes = [Math.round(stage.itemsPerCall ?? itemsPerCallAssumed), itemsPerCallMax];
    const runs = await settleRounds(stage, system, sizes);
    const of = (size: number) => median(runs.get(size)!.map(({ creditedPerSecond }) => creditedPerSecond));
    const endToEnd = stage.rate;
    return {
      figures: Object.fromEntries(sizes.map((size) => [`per${size}`, settleFigures(runs.get(size)!)])),
      rows: sizes.map((size) => ({
        name: `credited/s by settle_opens alone, ${size} per call`,
        value: numberText(of(size)),
        ...(endToEnd === undefined ? {} : { beside: `${numberText(endToEnd)} end to end`, ratio: of(size) / endToEnd }),
      })),
    };
  },
};

/** Each size once a round, in an event of its own. */
export async function settleRounds(
  stage: OpensStage,
  system: BenchSystem,
  sizes: readonly number[],
): Promise<Map<number, SettleRun[]>> {
  const { sqlRounds, sqlUsers } = stage.settings;
  const runs = new Map<number, SettleRun[]>(sizes.map((size) => [size, []]));
  for (let round = 0; round < sqlRounds; round++) {
    for (const size of sizes) {
      const run = await settleAlone(system, stage.newUsers(sqlUsers), size);
      stage.context.say(`  ${numberText(run.creditedPerSecond)} credited/s with ${size} per call`);
      runs.get(size)!.push(run);
    }
  }
  return runs;
}

export function settleFigures(runs: readonly SettleRun[]): Figures {
  return {
    creditedPerSecond: Math.round(median(runs.map(({ creditedPerSecond }) => creditedPerSecond))),
    creditedPerSecondOfRuns: runs.map(({ creditedPerSecond }) => Math.round(creditedPerSecond)),
    postgresMicrosEach: rounded(median(runs.map(({ postgresMicrosEach }) => postgresMicrosEach))),
    claimsPerSecond: Math.round(median(runs.map(({ claimsPerSecond }) => claimsPerSecond))),
    callsRepeated: runs.reduce((sum, { repeats }) => sum + repeats, 0),
  };
}
