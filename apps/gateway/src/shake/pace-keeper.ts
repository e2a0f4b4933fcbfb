import { performance } from 'node:perf_hooks';
import type { PaceController, PacedLoad } from './pace-controller.ts';
import type { ShakeCounters } from './shake-counters.ts';
import { activePeriodMs } from './turn-book.ts';

/** How often the pace is set. */
export const paceStepMs = activePeriodMs;

export interface PaceKeeperParts {
  readonly controller: PaceController;
  /** What all events bring since the last call. */
  readonly takeLoads: () => PacedLoad[];
  readonly counters: ShakeCounters;
}

/** Feeds the controller with what this process measures: how busy its event loop is, and how many shakes it answered. */
export class PaceKeeper {
  private steppedAtMs = 0;
  private shakesBefore = 0;
  private busyBefore = performance.eventLoopUtilization();

  constructor(private readonly parts: PaceKeeperParts) {}

  /** From here on is measured. */
  start(): void {
    this.steppedAtMs = performance.now();
    this.shakesBefore = this.parts.counters.total();
    this.busyBefore = performance.eventLoopUtilization();
  }

  /** Each `paceStepMs`. */
  step(): void {
    const nowMs = performance.now();
    const busy = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(busy, this.busyBefore);
    const shakes = this.parts.counters.total();
    const { controller, takeLoads } = this.parts;
    controller.step({
      elapsedMs: nowMs - this.steppedAtMs,
      utilisation: utilization,
      shakes: shakes - this.shakesBefore,
      loads: takeLoads(),
    });
    this.steppedAtMs = nowMs;
    this.busyBefore = busy;
    this.shakesBefore = shakes;
  }
}
