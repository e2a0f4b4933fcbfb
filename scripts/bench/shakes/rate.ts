import { numberText } from '../frame/report.ts';
import { type BarRule, judged, type Part, type PartReport, RefusedError } from '../frame/suite.ts';
import { median, pairedRatio, rounded } from '../measure/statistics.ts';
import { drawnPerSecond } from '../night/drawn.ts';
import { assertMixOfAll, type ClosedLoopRun, meantMix, steadyRun } from './closed-loop.ts';
import { costsOf, figuresOf, inRounds, ratesOf } from './rounds.ts';
import type { ShakesStage } from './shakes-stage.ts';

/** What the same bytes may differ by: waits have four digits or five, hits come by chance. */
const bytesTolerance = 0.03;
/** All of them; the gateway tells of another second than the one that was measured. */
const drawnShareMin = 0.85;
const bareReached = 50_000;
const shareRule: BarRule = { name: 'shakes/s beside bare node:http', sense: 'at least', bar: 0.75 };
const rateRule: BarRule = { name: 'shakes/s on one core', sense: 'at least', bar: 30_000 };

/** Shakes per second of a gateway beside bare node:http that writes the same bytes. */
export const ratePart: Part<ShakesStage> = {
  name: 'rate',
  bars: [shareRule, rateRule],
  measure: async (stage) => {
    const { settings, stocker, store } = stage.place;
    const events = await stage.mixEvents();
    const bare = await stage.bareServer();
    const { gateway } = stage;
    const drawnShares: number[] = [];
    const runs = await inRounds(settings.rounds, {
      bare: () => steadyRun(stage.place, { server: bare, events }),
      gateway: async () => {
        const load = { server: gateway, events, meant: meantMix };
        const run = await stocker.stocking(events, () => steadyRun(stage.place, load));
        drawnShares.push((await drawnPerSecond(store.client, stage.gatewayId)) / run.perSecond);
        return run;
      },
    });
    assertMixOfAll(gateway, runs.gateway);
    stage.capacity = median(ratesOf(runs.gateway));
    return reportOf(runs, assertDrawn(median(drawnShares)));
  },
};

/** Shakes that are not drawn would cost less. */
function assertDrawn(share: number): number {
  if (share >= drawnShareMin) return share;
  throw new RefusedError(
    `only ${numberText(100 * share)} % of the shakes were drawn: users came again within their turns`,
  );
}

function reportOf({ bare, gateway }: Record<'bare' | 'gateway', ClosedLoopRun[]>, drawnShare: number): PartReport {
  assertSameBytes(gateway, bare);
  const rates = { gateway: ratesOf(gateway), bare: ratesOf(bare) };
  const { ratio, lowest, highest } = pairedRatio(rates.gateway, rates.bare);
  const perSecond = { gateway: median(rates.gateway), bare: median(rates.bare) };
  // where bare http itself is slower the bar comes down with it
  const rule = { ...rateRule, bar: Math.round(rateRule.bar * Math.min(1, perSecond.bare / bareReached)) };
  const value = numberText(perSecond.gateway);
  return {
    figures: {
      gateway: { ...figuresOf(gateway), drawnShare: rounded(drawnShare) },
      bare: figuresOf(bare),
      ratio: { median: rounded(ratio), lowest: rounded(lowest), highest: rounded(highest) },
      cpuRatio: rounded(pairedRatio(costsOf(bare), costsOf(gateway)).ratio),
    },
    rows: [
      {
        name: shareRule.name,
        value,
        beside: numberText(perSecond.bare),
        ratio,
        bar: judged(shareRule, rounded(ratio)),
      },
      { name: rule.name, value, bar: judged(rule, Math.round(perSecond.gateway)) },
    ],
  };
}

function assertSameBytes(gateway: readonly ClosedLoopRun[], bare: readonly ClosedLoopRun[]): void {
  const [ours, theirs] = [gateway, bare].map((runs) => median(runs.map(({ bytesPerAnswer }) => bytesPerAnswer)));
  if (Math.abs(ours! / theirs! - 1) <= bytesTolerance) return;
  throw new RefusedError(`the gateway writes ${ours} bytes per answer, bare node:http ${theirs}`);
}
