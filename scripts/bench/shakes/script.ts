import { numberText } from '../frame/report.ts';
import { type BarRule, judged, type Part, type PartReport } from '../frame/suite.ts';
import { median, pairedRatio, rounded } from '../measure/statistics.ts';
import { assertMixOfAll, type ClosedLoopRun, firstRuns, meantMix, type Server, steadyRun } from './closed-loop.ts';
import { costsOf, figuresOf, inRounds } from './rounds.ts';
import { startRedisDraw } from './servers.ts';
import { hitShare } from './settings.ts';
import type { ShakesStage } from './shakes-stage.ts';

const costRule: BarRule = {
  name: 'CPU of one Redis script per shake, over the gateway',
  sense: 'at least',
  bar: 1.5,
};

type Contestant = 'gateway' | 'script' | 'scriptPipelined';

/** CPU per shake, gateway and Redis together, beside the same gateway with one Redis script per shake. */
export const scriptPart: Part<ShakesStage> = {
  name: 'script',
  bars: [costRule],
  measure: async (stage) => {
    const events = await stage.mixEvents();
    const { gateway } = stage;
    const script = await startRedisDraw(stage.place, events, { chance: hitShare, isPipelined: false });
    const scriptPipelined = await startRedisDraw(stage.place, events, { chance: hitShare, isPipelined: true });
    for (const server of [script, scriptPipelined])
      await firstRuns(stage.place, server, events, stage.place.settings.users);
    const measure = (server: Server) => steadyRun(stage.place, { server, events, meant: meantMix });
    const runs = await inRounds<Contestant>(stage.place.settings.rounds, {
      gateway: () => stage.place.stocker.stocking(events, () => measure(gateway)),
      script: () => measure(script),
      scriptPipelined: () => measure(scriptPipelined),
    });
    assertMixOfAll(gateway, runs.gateway);
    assertMixOfAll(script, runs.script);
    assertMixOfAll(scriptPipelined, runs.scriptPipelined);
    return reportOf(runs);
  },
};

function reportOf(runs: Record<Contestant, ClosedLoopRun[]>): PartReport {
  const cost = {
    gateway: costsOf(runs.gateway),
    script: costsOf(runs.script),
    pipelined: costsOf(runs.scriptPipelined),
  };
  const plain = pairedRatio(cost.script, cost.gateway);
  const pipelined = pairedRatio(cost.pipelined, cost.gateway);
  const value = `${numberText(median(cost.gateway))} µs`;
  return {
    figures: {
      gateway: figuresOf(runs.gateway),
      script: figuresOf(runs.script),
      scriptPipelined: figuresOf(runs.scriptPipelined),
      ratio: { script: rounded(plain.ratio), scriptPipelined: rounded(pipelined.ratio) },
    },
    rows: [
      {
        name: costRule.name,
        value,
        beside: `${numberText(median(cost.script))} µs`,
        ratio: plain.ratio,
        bar: judged(costRule, rounded(plain.ratio)),
      },
      {
        name: 'the same with the scripts of an event-loop turn in one write',
        value,
        beside: `${numberText(median(cost.pipelined))} µs`,
        ratio: pipelined.ratio,
      },
    ],
  };
}
