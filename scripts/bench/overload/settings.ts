import type { ImpatientStep } from '../driver/plans.ts';

/** What the suite `overload` measures with; the quick variant is for development. */
export interface OverloadSettings {
  /** With its part of a core the process takes a while until its code is warm: a capacity that is measured before is half of what it is. */
  readonly warmSeconds: number;
  readonly capacitySeconds: number;
  readonly stepSeconds: number;
  /** Between the first overload and the peak: the process has to be itself again, or its reaction to the peak would not be seen. */
  readonly calmSeconds: number;
  /** Of the loads that the bars are about. */
  readonly peakSeconds: number;
}

export const fullSettings: OverloadSettings = {
  warmSeconds: 12,
  capacitySeconds: 5,
  stepSeconds: 10,
  calmSeconds: 30,
  peakSeconds: 20,
};
export const quickSettings: OverloadSettings = {
  warmSeconds: 10,
  capacitySeconds: 3,
  stepSeconds: 4,
  calmSeconds: 20,
  peakSeconds: 6,
};

/**
 * Part of a core that the process with the shakes may have: so small that one driver, who makes a connection for each shake of a phone
 * that gave up, offers a multiple of what it can take. Together the opens and reads need a part of it too.
 */
export const coreShares = { split: 0.2, together: 0.3 } as const;
export const opensPerSecond = 200;
export const readsPerSecond = 100;
/** Whoever waits longer has gone. */
export const patienceMs = 2000;
/** Each with a connection of its own; together with those who come in their place no more files than a process may have open. */
export const phones = 12_000;
/** Who come in the place of those who wait: as many as can be refused or wait themselves. */
export const spares = 4000;
/** Of opens, and of reads: a phone opens over the connection by which it won. */
export const besideConnections = 512;
/** Shakes at once while the capacity is measured: always some to be read, and none that waits so long that the process steps back. */
export const capacityAtOnce = 200;
/** Of an event that paces: phones that obeyed would come this often. */
export const shakeIntervalMs = 2000;
/** What the event gives out meanwhile. */
export const packetsPerSecond = 20;

/** Loads over the capacity. The last is as far as the driver goes: at 6 x of 5700/s it sent its shakes two seconds late, to phones that had gone. */
export const loads = { low: 0.5, full: 1, double: 2, triple: 3, highest: 4 } as const;
export type LoadName = 'hold' | 'warm' | 'capacity' | 'settle' | 'calm' | 'after' | keyof typeof loads;

export interface LoadStep {
  readonly name: LoadName;
  readonly order: ImpatientStep;
}

/** The load is held back for so long that its end can be told from its beginning. */
const holdMs = 1500;
/** What the measurement of the capacity stirred up has gone by then. */
const settleMs = 6000;
/** Hardly anybody. */
const quietLoad = 0.1;
/** Those who come back over new connections are as many again, and still it has time left. */
const calmLoad = 0.25;

/**
 * The process is held to its share, its capacity is measured, and the loads follow. The load jumps to the peak
 * from below the capacity, so that it shows how soon it is noticed.
 */
export function stepsOf(settings: OverloadSettings, afterSeconds: number): LoadStep[] {
  const { warmSeconds, capacitySeconds, stepSeconds, calmSeconds, peakSeconds } = settings;
  const step = (name: LoadName, load: number, seconds: number): LoadStep => ({
    name,
    order: { ms: seconds * 1000, load },
  });
  return [
    { name: 'hold', order: { ms: holdMs, load: 0 } },
    { name: 'warm', order: { ms: warmSeconds * 1000, atOnce: capacityAtOnce } },
    { name: 'capacity', order: { ms: capacitySeconds * 1000, atOnce: capacityAtOnce } },
    { name: 'settle', order: { ms: settleMs, load: quietLoad } },
    step('low', loads.low, stepSeconds),
    step('full', loads.full, stepSeconds),
    step('double', loads.double, stepSeconds),
    step('calm', calmLoad, calmSeconds),
    step('triple', loads.triple, peakSeconds),
    step('highest', loads.highest, peakSeconds),
    step('after', loads.low, afterSeconds),
  ];
}
