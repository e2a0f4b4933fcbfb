import { numberText } from '../frame/report.ts';
import { type BarRule, type Figures, judged, type Part, type Row } from '../frame/suite.ts';
import { untilUndisturbed } from '../frame/undisturbed.ts';
import { countCommands } from '../measure/redis-commands.ts';
import { rounded } from '../measure/statistics.ts';
import type { Gateways } from '../night/gateways.ts';
import type { MeantShares } from '../night/outcomes.ts';
import { closedLoop } from './closed-loop.ts';
import { gatewayServer } from './servers.ts';
import type { ShakesStage } from './shakes-stage.ts';

const gatewayCounts = [1, 2, 4];
/** Sessions are verified, stock is in hand. */
const warmSecondsOf = (gateways: number): number => 3 + gateways;
/** The stock of the mix; several gateways on one core shake less. */
const meantAbout: MeantShares = { hit: { lowest: 0.003, highest: 0.06 }, miss: { lowest: 0.94, highest: 1 } };
const rules: readonly BarRule[] = gatewayCounts.map((count) => ({
  name: `Redis commands per 1000 shakes, ${count} gateway${count === 1 ? '' : 's'}`,
  sense: 'at most',
  bar: 0.5,
}));

/** What gateways ask of Redis at full load, one and several behind one port. */
export const commandsPart: Part<ShakesStage> = {
  name: 'commands',
  bars: rules,
  measure: async (stage) => {
    const figures: Record<string, Figures> = {};
    const rows: Row[] = [];
    for (const [at, count] of gatewayCounts.entries()) {
      const found = await measure(stage, count);
      figures[`gateways${count}`] = found;
      const value = found.perGatewayPer1000;
      rows.push({ name: rules[at]!.name, value: numberText(value), bar: judged(rules[at]!, value) });
    }
    return { figures, rows };
  },
};

async function measure(stage: ShakesStage, count: number) {
  const gateways = await stage.place.startGateways(`commands-${count}`, count);
  try {
    return await measureOn(stage, gateways, count);
  } finally {
    await gateways.stop();
  }
}

async function measureOn(stage: ShakesStage, gateways: Gateways, count: number) {
  const { place } = stage;
  const { commandsSeconds: seconds } = place.settings;
  const events = await stage.mixEvents();
  const load = { server: gatewayServer(place, gateways), events };
  const isOurs = (name: string): boolean => gateways.names.some((gateway) => name.startsWith(`${gateway}.`));
  const { result: run, commands } = await place.stocker.stocking(events, async () => {
    await closedLoop(place, { ...load, seconds: warmSecondsOf(count) });
    return await untilUndisturbed(place, () =>
      countCommands(place.store, isOurs, () => closedLoop(place, { ...load, seconds, meant: meantAbout })),
    );
  });
  const cores = Math.min(count, place.context.machine.serverCores.length);
  const shakes = run.perSecond * seconds;
  return {
    shakesPerSecond: Math.round(run.perSecond),
    commandsPerSecond: rounded(commands.sent / seconds),
    commandsPerSecondWithScripts: rounded(commands.executed / seconds),
    /** Of one gateway that has a core: gateways that share one have its shakes between them. */
    perGatewayPer1000: rounded(perFullCore(commands.sent, count, shakes / cores)),
    perGatewayPer1000WithScripts: rounded(perFullCore(commands.executed, count, shakes / cores)),
  };
}

function perFullCore(commands: number, gateways: number, shakesOfCore: number): number {
  return (1000 * commands) / gateways / shakesOfCore;
}
