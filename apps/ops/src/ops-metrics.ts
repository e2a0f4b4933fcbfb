import { effectiveTier, type SignalKey } from '#libs/degradation';
import { Counter, createMetrics, Gauge, type Registry } from '#libs/runtime';
import type { DegradationKeeper } from './degradation-keeper.ts';
import type { GatewaySamples } from './gateway-samples.ts';
import type { TierLeader } from './tier-leader.ts';

export interface MeasuredParts {
  readonly degradation: Pick<DegradationKeeper, 'known'>;
  readonly tierLeader: Pick<TierLeader, 'isLeading' | 'readings' | 'changes'>;
  readonly samples: Pick<GatewaySamples, 'passedOver'>;
  /** Store milliseconds. */
  readonly nowMs: () => number;
}

/** Prometheus metrics, read at each scrape. */
export function opsMetrics({ degradation, tierLeader, samples, nowMs }: MeasuredParts): Registry {
  const registers = [createMetrics('ops')];
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read();
        if (value === undefined) this.reset();
        else this.set(value);
      },
    });
  gauge('hongbao_tier', 'the tier in force: 0 everything is served, 5 opens and settlement only', () => {
    const state = degradation.known();
    return state && effectiveTier(state, nowMs());
  });
  gauge('hongbao_tier_auto', 'the tier that the controller holds right', () => degradation.known()?.autoTier);
  gauge('hongbao_is_tier_leader', '1 in the process that sets the tier', () => Number(tierLeader.isLeading));
  new Gauge({
    name: 'hongbao_tier_signal',
    help: 'what the tier is found by, in the process that sets it',
    labelNames: ['signal'] as const,
    registers,
    collect() {
      this.reset();
      const { readings } = tierLeader;
      for (const key of Object.keys(readings) as SignalKey[]) this.set({ signal: key }, readings[key]!);
    },
  });
  new Counter({
    name: 'hongbao_tier_changes_total',
    help: 'changes of the tier that this process made as leader',
    labelNames: ['direction'] as const,
    registers,
    collect() {
      this.reset();
      for (const direction of ['up', 'down'] as const) this.inc({ direction }, tierLeader.changes[direction]);
    },
  });
  new Counter({
    name: 'hongbao_gateway_samples_passed_over_total',
    help: 'samples of gateways that could not be read',
    registers,
    collect() {
      this.reset();
      this.inc(samples.passedOver);
    },
  });
  return registers[0]!;
}
