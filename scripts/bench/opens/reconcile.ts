import { numberText } from '../frame/report.ts';
import { type BarRule, judged, type Part } from '../frame/suite.ts';
import { median, rounded } from '../measure/statistics.ts';
import type { BenchSystem } from './bench-system.ts';
import { type FilledLedger, fillLedger } from './fill-ledger.ts';
import type { OpensStage } from './opens-stage.ts';

const timeRule: BarRule = { name: 'reconciliation of a million grants, s', sense: 'at most', bar: 10 };

/** The operations report of an event with a million grants: every amount derived anew, and what is unclaimed with them. */
export const reconcilePart: Part<OpensStage> = {
  name: 'reconcile',
  bars: [timeRule],
  measure: async (stage) => {
    await stage.endMainSystem();
    const ledgers = await stage.ledgers();
    const databaseUrl = await ledgers.create('million');
    const filled = await fillLedger({ databaseUrl, grants: stage.settings.reconcileGrants, state: 'live' });
    const postgresPid = ledgers.server.pid;
    const system = await stage.startSystem({ name: 'reconcile', databaseUrl, postgresPid });
    const seconds: number[] = [];
    try {
      for (let round = 0; round < stage.settings.reconcileRounds; round++)
        seconds.push(await reconcileOnce(stage, system, filled));
    } finally {
      await system.close();
      await ledgers.drop('million');
    }
    const value = median(seconds);
    return {
      figures: {
        grants: filled.grants,
        seconds: rounded(value),
        secondsOfRuns: seconds.map(rounded),
        preparedSeconds: rounded(filled.seconds),
      },
      rows: [
        {
          name: stage.context.isQuick ? `reconciliation of ${numberText(filled.grants)} grants, s` : timeRule.name,
          value: numberText(value),
          bar: judged(timeRule, rounded(value)),
        },
      ],
    };
  },
};

/** From the question to the operations REST to its answer. */
async function reconcileOnce(
  stage: OpensStage,
  { ops }: BenchSystem,
  { eventId, grants }: FilledLedger,
): Promise<number> {
  const startMs = performance.now();
  const report = await ops.reconciliation(String(eventId));
  const seconds = (performance.now() - startMs) / 1000;
  stage.context.say(`  ${numberText(seconds)} s, unclaimed ${numberText(report.unclaimedFen)} fen`);
  if (!report.balanced || report.violations.length > 0 || report.packets.granted !== grants || report.unclaimedFen <= 0)
    throw new Error(`the filled ledger does not reconcile: ${JSON.stringify(report).slice(0, 500)}`);
  return seconds;
}
