/** What an operator does in the scenario `tiers`: the tier of each phase, and its part of the time of shaking. */
export const phases = [
  { name: 'full', tier: 0, part: 0.18 },
  { name: 'thin', tier: 2, part: 0.14 },
  { name: 'pace', tier: 4, part: 0.16 },
  { name: 'core', tier: 5, part: 0.18 },
  { name: 'back', tier: 0, part: 0.34 },
] as const;

export type Phase = (typeof phases)[number];

/** A change reaches every process within a second, and event answers may be a second old. */
const settlingMs = 2200;
/** What is begun this close to the next change may be answered after it. */
const turningMs = 1200;

export function phaseStartMs(phase: Phase, startMs: number, shakingMs: number): number {
  const index = phases.indexOf(phase);
  const before = phases.slice(0, index).reduce((sum, { part }) => sum + part, 0);
  return startMs + before * shakingMs;
}

/** The phase whose tier is in force beyond doubt at `nowMs`; undefined around a change. */
export function phaseAt(nowMs: number, startMs: number, shakingMs: number): Phase | undefined {
  return phases.find((phase) => {
    const fromMs = phaseStartMs(phase, startMs, shakingMs);
    const untilMs = fromMs + phase.part * shakingMs;
    return nowMs >= fromMs + settlingMs && nowMs < untilMs - turningMs;
  });
}
