import { numberText } from '../frame/report.ts';
import { type BarRule, judged, type Part, type PartReport } from '../frame/suite.ts';
import { untilUndisturbed } from '../frame/undisturbed.ts';
import { median, pairedRatio, rotated, rounded } from '../measure/statistics.ts';
import type { BenchSystem } from './bench-system.ts';
import { type FilledLedger, fillLedger } from './fill-ledger.ts';
import { type OpensRun, runOpens } from './opens-run.ts';
import type { OpensStage } from './opens-stage.ts';
import { figuresOf, ratesOf } from './run-figures.ts';
import { type SettleRun, settleAlone } from './settle-alone.ts';
import { itemsPerCallMax, settleFigures } from './sql.ts';

/** Beyond every user of a filled ledger. */
const strangersFrom = 1_000_000_000;
const ratioRule: BarRule = {
  name: 'credited opens/s into the full ledger, beside an empty one',
  sense: 'at least',
  bar: 0.8,
};

type Kind = 'empty' | 'full';
type Runs = Record<Kind, { readonly endToEnd: OpensRun[]; readonly alone: SettleRun[] }>;

/** The rate into a ledger of millions of grants beside the rate into an empty one, by turns, end to end and by the database alone. */
export const fullPart: Part<OpensStage> = {
  name: 'full',
  bars: [ratioRule],
  measure: async (stage) => {
    await stage.endMainSystem();
    const ledgers = await stage.ledgers();
    const [empty, full] = [await ledgers.create('empty'), await ledgers.create('filled')];
    const grants = stage.context.grants ?? stage.settings.grants;
    stage.context.say(`  filling a ledger with ${numberText(grants)} grants …`);
    const filled = await fillLedger({ databaseUrl: full, grants, state: 'settled' });
    stage.context.say(`  it has ${numberText(filled.gigabytes)} GB, and took ${numberText(filled.seconds)} s`);
    const postgresPid = ledgers.server.pid;
    const systems = {
      empty: await stage.startSystem({ name: 'beside-empty', databaseUrl: empty, postgresPid }),
      full: await stage.startSystem({ name: 'beside-full', databaseUrl: full, postgresPid }),
    };
    try {
      return reportOf(await measure(stage, systems, filled), filled);
    } finally {
      await Promise.all([systems.empty.close(), systems.full.close()]);
      for (const name of ['empty', 'filled']) await ledgers.drop(name);
    }
  },
};

async function measure(stage: OpensStage, systems: Record<Kind, BenchSystem>, filled: FilledLedger): Promise<Runs> {
  const runs: Runs = { empty: { endToEnd: [], alone: [] }, full: { endToEnd: [], alone: [] } };
  const { fullRounds, sqlUsers } = stage.settings;
  const users = (count: number): number[] => mixedUsers(stage.newUsers(count), filled.users);
  for (let round = 0; round < fullRounds; round++) {
    for (const kind of rotated<Kind>(['empty', 'full'], round)) {
      stage.context.say(`  the ${kind} ledger:`);
      const load = { ...stage.closedLoop(), users };
      runs[kind].endToEnd.push(await untilUndisturbed(stage, () => runOpens(stage.context, systems[kind], load)));
      const alone = await settleAlone(systems[kind], users(sqlUsers), itemsPerCallMax);
      stage.context.say(`  ${numberText(alone.creditedPerSecond)} credited/s by settle_opens alone`);
      runs[kind].alone.push(alone);
    }
  }
  return runs;
}

/** Every other one is somebody whom the full ledger knows, from anywhere in it; no two are the same. */
function mixedUsers(fresh: readonly number[], known: number): number[] {
  // a step that shares no divisor with the number of users comes to each of them before it repeats
  const step = coprimeStep(known);
  return fresh.map((no, at) => (at % 2 === 0 ? strangersFrom + no : Math.floor((no * step) % known)));
}

function coprimeStep(count: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let step = Math.floor(count * 0.618) | 1;
  while (divisor(count, step) !== 1) step += 2;
  return step;
}

function reportOf({ empty, full }: Runs, filled: FilledLedger): PartReport {
  const rates = { empty: ratesOf(empty.endToEnd), full: ratesOf(full.endToEnd) };
  const { ratio, lowest, highest } = pairedRatio(rates.full, rates.empty);
  const aloneOf = (runs: readonly SettleRun[]) => runs.map(({ creditedPerSecond }) => creditedPerSecond);
  const alone = { empty: aloneOf(empty.alone), full: aloneOf(full.alone) };
  const aloneRatio = pairedRatio(alone.full, alone.empty).ratio;
  const grants = numberText(filled.grants);
  return {
    figures: {
      ledger: {
        grants: filled.grants,
        users: filled.users,
        gigabytes: rounded(filled.gigabytes),
        preparedSeconds: rounded(filled.seconds),
      },
      empty: { ...figuresOf(empty.endToEnd), alone: settleFigures(empty.alone) },
      full: { ...figuresOf(full.endToEnd), alone: settleFigures(full.alone) },
      ratio: { median: rounded(ratio), lowest: rounded(lowest), highest: rounded(highest), alone: rounded(aloneRatio) },
    },
    rows: [
      {
        name: `credited opens/s into ${grants} grants, beside an empty ledger`,
        value: numberText(median(rates.full)),
        beside: numberText(median(rates.empty)),
        ratio,
        bar: judged(ratioRule, rounded(ratio)),
      },
      {
        name: `settle_opens alone into ${grants} grants`,
        value: numberText(median(alone.full)),
        beside: numberText(median(alone.empty)),
        ratio: aloneRatio,
      },
    ],
  };
}
